import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { type Change, type Changes, type ChangesQuery, InvalidBookmark } from '../../store.ts';
import type { AccountWatermarks } from '../log/account-watermarks.ts';
import type { Era } from '../log/log-file.ts';
import { feedBookmarkOf, feedPlaceOf } from '../search/bookmark.ts';
import type { ReadSegments } from '../search/read-segments.ts';
import { concerns, messagesOf, ordinalsOf } from '../search/sealed-scan.ts';
import { type LogEnd, type LogRange, ordinalOf, type Position, positionOf, segmentIdOf } from '../segment/position.ts';
import { logOf, verifyMessage, verifyReport } from '../segment/record-row.ts';
import type { MessageRow, ReportRow } from '../segment/rows-file.ts';
import { messagesIn, reportsIn, type SharedSegment } from '../segment/shared-segment.ts';

/** Rows looked at in one call: other accounts' lie between one's own, and a reader has others to answer. */
const rowsScannedMax = 4000;
const rowsAtATime = 1000;
/** To ask a segment's index counts as so many rows. */
const rowsOfLook = 20;
/** Of a segment of which an account has less than this part, its own rows are read alone. */
const smallPart = 1 / 8;

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
  changes({ account, sentSince, after, until, limit }: ChangesQuery, gaps: readonly LogRange[] = []): Changes {
    const own = this.#ends.of(account);
    const now = this.#end(own);
    const end = until === undefined ? own : this.#placeOf(until, now);
    const endMark = until ?? this.#markOf(end);
    if (after === undefined) return { changes: [], next: endMark, more: false };
    const start = this.#placeOf(after, now);
    const messages = new Run(
      start.position,
      end.position,
      (message: Message) => message.position,
      beyondGaps(messagesFrom(this.#segments, account), gaps, 'position'),
    );
    const reports = new Run(
      start.sequence,
      end.sequence,
      (report: Report) => report.row[0],
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
        if (message.row[2] < sentSince) continue;
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
  return row[11] < given && (message === undefined || row[12] < message.row[3]);
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
    const base = positionOf(segment.id, 0);
    const own = smallPartOf(segments, segment, account);
    if (own !== undefined) {
      const until = Math.min(messagesIn(segment), end - base);
      const asked = own.filter(ordinal => ordinal >= from - base && ordinal < until).slice(0, wanted);
      const found = segments.messages(Array.from(asked, ordinal => ({ segmentId: segment.id, ordinal })));
      const items = Array.from(found, ([position, row]) => ({ row, position })).sort((a, b) => a.position - b.position);
      const last = asked.length < wanted ? undefined : asked.at(-1);
      return {
        items,
        to: last === undefined ? positionOf(segment.id + 1, 0) : base + last + 1,
        rows: rowsOfLook + asked.length,
      };
    }
    const first = Math.max(0, from - base);
    const last = Math.min(messagesIn(segment), first + rows, end - base);
    if (first >= last) return { items: [], to: positionOf(segment.id + 1, 0), rows: 0 };
    const found = segments.withRows(segment.id, file =>
      file.messagesOf(account, first, last, wanted).map(verifyMessage),
    );
    const items = found.map(row => ({ row, position: base + row[0] }));
    const furthest = found.length < wanted ? undefined : items.at(-1)?.position;
    return { items, to: furthest === undefined ? base + last : furthest + 1, rows: last - first };
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
    if (isSealed(segments, segment) && !segments.withIndex(segment.id, index => concerns(index, account)))
      return { items: [], to: segment.firstSequence + reportsIn(segment), rows: rowsOfLook };
    const first = Math.max(from, segment.firstSequence);
    const to = Math.min(segment.firstSequence + reportsIn(segment), first + rows, end);
    if (first >= to) return { items: [], to: end, rows: 0 };
    const found = segments.withRows(segment.id, file => file.changesOf(account, first, to, wanted).map(verifyReport));
    const inTime = found.filter(row => row[15] >= sentSince);
    const messages = segments.messages(
      inTime.map(row => ({ segmentId: segmentIdOf(row[11]), ordinal: ordinalOf(row[11]) })),
    );
    // A message that was set aside, or dropped, has no log to show.
    const items = inTime.flatMap(row => {
      const message = messages.get(row[11]);
      return message === undefined || message[1] !== account ? [] : [{ row, message }];
    });
    const furthest = found.length < wanted ? undefined : found.at(-1)?.[0];
    return { items, to: furthest === undefined ? to : furthest + 1, rows: to - first };
  };
}

function isSealed(segments: ReadSegments, { id }: SharedSegment): boolean {
  return segments.get(id)?.columns === undefined;
}

/** An account's messages in a sealed segment, where they are few among those of others. */
function smallPartOf(segments: ReadSegments, segment: SharedSegment, account: AccountId): Uint32Array | undefined {
  if (!isSealed(segments, segment)) return undefined;
  return segments.withIndex(segment.id, index =>
    messagesOf(index, account) > messagesIn(segment) * smallPart ? undefined : ordinalsOf(index, account),
  );
}

/** The segment with the least key among those that have one. */
function firstOf(
  segments: ReadSegments,
  keyOf: (shared: SharedSegment) => number | undefined,
): SharedSegment | undefined {
  let first: { readonly shared: SharedSegment; readonly key: number } | undefined;
  for (const { shared } of segments.all()) {
    const key = keyOf(shared);
    if (key !== undefined && (first === undefined || key < first.key)) first = { shared, key };
  }
  return first?.shared;
}
