import type { Filter } from '../../domain/filter.ts';
import type { AccountId, EpochMs, LogRecord, MessageHistory } from '../../domain/message.ts';
import type { Page, Query } from '../store.ts';
import { bookmarkOf, type Place, placeOf } from './bookmark.ts';
import { guardSegment } from './damage.ts';
import { type Field, fields, hashValue } from './fields.ts';
import type { Folder } from './folder.ts';
import { IndexFile } from './index-file.ts';
import { groupOfStatus } from './packed-batch.ts';
import { ordinalOf, ordinalsMax, positionOf, segmentIdOf } from './position.ts';
import { logOf, timelineOf, verifyMessage, verifyReport } from './record-row.ts';
import { type MessageRow, type ReportRow, type ReportState, RowsFile } from './rows-file.ts';
import { type Candidate, type CandidateSource, ColumnScan, type Scan, sealedSources } from './scan.ts';
import {
  type Columns,
  groupIdOf,
  maxSentAt,
  messagesIn,
  minSentAt,
  reportsIn,
  type SharedSegment,
} from './shared-segment.ts';

/** One segment as a reader knows it: sealed when it has no columns. */
type ReadSegment = { readonly shared: SharedSegment; readonly columns: Columns | undefined };

type OpenFiles = { readonly rows: RowsFile; readonly index: IndexFile | undefined };

/** Segments whose files a reader keeps open. */
const openSegmentsMax = 128;

type Found = Candidate & { readonly segmentId: number };

/** Answers queries over all segments. Holds nothing between calls but open files: a walk lives in its bookmark. */
export class Reader {
  readonly #folder: Folder;
  readonly #hashSeed: number;
  readonly #segments = new Map<number, ReadSegment>();
  readonly #open = new Map<number, OpenFiles>();

  constructor(folder: Folder, hashSeed: number) {
    this.#folder = folder;
    this.#hashSeed = hashSeed;
  }

  /** Takes up a segment, or its new shape: without columns it is read through its index. */
  setSegment(shared: SharedSegment, columns: Columns | undefined): void {
    this.#close(shared.id);
    this.#segments.set(shared.id, { shared, columns });
  }

  dropSegment(segmentId: number): void {
    this.#close(segmentId);
    this.#segments.delete(segmentId);
  }

