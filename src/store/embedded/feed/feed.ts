import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { type Change, type Changes, type ChangesQuery, InvalidBookmark } from '../../store.ts';
import type { Era } from '../log/log-file.ts';
import type { MessageRow, ReportRow } from '../rows/rows.ts';
import type { AccountWatermarks } from '../search/account-watermarks.ts';
import { feedBookmarkOf, feedPlaceOf } from '../search/bookmark.ts';
import type { Steps } from '../search/jobs.ts';
import { ownOrdinals, ownReports } from '../search/own-rows.ts';
import type { ReadSegment, ReadSegments } from '../search/read-segments.ts';
import { type LogEnd, type LogRange, ordinalOf, type Position, positionOf, segmentIdOf } from '../segment/position.ts';
import { logOf } from '../segment/record-row.ts';
import { messagesIn, reportsIn, type SharedSegment } from '../segment/shared-segment.ts';

/** Rows looked at in one call: a reader has others to answer. */
const rowsScannedMax = 4000;
const rowsAtATime = 1000;
/** To ask for an account's own rows in a segment counts as so many rows. */
const rowsOfLook = 20;

/**
 * The change feed. A place in it is a pair: messages before a position are given, and reports before a sequence; both
 * grow as the log does. A report carries the state it left its message in, so what is given is what was, whenever it
 * is asked for. Places are told by an account's own messages and reports alone, whatever others recorded between.
 */
export class Feed {
  readonly #segments: ReadSegments;
  readonly #ends: AccountWatermarks;
  readonly #currentEra: Int32Array;
  #eras: readonly Era[] = [];

  constructor(segments: ReadSegments, ends: AccountWatermarks, currentEra: Int32Array) {
    this.#segments = segments;
    this.#ends = ends;
    this.#currentEra = currentEra;
  }

  setEras(eras: readonly Era[]): void {
    this.#eras = eras;
  }

