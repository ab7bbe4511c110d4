import { IsArray } from 'typebox';
import type { ReportsQuery } from '../../domain/outgoing.ts';
import { limits } from '../../limits.ts';
import type { Parsed } from '../parsed.ts';
import { present } from '../present.ts';
import { QueryReader } from './query-reader.ts';
import { reportsParameters } from './query-schemas.ts';

const known = new Map(Object.entries(reportsParameters).map(([name, schema]) => [name, { many: IsArray(schema) }]));

/** `raw` is what stands behind the `?`, as it came; every violation in one answer. */
export function parseReportsQuery(raw: string): Parsed<ReportsQuery> {
  const query = new QueryReader(raw, known);
  const limit = query.integer('limit', 1, limits.pageLogsMax) ?? limits.pageLogsDefault;
  const value = {
    limit,
    ...present({
      bulkId: query.text('bulkId'),
      messageId: query.text('messageId'),
      entityId: query.text('entityId'),
      applicationId: query.text('applicationId'),
      campaignReferenceId: query.text('campaignReferenceId'),
    }),
  };
  return query.violations.length > 0 ? { violations: query.violations } : { value };
}
