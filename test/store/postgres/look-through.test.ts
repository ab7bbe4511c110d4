import { expect, test } from 'vitest';
import { noError, pendingAccepted } from '../../../src/domain/registry.ts';
import type { Row } from '../../../src/postgres/cells.ts';
import { lookThrough } from '../../../src/store/postgres/read/look-through.ts';

/** The columns of a log, in their order. */
function rowOf(number: number, chars: number): Row {
  const content = JSON.stringify({ type: 'TEXT', text: 'x'.repeat(chars) });
  const ids = [`m${number}`, 'sender', 'destination', null, null, null, null];
  return [
    1000 - number,
    number,
    ...ids,
    1,
    content,
    pendingAccepted.key,
    noError.key,
    null,
    1000 - number,
    null,
    null,
    null,
    null,
  ].map(cell => (cell === null ? null : String(cell)));
}

test.each([
  ['short', 10, 2000, 1_000_000],
  ['long', 60_000, 400, 60 * 65_000],
])(
  'no message of many has the words, and they are %s → all are looked through, so much held at once',
  async (_, chars, all, heldMax) => {
    const rows = Array.from({ length: all }, (_unused, number) => rowOf(number, chars));
    let [asked, most] = [0, 0];
    const behind = async (place: { readonly number: number } | undefined, count: number) => {
      asked++;
      const from = place === undefined ? 0 : place.number + 1;
      const some = rows.slice(from, from + count);
      most = Math.max(
        most,
        some.reduce((sum, row) => sum + String(row[10]).length, 0),
      );
      return some;
    };
    const query = { account: 1, filter: { text: 'nowhere' }, sentSince: 0, limit: 10, walk: false };
    expect(await lookThrough(behind, query, { from: undefined, endsAt: Infinity })).toEqual({ rows: [] });
    expect(most).toBeLessThanOrEqual(heldMax);
    expect(asked).toBe(1 + Math.ceil((all - 60) / (chars > 1000 ? 60 : 300)));
  },
);
