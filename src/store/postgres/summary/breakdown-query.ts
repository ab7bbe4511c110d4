import { type BreakdownField, errorCalled, type Parts } from '../../../domain/breakdown.ts';
import { limits } from '../../../limits.ts';
import { integer, optional, type Row, text } from '../../../postgres/cells.ts';
import type { Value } from '../../../postgres/session.ts';
import { errorWith } from '../../words.ts';
import {
  addPrices,
  type Counting,
  countedConditions,
  isOther,
  nanoSums,
  nanos,
  pricedIn,
  timeClass,
} from './count-query.ts';

/** Each row of an answer is one figure of a part. */
const rowsMax = limits.breakdownFiguresMax;

/** What each field is grouped by: errors that are not registered by their own words, too. */
const expressions: { readonly [field in BreakdownField]: readonly string[] } = {
  sender: ['m.sender'],
  campaignReferenceId: ['m.campaign_reference_id'],
  applicationId: ['m.application_id'],
  entityId: ['m.entity_id'],
  error: ['m.error_key', `CASE WHEN ${isOther} THEN m.words END`],
};

const figures = ['group_id', 'time_class', 'currency'] as const;
/** As the bits of GROUPING over these columns: 0 for the one that a row is grouped by. */
const kindOf = (figure: (typeof figures)[number]) => 7 - 2 ** (2 - figures.indexOf(figure));

/** Counts by part and by each figure in one pass over the messages. */
export function breakdownStatement(
  counting: Counting,
  by: readonly BreakdownField[],
): { readonly text: string; readonly values: readonly Value[] } {
  const values: Value[] = [];
  const conditions = countedConditions(counting, one => `$${values.push(one)}`);
  const grouped = by.flatMap(field => expressions[field]);
  const part = grouped.map((_, i) => `c.v${i}`).join(', ');
  return {
    text: `
      SELECT GROUPING(${figures.map(figure => `c.${figure}`).join(', ')}) AS kind,
        coalesce(c.group_id, c.time_class) AS number, c.currency, count(*), ${nanoSums}, ${part}
      FROM (
        SELECT ${grouped.map((expression, i) => `${expression} AS v${i}`).join(', ')}, m.group_id,
          ${timeClass} AS time_class, ${pricedIn} AS currency, ${nanos} AS nanos
        FROM message m WHERE ${conditions}
      ) c
      GROUP BY GROUPING SETS (${figures.map(figure => `(${part}, c.${figure})`).join(', ')})
      HAVING coalesce(c.group_id, c.time_class) IS NOT NULL OR c.currency IS NOT NULL
      LIMIT ${rowsMax + 1}`,
    values,
  };
}

/** Adds the rows of a statement with this `by`. */
export function addParts(parts: Parts, rows: readonly Row[]): void {
  if (rows.length > rowsMax) return parts.overflow();
  for (const [kind, number, currency, count, highs, low, ...grouped] of rows) {
    const cells = grouped.values();
    const values = parts.by.map(field => {
      const cell = cells.next().value;
      if (field !== 'error') return optional(cell, text);
      return errorCalled(errorWith(integer(cell), optional(cells.next().value, text)));
    });
    const part = parts.of(values);
    if (part === undefined) return;
    const times = integer(count);
    if (kind === kindOf('group_id')) part.group(integer(number), times);
    else if (kind === kindOf('time_class')) part.delivery(integer(number), times);
    else addPrices(part, text(currency), highs, low, times);
  }
}
