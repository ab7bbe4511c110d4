import { type Filter, groupIdsOf, valuesOf } from '../../domain/filter.ts';
import { type FilterName, filterFields } from '../../domain/filter-fields.ts';
import { texts } from '../../postgres/arrays.ts';
import type { Value } from '../../postgres/session.ts';

/** The fields that a column of `message` holds as it is asked for. */
export const columns: readonly (readonly [name: FilterName, column: string])[] = filterFields
  // Ids are found by their keys, groups by their numbers.
  .filter(({ name, changes }) => name !== 'messageId' && !changes)
  .map(({ name }) => [name, name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)]);

/**
 * What a filter asks of the message `m` apart from its time, for a statement that is planned for its values. `value`
 * takes a value into the statement and gives what stands for it, as `account` does for the account.
 */
export function conditions(filter: Filter, account: string, value: (one: Value) => string): readonly string[] {
  const all: string[] = [];
  for (const [name, column] of columns) {
    const [asked, ...others] = valuesOf(filter, name) ?? [];
    if (asked === undefined) continue;
    if (others.length === 0) all.push(`m.${column} = ${value(asked)}`);
    else all.push(`m.${column} = ANY (${value(texts([asked, ...others]))}::text[])`);
  }
  const groups = groupIdsOf(filter);
  if (groups !== undefined) all.push(isOneOf('m.group_id', groups));
  const messageIds = valuesOf(filter, 'messageId');
  if (messageIds !== undefined) {
    const ids = `${value(texts(messageIds))}::text[]`;
    all.push(`(m.sent_at, m.number) IN (
      SELECT k.sent_at, k.number FROM message_key k WHERE k.account_id = ${account} AND k.message_id = ANY (${ids}))`);
  }
  return all;
}

/** Whether a number is one of some that stand in the text of the statement; of none it never is. */
export function isOneOf(expression: string, numbers: readonly number[]): string {
  if (numbers.length === 0) return 'false';
  return numbers.length === 1 ? `${expression} = ${numbers[0]}` : `${expression} IN (${numbers.join()})`;
}
