import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { integer, optional, type Row, text } from '../../../postgres/cells.ts';
import type { Statement } from '../../../postgres/session.ts';
import { type Bookmark, type Change, type Changes, type ChangesQuery, InvalidBookmark } from '../../store.ts';
import type { Layouts } from '../layout/layouts.ts';
import type { Database } from '../log/database.ts';
import type { Moment, Watermark } from '../log/watermark.ts';
import { columnMs } from '../rows/column-ms.ts';
import { identityIn, logColumnCount, logColumns, stateIn } from '../rows/log-row.ts';
import { readState } from '../rows/report-text.ts';
import type { Slice } from '../rows/slices.ts';
import { type ReadSealing, sealedAt } from '../sealed/sealed-blocks.ts';
import { firstOfAll, shareOf } from '../search/merge.ts';
import { type FeedPlace, feedBookmark, feedPlace } from './feed-place.ts';

/** What was recorded after a place, in the order in which transactions were numbered. Holds nothing between calls. */
export class Feed {
  readonly #database: Database;
  readonly #layouts: Layouts;
  readonly #watermark: Watermark;

  constructor(database: Database, layouts: Layouts, watermark: Watermark) {
    this.#database = database;
    this.#layouts = layouts;
    this.#watermark = watermark;
  }

  /** Throws `InvalidBookmark`. */
  async changes(query: ChangesQuery & { readonly after: Bookmark }): Promise<Changes> {
    const { account, after, until, limit } = query;
    const from = feedPlace(after);
    const to = until === undefined ? undefined : feedPlace(until);
    const settled = await this.#watermark.read();
    for (const place of [from, to]) if (place !== undefined && place.tx > settled.end) throw new InvalidBookmark();
    const stretch = { from, to: to ?? { tx: settled.tx, steps: 0 }, settledTx: settled.tx };
    const rows = await this.#layouts.reading(placement =>
      this.#rows(placement.slicesOf(account), query, stretch, placement.sealing),
    );
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const changes = page.flatMap(row => changeIn(row) ?? []);
    if (rows.length > limit && last !== undefined) return { changes, next: feedBookmark(placeIn(last)), more: true };
    return {
      changes,
      next: until ?? (last === undefined ? feedBookmark(from) : feedBookmark(placeIn(last))),
      more: false,
    };
  }

  /** The first steps of all slices: one more than asked for, if there are. */
  async #rows(
    slices: readonly Slice[],
    { sentSince, limit }: ChangesQuery,
    stretch: Stretch,
    sealing: ReadSealing | undefined,
  ): Promise<readonly Row[]> {
    const { from, to, settledTx } = stretch;
    const stepsOf = async (slice: Slice, after: FeedPlace, count: number) => {
      const values = [slice, columnMs(sentSince), after.tx, after.steps, settledTx, to.tx, to.steps, count];
      const steps = await this.#database.read(stepsAfter, values);
      return sealing === undefined ? steps : this.#withSealed(slice, steps, sentSince, sealing);
    };
    const [only, ...others] = slices;
    if (only !== undefined && others.length === 0) return stepsOf(only, from, limit + 1);
    const share = shareOf(limit + 1, slices.length);
    const sources = slices.map(slice => async (after: Row | undefined) => {
      const rows = await stepsOf(slice, after === undefined ? from : placeIn(after), share);
      return { items: rows, more: rows.length === share };
    });
    return firstOfAll(sources, isEarlier, limit + 1);
  }

  /** What was sealed when the steps were read, and was taken out since, is in its block as it was then. */
  async #withSealed(
    slice: Slice,
    steps: readonly Row[],
    sentSince: EpochMs,
    { damage }: ReadSealing,
  ): Promise<readonly Row[]> {
    const placeOf = (row: Row) => ({ sentAt: integer(row.at(-2)), number: integer(row.at(-1)) });
    const isLacking = (row: Row) => row[stepColumnCount] === null && placeOf(row).sentAt >= sentSince;
    const sealed = await sealedAt(this.#database, slice, steps.filter(isLacking).map(placeOf), damage);
    return steps.map(row => {
      const found = isLacking(row) ? sealed.get(placeOf(row).number) : undefined;
      return found === undefined ? row : [...row.slice(0, stepColumnCount), ...found.row, row.at(-3)];
    });
  }

  /**
   * The place behind all that was recorded before the log settled so far. The place is told by what was recorded last:
   * numbers of transactions that recorded nothing may be given out again after a crash.
   */
  async beginning(account: AccountId, settled: Moment): Promise<Changes> {
    const rows = await this.#layouts.reading(async placement => {
      const asked = placement.slicesOf(account).map(slice => this.#database.read(newestRecording, [slice, settled.tx]));
      return (await Promise.all(asked)).flat();
    });
    const next = feedBookmark({ tx: Math.max(0, ...rows.map(row => integer(row[0]) + 1)), steps: 0 });
    return { changes: [], next, more: false };
  }
}

/** What is given: behind `from`, up to `to`, and nothing that is not settled. */
type Stretch = { readonly from: FeedPlace; readonly to: FeedPlace; readonly settledTx: number };

/** A transaction is in one slice, so no two rows of different ones have the same place. */
function isEarlier(a: Row, b: Row): boolean {
  const [one, other] = [placeIn(a), placeIn(b)];
  return one.tx < other.tx || (one.tx === other.tx && one.steps < other.steps);
}

const newestRecording: Statement = {
  name: 'newest recording',
  text: 'SELECT r.tx FROM recording r WHERE r.account_id = $1 AND r.tx < $2 ORDER BY r.tx DESC LIMIT 1',
};

/**
 * The log after a report is what the next report found; after the last one it is the message as it is now. A message
 * that was dropped, or is past, leaves a row without it, so that its place is gone past.
 */
const stepsAfter: Statement = {
  name: 'steps after',
  text: `
    SELECT s.tx, s.step, ${logColumns}, n.state_before, s.sent_at, s.number
    FROM (
      SELECT r.tx, u.step, u.sent_at, u.number, u.version
      FROM recording r
      CROSS JOIN LATERAL unnest(r.sent_ats, r.numbers, r.versions) WITH ORDINALITY u (sent_at, number, version, step)
      WHERE r.account_id = $1 AND r.tx >= $3 AND r.tx < $5 AND r.tx <= $6
        AND (r.tx > $3 OR u.step > $4) AND (r.tx < $6 OR u.step <= $7)
      ORDER BY r.tx, u.step
      LIMIT $8
    ) s
    LEFT JOIN LATERAL (
      SELECT * FROM message o
      WHERE o.account_id = $1 AND o.sent_at = s.sent_at AND o.number = s.number AND o.sent_at >= $2
      OFFSET 0
    ) m ON true
    LEFT JOIN LATERAL (
      SELECT f.state_before FROM report f
      WHERE f.account_id = $1 AND f.sent_at = s.sent_at AND f.number = s.number AND f.version = s.version + 1
        AND f.sent_at >= $2
      OFFSET 0
    ) n ON true
    ORDER BY s.tx, s.step`,
};

const stepColumnCount = 2;

function placeIn(row: Row): FeedPlace {
  return { tx: integer(row[0]), steps: integer(row[1]) };
}

function changeIn(row: Row): Change | undefined {
  const message = row.slice(stepColumnCount);
  if (optional(message[0], integer) === undefined) return undefined;
  const then = optional(message[logColumnCount], text);
  const state = then === undefined ? stateIn(message) : readState(then);
  return { log: { ...identityIn(message), ...state }, place: feedBookmark(placeIn(row)) };
}
