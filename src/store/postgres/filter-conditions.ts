import type { Filter } from '../../domain/filter.ts';
import { statusGroupNames } from '../../domain/registry.ts';
import { texts } from '../../postgres/arrays.ts';
import type { Value } from '../../postgres/session.ts';

/** The lists of a filter, by the column they are matched against. */
export const lists = [
  ['bulkIds', 'bulk_id'],
  ['campaignReferenceIds', 'campaign_reference_id'],
] as const;

export const texted = [
  ['sender', 'sender'],
  ['destination', 'destination'],
  ['entityId', 'entity_id'],
  ['applicationId', 'application_id'],
] as const;

/**
 * What a filter asks of the message `m` apart from its time, for a statement that is planned for its values. `value`
 * takes a value into the statement and gives what stands for it, as `account` does for the account.
 */
export function conditions(filter: Filter, account: string, value: (one: Value) => string): readonly string[] {
  const { generalStatus, messageIds } = filter;
  const all: string[] = [];
  for (const [name, column] of texted) {
    const asked = filter[name];
    if (asked !== undefined) all.push(`m.${column} = ${value(asked)}`);
  }
  for (const [name, column] of lists) {
    const asked = filter[name];
    if (asked !== undefined) all.push(`m.${column} = ANY (${value(texts(asked))}::text[])`);
  }
  if (generalStatus !== undefined) all.push(`m.group_id = ${statusGroupNames.indexOf(generalStatus)}`);
  if (messageIds !== undefined) {
    const ids = `${value(texts(messageIds))}::text[]`;
    all.push(`(m.sent_at, m.number) IN (
      SELECT k.sent_at, k.number FROM message_key k WHERE k.account_id = ${account} AND k.message_id = ANY (${ids}))`);
  }
  return all;
}
