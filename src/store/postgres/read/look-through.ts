import { conditionMatcher, textOf } from '../../../domain/filter.ts';
import type { Row } from '../../../postgres/cells.ts';
import { Slices } from '../../../slices.ts';
import type { Query } from '../../store.ts';
import { logIn, type Place, placeIn } from '../rows/log-row.ts';
import { RowsAtOnce } from '../rows/rows-at-once.ts';

/** Gives what else is asked for, newest first and behind a place: `count` where there are so many. */
type RowsBehind = (place: Place | undefined, count: number) => Promise<readonly Row[]>;

type LookingThrough = {
  /** Where the page begins; before everything where it is absent. */
  readonly from: Place | undefined;
  /** By `performance.now()`. */
  readonly endsAt: number;
};

/**
 * The rows that have the words asked for: one more than the page has where there are more. `reached` is the last that was
 * looked at when the time was over.
 */
export async function lookThrough(
  rowsBehind: RowsBehind,
  { filter, limit }: Query,
  { from, endsAt }: LookingThrough,
): Promise<{ readonly rows: readonly Row[]; readonly reached?: Place | undefined }> {
  const hasText = conditionMatcher(textOf(filter));
  const found: Row[] = [];
  const slices = new Slices();
  const atOnce = new RowsAtOnce();
  for (let place = from; ; atOnce.next()) {
    const rows = await rowsBehind(place, atOnce.count);
    for (const row of rows) {
      // One whose content is as long as may be takes milliseconds.
      const pause = slices.pause();
      if (pause !== undefined) await pause;
      const log = logIn(row);
      atOnce.saw(log);
      if (hasText(log) && found.push(row) > limit) return { rows: found };
      place = placeIn(row);
    }
    if (rows.length < atOnce.count) return { rows: found };
    if (performance.now() >= endsAt) return { rows: found, reached: place };
  }
}
