import type { Parts } from '../../../domain/breakdown.ts';
import type { Session, Value } from '../../../postgres/session.ts';
import { Slices } from '../../../slices.ts';
import { logColumns, logIn, type Place, placeIn } from '../rows/log-row.ts';
import { RowsAtOnce } from '../rows/rows-at-once.ts';
import { type CountedPart, type Counting, countedConditions } from './count-query.ts';
import { CountedLogs } from './counted-logs.ts';

/**
 * As `countStatement` and `breakdownStatement`, where words are asked for: what else is asked for is read, newest first, and
 * looked through here. `goOn` gives what bounds the next statement, and throws when there is no more time.
 */
export async function countText(
  session: Session,
  counting: Counting,
  parts: Parts | undefined,
  goOn: () => string,
): Promise<CountedPart> {
  const counted = new CountedLogs(counting, parts);
  const slices = new Slices();
  const atOnce = new RowsAtOnce();
  for (let place: Place | undefined; ; atOnce.next()) {
    await session.run(goOn());
    const { text, values } = rowsStatement(counting, place, atOnce.count);
    const rows = await session.query({ text }, values);
    for (const row of rows) {
      const pause = slices.pause();
      if (pause !== undefined) await pause;
      const log = logIn(row);
      atOnce.saw(log);
      counted.count(log);
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < atOnce.count) return counted;
    place = placeIn(last);
  }
}

function rowsStatement(
  counting: Counting,
  place: Place | undefined,
  count: number,
): { readonly text: string; readonly values: readonly Value[] } {
  const values: Value[] = [];
  const value = (one: Value) => `$${values.push(one)}`;
  const conditions = countedConditions(counting, value);
  const behind =
    place === undefined ? '' : `AND (m.sent_at, m.number) < (${value(place.sentAt)}, ${value(place.number)})`;
  return {
    text: `SELECT ${logColumns} FROM message m WHERE ${conditions} ${behind}
      ORDER BY m.sent_at DESC, m.number DESC LIMIT ${count}`,
    values,
  };
}
