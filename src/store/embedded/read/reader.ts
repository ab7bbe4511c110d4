import { asksForState, asksForText, conditionMatcher } from '../../../domain/filter.ts';
import type { AccountId, EpochMs, LogRecord, MessageHistory } from '../../../domain/message.ts';
import type { PageEnd, Query } from '../../store.ts';
import type { ReportState } from '../rows/rows.ts';
import type { AccountWatermarks } from '../search/account-watermarks.ts';
import { beginningAt, bookmarkOf, placeOf } from '../search/bookmark.ts';
import { candidatesOf } from '../search/candidates.ts';
import type { Steps } from '../search/jobs.ts';
import { PacedRows } from '../search/paced-rows.ts';
import type { Found, ReadSegments } from '../search/read-segments.ts';
import { positionOf } from '../segment/position.ts';
import { logOf, timelineOf } from '../segment/record-row.ts';

/**
 * Rows that are read, compared and rendered in one step, and how long their contents may be about. A hundred pages that
 * were begun and wait for their turn hold a step each.
 */
const rowsAtATime = 100;
const firstRows = 8;
const stepChars = 512 * 1024;
/** Messages that are looked through for words before it is asked which come next. */
const lookedThroughAtOnce = 1000;

/** How many rows the next step takes, by how long the contents were that this one found. */
export function rowsOfNext(found: readonly { readonly contentJson: string }[]): number {
  const chars = found.reduce((sum, { contentJson }) => sum + contentJson.length, 0);
  const fitting = Math.floor((stepChars * found.length) / Math.max(1, chars));
  return found.length === 0 ? rowsAtATime : Math.min(rowsAtATime, Math.max(firstRows, fitting));
}

/** Answers queries over all segments. Holds nothing between calls: a walk lives in its bookmark. */
export class Reader {
  readonly #segments: ReadSegments;
  readonly #ends: AccountWatermarks;
  readonly #hashSeed: number;
  readonly #now: () => number;

  constructor(
    segments: ReadSegments,
    ends: AccountWatermarks,
    hashSeed: number,
    now: () => number = () => performance.now(),
  ) {
    this.#segments = segments;
    this.#ends = ends;
    this.#hashSeed = hashSeed;
    this.#now = now;
  }

  /**
   * Looks for a page: each step gives the logs that it found, newest first, and the end gives what the page ends with.
   * Throws `InvalidBookmark`, and `DamagedSegment` when a segment must be set aside first.
   */
  *search(query: Query): Generator<readonly LogRecord[], PageEnd, boolean> {
    const place = query.after === undefined ? undefined : placeOf(query.after);
    const walk = place ?? beginningAt(yield* whole(this.#ends.of(query.account, query.sentSince)));
    const isText = asksForText(query.filter);
    const endsAt = isText && query.budgetMs !== undefined ? this.#now() + query.budgetMs : Infinity;
    const mayGoOn = query.walk || place !== undefined || endsAt !== Infinity;
    const asOf = mayGoOn ? walk.asOf : undefined;
    const candidates = candidatesOf(this.#segments, this.#hashSeed, query, walk, place !== undefined);
    const behind = ({ sentAt, segmentId, ordinal }: Found) =>
      bookmarkOf({ ...walk, sentAt, position: positionOf(segmentId, ordinal) });
    let count = 0;
    const paced = new PacedRows(1, rowsAtATime);
    let rows = isText ? paced.count : firstRows;
    let last: Found | undefined;
    for (;;) {
      const wanted = query.limit + 1 - count;
      const taken = yield* whole(candidates.take(isText ? Math.max(wanted, lookedThroughAtOnce) : wanted));
      if (taken.length === 0) return {};
      // Rows can be long: a few at a time.
      for (let at = 0; at < taken.length && count <= query.limit; ) {
        const looked = taken.slice(at, at + rows);
        const begun = performance.now();
        const found = this.#logs(looked, query, asOf);
        at += rows;
        paced.took(performance.now() - begun);
        // Of those without the words nobody has seen how long they are.
        rows = isText ? paced.count : rowsOfNext(found.map(({ log }) => log));
        const shown = found.slice(0, query.limit - count);
        last = shown.at(-1)?.place ?? last;
        count += found.length;
        if (yield shown.map(({ log }) => log)) candidates.afterPause();
        const reached = looked.at(-1);
        if (count <= query.limit && reached !== undefined && this.#now() >= endsAt)
          return { next: behind(reached), reached: reached.sentAt };
      }
      if (count <= query.limit) continue;
      const isAsked = query.walk || place !== undefined;
      return isAsked && last !== undefined ? { next: behind(last) } : {};
    }
  }

  *history(account: AccountId, messageId: string, sentSince: EpochMs): Steps<MessageHistory | undefined> {
    const asked = { account, filter: { messageId }, sentSince };
    const fits = conditionMatcher(asked.filter);
    const merge = candidatesOf(this.#segments, this.#hashSeed, asked, beginningAt(this.#segments.end()), false);
    for (;;) {
      const [candidate] = yield* merge.take(1);
      if (candidate === undefined) return undefined;
      const [row] = this.#segments.messages([candidate]);
      if (row === undefined || row.account !== account || !fits(logOf(row, undefined))) continue;
      const { rows, omitted } = this.#segments.timeline(this.#segments.newestReport(candidate));
      return { log: logOf(row, rows.at(-1)), timeline: timelineOf(row, rows), omitted };
    }
  }

  /** Reads candidates' rows and states, in the candidates' order, leaving out what only seemed to match. */
  #logs(
    candidates: readonly Found[],
    query: Query,
    asOf: number | undefined,
  ): readonly { log: LogRecord; place: Found }[] {
    const fits = conditionMatcher(query.filter, { changes: false });
    const rows = this.#segments.messages(candidates);
    const newest = candidates.map(one => this.#segments.newestReport(one));
    const reports = this.#segments.states(newest.filter(sequence => sequence !== 0));
    const asksState = asksForState(query.filter);
    const isText = asksForText(query.filter);
    const isInState = conditionMatcher(query.filter, { changes: true });
    const found: { log: LogRecord; place: Found }[] = [];
    for (const [i, place] of candidates.entries()) {
      const row = rows[i];
      if (row === undefined || row.account !== query.account) continue;
      const report = reports.get(newest[i] ?? 0);
      let log = logOf(row, report);
      if (isText) this.#segments.liveWords(place.segmentId)?.learn(query.account, place.ordinal, log);
      if (!fits(log)) continue;
      if (asksState) {
        const then = asOf === undefined ? report : this.#asOf(report, asOf);
        const logThen = then === report ? log : logOf(row, then);
        if (!isInState(logThen)) continue;
        if (!isInState(log)) log = logThen;
      }
      found.push({ log, place });
    }
    return found;
  }

  /** The state a message had when `asOf` was the newest report; `undefined` when there was no report on it yet. */
  #asOf(report: ReportState | undefined, asOf: number): ReportState | undefined {
    let then = report;
    while (then !== undefined && then.sequence > asOf)
      then = then.previous === 0 ? undefined : this.#segments.states([then.previous]).get(then.previous);
    return then;
  }
}

/** The steps of other work, none of which has found a log. */
function* whole<T>(work: Steps<T>): Generator<readonly LogRecord[], T, boolean> {
  for (let wasPaused = false; ; wasPaused = yield []) {
    const { done, value } = work.next(wasPaused);
    if (done) return value;
  }
}