  /** Throws `InvalidBookmark`, and `DamagedSegment` when a segment must be set aside first. */
  *changes({ account, sentSince, after, until, limit }: ChangesQuery, gaps: readonly LogRange[] = []): Steps<Changes> {
    const own = yield* this.#ends.of(account, sentSince);
    const now = this.#end(own);
    const start = after === undefined ? undefined : this.#placeOf(after, now);
    const end = until === undefined ? further(own, start) : this.#placeOf(until, now);
    const endMark = until ?? this.#markOf(end);
    if (start === undefined) return { changes: [], next: endMark, more: false };
    const messages = new Run(
      start.position,
      end.position,
      (message: Message) => message.position,
      beyondGaps(messagesFrom(this.#segments, account), gaps, 'position'),
    );
    const reports = new Run(
      start.sequence,
      end.sequence,
      (report: Report) => report.row.sequence,
      beyondGaps(reportsFrom(this.#segments, account, sentSince), gaps, 'sequence'),
    );
    const given = () => ({ position: messages.given, sequence: reports.given });
    const changes: Change[] = [];
    while (changes.length < limit) {
      const message = messages.head(limit - changes.length);
      const report = reports.head(limit - changes.length);
      if (report !== undefined && isNext(report, message, messages.given)) {
        reports.take();
        changes.push({ log: logOf(report.message, report.row), place: this.#markOf(given()) });
      } else if (message !== undefined) {
        messages.take();
        if (message.row.sentAt < sentSince) continue;
        changes.push({ log: logOf(message.row, undefined), place: this.#markOf(given()) });
      } else break;
    }
    if (messages.isOver && reports.isOver) return { changes, next: endMark, more: false };
    // What others recorded is gone past only where there is nothing else to tell the place by.
    const next = changes.at(-1)?.place ?? this.#markOf({ position: messages.searched, sequence: reports.searched });
    return { changes, next, more: true };
  }

  #end(own: LogEnd): LogEnd {
    const { position, sequence } = this.#segments.end();
    const begun = this.#eras.at(-1);
    return {
      position: Math.max(position, own.position, begun?.position ?? 0),
      sequence: Math.max(sequence, own.sequence, begun?.sequence ?? 0),
    };
  }

  /** Names the first era that comes so far: one that another account's record began since must not show. */
  #markOf(end: LogEnd): string {
    const era = this.#eras.find((_, i) => {
      const next = this.#eras[i + 1];
      return next === undefined || !isBeyond(end, next);
    });
    return feedBookmarkOf({ era: era?.id ?? Atomics.load(this.#currentEra, 0), ...end });
  }

  /** The place of a bookmark, if the log's history leads from there to here. */
  #placeOf(bookmark: string, now: LogEnd): LogEnd {
    const place = feedPlaceOf(bookmark);
    const index = this.#eras.findIndex(era => era.id === place.era);
    const isCurrent = place.era === Atomics.load(this.#currentEra, 0);
    if (index < 0 && !isCurrent) throw new InvalidBookmark();
    const eraEnd = isCurrent ? now : (this.#eras[index + 1] ?? now);
    if (isBeyond(place, now) || isBeyond(place, eraEnd)) throw new InvalidBookmark();
    return place;
  }
}

type Message = { readonly row: MessageRow; readonly position: Position };
type Report = { readonly row: ReportRow; readonly message: MessageRow };

/** A report waits until its message has been given, and otherwise for its time: neither kind starves the other. */
function isNext({ row }: Report, message: Message | undefined, given: Position): boolean {
  return row.message < given && (message === undefined || row.receivedAt < message.row.receivedAt);
}

/** What the account was given before is past retention by now, and is not given again should it be kept longer then. */
function further(own: LogEnd, start: LogEnd | undefined): LogEnd {
  if (start === undefined) return own;
  const { position, sequence } = start;
  return { position: Math.max(own.position, position), sequence: Math.max(own.sequence, sequence) };
}

function isBeyond(place: LogEnd, end: LogEnd): boolean {
  return place.position > end.position || place.sequence > end.sequence;
}

/** `items` are all there is before `to`, found by looking at `rows` rows. */
type Searched<T> = { readonly items: readonly T[]; readonly to: number; readonly rows: number };

/** Finds at most `wanted` items from a number to before another, looking at no more than `rows` rows. */
type Search<T> = (from: number, end: number, rows: number, wanted: number) => Searched<T>;

/** What is to be given in the order of its numbers, searched for piece by piece. */
class Run<T> {
  readonly #end: number;
  readonly #numberOf: (item: T) => number;
  readonly #search: Search<T>;
  #items: readonly T[] = [];
  #at = 0;
  /** `#items` are all there is before it. */
  #searched: number;
  #rowsLeft = rowsScannedMax;
  /** Behind the last that was given. */
  given: number;

  constructor(from: number, end: number, numberOf: (item: T) => number, search: Search<T>) {
    this.#end = end;
    this.#numberOf = numberOf;
    this.#search = search;
    this.#searched = from;
    this.given = from;
  }

  /** Nothing is left to give. */
  get isOver(): boolean {
    return this.#at === this.#items.length && this.#searched >= this.#end;
  }

  /** Everything before it has been given. */
  get searched(): number {
    return this.#at === this.#items.length ? Math.max(this.#searched, this.given) : this.given;
  }

  /** The next item; `undefined` at the end, and when enough rows were looked at. */
  head(wanted: number): T | undefined {
    while (this.#at === this.#items.length && this.#searched < this.#end && this.#rowsLeft > 0) {
      const rowsMax = Math.min(rowsAtATime, this.#rowsLeft);
      const { items, to, rows } = this.#search(this.#searched, this.#end, rowsMax, wanted);
      this.#items = items;
      this.#at = 0;
      this.#searched = Math.min(to, this.#end);
      this.#rowsLeft -= rows;
    }
    return this.#items[this.#at];
  }

  take(): void {
    const item = this.#items[this.#at++];
    if (item === undefined) throw new RangeError('there is nothing to take');
    this.given = this.#numberOf(item) + 1;
  }
}

/** Where there is known to be nothing, nothing is looked at. */
function beyondGaps<T>(search: Search<T>, gaps: readonly LogRange[], kind: keyof LogEnd): Search<T> {
  return (from, end, rows, wanted) => {
    const gap = gaps.find(one => one.from[kind] <= from && from < one.to[kind]);
    if (gap !== undefined) return { items: [], to: Math.min(gap.to[kind], end), rows: 0 };
    return search(from, end, rows, wanted);
  };
}

/** An account's messages by position, with their segment. */
function messagesFrom(segments: ReadSegments, account: AccountId): Search<Message> {
  return (from, end, rows, wanted) => {
    const segment = firstOf(segments, ({ id }) => (id >= segmentIdOf(from) ? id : undefined));
    if (segment === undefined) return { items: [], to: end, rows: 0 };
    const { shared } = segment;
    const base = positionOf(shared.id, 0);
    const [first, until] = [Math.max(0, from - base), Math.min(messagesIn(shared), end - base)];
    if (first >= until) return { items: [], to: positionOf(shared.id + 1, 0), rows: 0 };
    const own = ownOrdinals(segments, segment, account, { from: first, to: until, wanted });
    const last = own === undefined ? Math.min(until, first + rows) : until;
    const found =
      own === undefined
        ? segments
            .withRows(shared.id, file => file.messagesFrom(first, last - first))
            .filter(row => row.ordinal < last && row.account === account)
            .slice(0, wanted)
        : segments
            .messages(Array.from(own, ordinal => ({ segmentId: shared.id, ordinal })))
            .filter(row => row !== undefined);
    const items = found.map(row => ({ row, position: base + row.ordinal })).sort((a, b) => a.position - b.position);
    const to = base + searchedTo(own ?? found.map(row => row.ordinal), wanted, last);
    return { items, to, rows: own === undefined ? last - first : rowsOfLook + own.length };
  };
}

/** The reports that changed an account's logs by sequence, with their messages. */
function reportsFrom(segments: ReadSegments, account: AccountId, sentSince: EpochMs): Search<Report> {
  return (from, end, rows, wanted) => {
    const segment = firstOf(segments, shared => {
      const end = shared.firstSequence + reportsIn(shared);
      return end > Math.max(from, shared.firstSequence) ? shared.firstSequence : undefined;
    });
    if (segment === undefined) return { items: [], to: end, rows: 0 };
    const { shared } = segment;
    const base = shared.firstSequence;
    const [first, until] = [Math.max(0, from - base), Math.min(reportsIn(shared), end - base)];
    if (first >= until) return { items: [], to: end, rows: 0 };
    const own = ownReports(segments, segment, account, { from: first, to: until, wanted });
    const last = own === undefined ? Math.min(until, first + rows) : until;
    const found =
      own === undefined
        ? segments
            .withRows(shared.id, file => file.reportsFrom(base + first, last - first))
            .filter(row => row.sequence < base + last && row.account === account && row.changed === 1)
            .slice(0, wanted)
        : segments.reports(shared, placesFrom(base, own));
    const items = withMessages(segments, account, sentSince, found);
    const to = base + searchedTo(own ?? found.map(row => row.sequence - base), wanted, last);
    return { items, to, rows: own === undefined ? last - first : rowsOfLook + own.length };
  };
}

/** Where a search stands that found these places, as many as it wanted, or all before the last; rows that are lost count. */
function searchedTo(places: ArrayLike<number>, wanted: number, last: number): number {
  return places.length < wanted ? last : (places[places.length - 1] ?? last) + 1;
}

const placesFrom = (base: number, places: ArrayLike<number>) => Array.from(places, place => base + place);

/** Those that changed the log of a message that is still kept. */
function withMessages(
  segments: ReadSegments,
  account: AccountId,
  sentSince: EpochMs,
  reports: readonly ReportRow[],
): readonly Report[] {
  const inTime = reports
    .filter(row => row.changed === 1 && row.sentAt >= sentSince)
    .sort((a, b) => a.sequence - b.sequence);
  const messages = segments.messages(
    inTime.map(row => ({ segmentId: segmentIdOf(row.message), ordinal: ordinalOf(row.message) })),
  );
  // A message that was set aside, or dropped, has no log to show.
  return inTime.flatMap((row, i) => {
    const message = messages[i];
    return message === undefined || message.account !== account ? [] : [{ row, message }];
  });
}

/** The segment with the least key among those that have one. */
function firstOf(
  segments: ReadSegments,
  keyOf: (shared: SharedSegment) => number | undefined,
): ReadSegment | undefined {
  let first: { readonly segment: ReadSegment; readonly key: number } | undefined;
  for (const segment of segments.all()) {
    const key = keyOf(segment.shared);
    if (key !== undefined && (first === undefined || key < first.key)) first = { segment, key };
  }
  return first?.segment;
}