  close(): void {
    for (const segmentId of [...this.#open.keys()]) this.#close(segmentId);
  }

  /** Throws `InvalidBookmark`, and `DamagedSegment` when a segment must be set aside first. */
  find(query: Query): Page {
    const place = query.after === undefined ? undefined : placeOf(query.after);
    const walk: Place = place ?? { sentAt: Infinity, position: Infinity, ...this.#now() };
    const asOf = query.walk || place !== undefined ? walk.asOf : undefined;
    const merge = new Merge(this.#sources(query, walk, place !== undefined));
    const found: { log: LogRecord; place: Found }[] = [];
    while (found.length <= query.limit) {
      const candidates = merge.take(query.limit + 1 - found.length);
      if (candidates.length === 0) break;
      for (const one of this.#logs(candidates, query, asOf)) found.push(one);
    }
    const logs = found.slice(0, query.limit).map(one => one.log);
    const last = found[query.limit - 1]?.place;
    if (asOf === undefined || last === undefined || found.length <= query.limit) return { logs };
    const position = positionOf(last.segmentId, last.ordinal);
    return { logs, next: bookmarkOf({ ...walk, sentAt: last.sentAt, position }) };
  }

  history(account: AccountId, messageId: string, sentSince: EpochMs): MessageHistory | undefined {
    const query: Query = { account, filter: { messageIds: [messageId] }, sentSince, limit: 1, walk: false };
    const conditions = conditionsOf(query.filter);
    const merge = new Merge(this.#sources(query, { sentAt: Infinity, position: Infinity, ...this.#now() }, false));
    for (let [candidate] = merge.take(1); candidate !== undefined; [candidate] = merge.take(1)) {
      const { segmentId, ordinal } = candidate;
      const row = this.#guard(segmentId, files => files.rows.message(ordinal));
      if (row === undefined || row[1] !== account || !fits(logOf(row, undefined), conditions)) continue;
      this.#guard(segmentId, () => verifyMessage(row));
      const newest = this.#segments.get(segmentId)?.shared.newestReport[ordinal] ?? 0;
      const reports = this.#chain(newest);
      return { log: logOf(row, reports.at(-1)), timeline: timelineOf(row, reports) };
    }
    return undefined;
  }

  /** The bounds of a walk that begins now. */
  #now(): { positionEnd: number; asOf: number } {
    let [positionEnd, asOf] = [0, 0];
    for (const { shared } of this.#segments.values()) {
      positionEnd = Math.max(positionEnd, positionOf(shared.id, messagesIn(shared)));
      asOf = Math.max(asOf, shared.firstSequence + reportsIn(shared) - 1);
    }
    return { positionEnd, asOf };
  }

  *#sources(query: Query, walk: Place, resumed: boolean): Generator<SegmentSources> {
    const { filter, account } = query;
    const sentSince = Math.max(query.sentSince, filter.sentSince ?? -Infinity);
    const end = Math.min(walk.sentAt, filter.sentUntil === undefined ? Infinity : filter.sentUntil - 1);
    const hashes = this.#hashes(account, filter);
    const group = filter.generalStatus === undefined ? undefined : groupIdOf(filter.generalStatus);
    const asOf = resumed ? walk.asOf : undefined;
    const segments = [...this.#segments.values()]
      .filter(({ shared }) => maxSentAt(shared) >= sentSince && minSentAt(shared) <= end)
      .sort((a, b) => maxSentAt(b.shared) - maxSentAt(a.shared));
    for (const segment of segments) {
      const { shared } = segment;
      const ordinalEnd = walk.positionEnd - positionOf(shared.id, 0);
      if (ordinalEnd <= 0) continue;
      // While a walk goes on, a message may have had a group then that none has now.
      if (group !== undefined && asOf === undefined && shared.groupCounts[group] === 0) continue;
      const scan: Scan = {
        account,
        hashes,
        ...(group !== undefined && { group }),
        ...(asOf !== undefined && { asOf }),
        sentSince,
        before: placeIn(shared.id, walk, end),
        ordinalEnd,
      };
      yield { segmentId: shared.id, maxSentAt: maxSentAt(shared), open: () => this.#open1(segment, scan) };
    }
  }

  #open1({ shared, columns }: ReadSegment, scan: Scan): readonly CandidateSource[] {
    if (columns !== undefined) return [new ColumnScan(scan, shared, columns)];
    return this.#guard(shared.id, ({ index }) => {
      if (index === undefined) throw new Error(`segment ${shared.id} is sealed and has no index open`);
      return sealedSources(scan, shared, index).map(source => ({
        next: (count: number) => this.#guard(shared.id, () => source.next(count)),
      }));
    });
  }

  #hashes(account: AccountId, filter: Filter): ReadonlyMap<number, ReadonlySet<number>> {
    const hashes = new Map<number, ReadonlySet<number>>();
    for (const [field, name] of fields.entries()) {
      const values = valuesOf(filter, name);
      if (values !== undefined)
        hashes.set(field, new Set(values.map(value => hashValue(this.#hashSeed, account, field, value))));
    }
    return hashes;
  }

  /** Reads candidates' rows and states, in the candidates' order, leaving out what only seemed to match. */
  #logs(
    candidates: readonly Found[],
    query: Query,
    asOf: number | undefined,
  ): readonly { log: LogRecord; place: Found }[] {
    const conditions = conditionsOf(query.filter);
    const rows = this.#messageRows(candidates);
    const newestOf = (one: Found) => this.#segments.get(one.segmentId)?.shared.newestReport[one.ordinal] ?? 0;
    const newest = candidates.map(newestOf);
    const reports = this.#states(newest.filter(sequence => sequence !== 0));
    const group = query.filter.generalStatus === undefined ? undefined : groupIdOf(query.filter.generalStatus);
    const found: { log: LogRecord; place: Found }[] = [];
    for (const [i, place] of candidates.entries()) {
      const row = rows.get(positionOf(place.segmentId, place.ordinal));
      if (row === undefined || row[1] !== query.account) continue;
      let report = reports.get(newest[i] ?? 0);
      if (group !== undefined) {
        const present = groupOfStatus(report?.[2] ?? row[4]);
        const then = asOf === undefined ? report : this.#asOf(report, asOf);
        if (groupOfStatus(then?.[2] ?? row[4]) !== group) continue;
        if (present !== group) report = then;
      }
      const log = logOf(row, report);
      if (fits(log, conditions)) found.push({ log, place });
    }
    return found;
  }

  /** The state a message had when `asOf` was the newest report; `undefined` when there was no report on it yet. */
  #asOf(report: ReportState | undefined, asOf: number): ReportState | undefined {
    let then = report;
    while (then !== undefined && then[0] > asOf)
      then = then[1] === 0 ? undefined : this.#states([then[1]]).get(then[1]);
    return then;
  }

  #chain(newest: number): readonly ReportRow[] {
    const chain: ReportRow[] = [];
    for (let sequence = newest; sequence !== 0; ) {
      const holder = this.#holderOf(sequence);
      if (holder === undefined) break;
      const report = this.#guard(holder, files => {
        const row = files.rows.report(sequence);
        return row === undefined ? undefined : verifyReport(row);
      });
      if (report === undefined) break;
      chain.unshift(report);
      sequence = report[1];
    }
    return chain;
  }

  #messageRows(candidates: readonly Found[]): ReadonlyMap<number, MessageRow> {
    const bySegment = Map.groupBy(candidates, one => one.segmentId);
    const rows = new Map<number, MessageRow>();
    for (const [segmentId, places] of bySegment)
      this.#guard(segmentId, files => {
        for (const row of files.rows.messages(places.map(place => place.ordinal)))
          rows.set(positionOf(segmentId, row[0]), verifyMessage(row));
      });
    return rows;
  }

  #states(sequences: readonly number[]): ReadonlyMap<number, ReportState> {
    const rows = new Map<number, ReportState>();
    const bySegment = Map.groupBy(sequences, sequence => this.#holderOf(sequence));
    for (const [segmentId, held] of bySegment) {
      // Set aside with its segment: the message is shown as it was recorded.
      if (segmentId === undefined) continue;
      this.#guard(segmentId, files => {
        for (const row of files.rows.states(held)) rows.set(row[0], verifyReport(row));
      });
    }
    return rows;
  }

  /** The segment that holds a report: the last whose first sequence is not greater. */
  #holderOf(sequence: number): number | undefined {
    let holder: SharedSegment | undefined;
    for (const { shared } of this.#segments.values())
      if (shared.firstSequence <= sequence && shared.id > (holder?.id ?? 0)) holder = shared;
    return holder?.id;
  }

  /** Works on a segment's files; what damage they show is laid to that segment. */
  #guard<T>(segmentId: number, work: (files: OpenFiles) => T): T {
    return guardSegment(segmentId, () => work(this.#files(segmentId)));
  }

  #files(segmentId: number): OpenFiles {
    let files = this.#open.get(segmentId);
    if (files !== undefined) return files;
    const oldest = this.#open.keys().next();
    if (this.#open.size >= openSegmentsMax && !oldest.done) this.#close(oldest.value);
    const sealed = this.#segments.get(segmentId)?.columns === undefined;
    const rows = new RowsFile(this.#folder.rows(segmentId), { mode: sealed ? 'sealed' : 'read' });
    files = { rows, index: sealed ? new IndexFile(this.#folder.index(segmentId)) : undefined };
    this.#open.set(segmentId, files);
    return files;
  }

  #close(segmentId: number): void {
    const files = this.#open.get(segmentId);
    files?.rows.close();
    files?.index?.close();
    this.#open.delete(segmentId);
  }
}

/** Where a walk goes on in one segment: of equal `sentAt`, the later recorded comes first. */
function placeIn(segmentId: number, walk: Place, end: EpochMs): { sentAt: EpochMs; ordinal: number } {
  if (end < walk.sentAt || walk.position === Infinity) return { sentAt: end, ordinal: ordinalsMax };
  const walkSegment = segmentIdOf(walk.position);
  if (segmentId === walkSegment) return { sentAt: end, ordinal: ordinalOf(walk.position) };
  return { sentAt: end, ordinal: segmentId < walkSegment ? ordinalsMax : 0 };
}

function valuesOf(filter: Filter, field: Field): readonly string[] | undefined {
  const one = (value: string | undefined) => (value === undefined ? undefined : [value]);
  switch (field) {
    case 'messageId':
      return filter.messageIds;
    case 'bulkId':
      return filter.bulkIds;
    case 'campaignReferenceId':
      return filter.campaignReferenceIds;
    default:
      return one(filter[field]);
  }
}

type Condition = readonly [field: Field, values: readonly string[]];

function conditionsOf(filter: Filter): readonly Condition[] {
  return fields.flatMap(field => {
    const values = valuesOf(filter, field);
    return values === undefined ? [] : [[field, values] as const];
  });
}

/** Equal hashes do not make equal values: the row itself decides. */
function fits(log: LogRecord, conditions: readonly Condition[]): boolean {
  for (const [field, values] of conditions) {
    const value = log[field];
    if (value === undefined || !values.includes(value)) return false;
  }
  return true;
}

type SegmentSources = {
  readonly segmentId: number;
  readonly maxSentAt: EpochMs;
  open(): readonly CandidateSource[];
};

type Head = { readonly segmentId: number; readonly source: CandidateSource; run: readonly Candidate[]; at: number };

/** Merges the candidates of all segments, newest first, opening a segment only when its time has come. */
class Merge {
  readonly #waiting: Iterator<SegmentSources>;
  #next: SegmentSources | undefined;
  readonly #heads: Head[] = [];
  #last: Found | undefined;

  constructor(sources: Iterator<SegmentSources>) {
    this.#waiting = sources;
    this.#advance();
  }

  /** The next `count` candidates, fewer when there are no more. */
  take(count: number): readonly Found[] {
    const taken: Found[] = [];
    while (taken.length < count) {
      const head = this.#newest(count - taken.length);
      if (head === undefined) break;
      const candidate = head.run[head.at++];
      if (candidate === undefined) throw new RangeError('a head has no candidate');
      const found = { ...candidate, segmentId: head.segmentId };
      // Two values with one hash give the same row twice, side by side.
      const again = this.#last?.segmentId === found.segmentId && this.#last.ordinal === found.ordinal;
      this.#last = found;
      if (!again) taken.push(found);
    }
    return taken;
  }

  #newest(count: number): Head | undefined {
    for (const head of [...this.#heads]) if (head.at === head.run.length) this.#refill(head, count);
    for (;;) {
      let best: Head | undefined;
      for (const head of this.#heads) if (best === undefined || precedes(head, best)) best = head;
      const next = this.#next;
      if (next === undefined || (best !== undefined && (best.run[best.at]?.sentAt ?? 0) > next.maxSentAt)) return best;
      for (const source of next.open()) {
        const head: Head = { segmentId: next.segmentId, source, run: source.next(count), at: 0 };
        if (head.run.length > 0) this.#heads.push(head);
      }
      this.#advance();
    }
  }

  #refill(head: Head, count: number): void {
    head.run = head.source.next(count);
    head.at = 0;
    if (head.run.length === 0) this.#heads.splice(this.#heads.indexOf(head), 1);
  }

  #advance(): void {
    const next = this.#waiting.next();
    this.#next = next.done ? undefined : next.value;
  }
}

function precedes(a: Head, b: Head): boolean {
  const [left, right] = [a.run[a.at], b.run[b.at]];
  if (left === undefined || right === undefined) return left !== undefined;
  if (left.sentAt !== right.sentAt) return left.sentAt > right.sentAt;
  if (a.segmentId !== b.segmentId) return a.segmentId > b.segmentId;
  return left.ordinal > right.ordinal;
}
