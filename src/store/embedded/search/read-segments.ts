import type { EpochMs } from '../../../domain/message.ts';
import { reasonOf } from '../../../failures.ts';
import { DamagedIndex, DamagedRow, guardReading, isOutage } from '../files/damage.ts';
import { fileCrcSteps } from '../files/disk.ts';
import type { Folder } from '../files/folder.ts';
import { OpenFiles } from '../files/open-files.ts';
import { openIndex } from '../log/check-rows.ts';
import { MessageIds } from '../log/message-ids.ts';
import type { MessageRow, ReportRow, ReportState, Rows } from '../rows/rows.ts';
import type { Extents } from '../segment/extents.ts';
import type { MeaningsOf } from '../segment/facet-maker.ts';
import type { Facets } from '../segment/facets.ts';
import type { IdSet } from '../segment/id-sets.ts';
import { IndexFile } from '../segment/index-file.ts';
import { ordinalsWithId } from '../segment/index-runs.ts';
import { openSealedRows, openUnsealedRows } from '../segment/open-rows.ts';
import { type LogEnd, positionOf } from '../segment/position.ts';
import { byFirstSequence, holderOf, timelineRows } from '../segment/report-chain.ts';
import {
  type Columns,
  hasLosses,
  messagesIn,
  mustHaveReport,
  newestReportOf,
  reportsIn,
  type SharedSegment,
} from '../segment/shared-segment.ts';
import type { UnusedFile } from '../threads/messages.ts';
import type { Steps } from './jobs.ts';
import { facetsIn, LiveMeanings } from './live-facets.ts';
import { LiveWords } from './live-words.ts';
import type { Candidate } from './scan.ts';

/** One segment as a reader knows it: sealed when it has no columns. */
export type ReadSegment = { readonly shared: SharedSegment; readonly columns: Columns | undefined };

/** A candidate, with the segment it lies in. */
export type Found = Candidate & { readonly segmentId: number };

/**
 * Files that a reader keeps open. A page asks the index of every segment that its time reaches, and the rows of the few
 * that have what it looks for: closing and opening an index costs as much as a hundred questions to it.
 */
const openRowsMax = 128;
const openIndexesMax = 2048;
const openFacetsMax = 512;
const openWordsMax = 512;

function reasonIn(path: string, error: unknown): string {
  const reason = reasonOf(error);
  return reason.includes(path) ? reason : `${path}: ${reason}`;
}

function extentsIn(index: IndexFile): Extents {
  const [senders, starts] = [index.float64('accounts'), index.uint32('accountStarts')];
  const messages = new Map(Array.from(senders, (account, at) => [account, (starts[at + 1] ?? 0) - (starts[at] ?? 0)]));
  const isTold = index.bytesOf('counts.until') > 0;
  const accounts = isTold ? index.float64('counts.accounts') : senders;
  const until = isTold ? index.float64('counts.until') : senders.map(() => Infinity);
  return { accounts, until, messages: Float64Array.from(accounts, account => messages.get(account) ?? 0) };
}

/** The segments as one reader thread knows them, and their files. */
export class ReadSegments {
  readonly #folder: Folder;
  readonly #hashSeed: number;
  readonly #ids = new MessageIds((segmentId, hash) => this.withIndex(segmentId, index => ordinalsWithId(index, hash)));
  readonly #segments = new Map<number, ReadSegment>();
  /** In the order of their reports; `undefined` when that is to be made anew. */
  #inOrder: readonly SharedSegment[] | undefined;
  readonly #rows = new OpenFiles<Rows>(openRowsMax);
  readonly #indexes = new OpenFiles<IndexFile>(openIndexesMax);
  readonly #facets = new OpenFiles<IndexFile>(openFacetsMax);
  readonly #words = new OpenFiles<IndexFile>(openWordsMax);
  /** Of segments without an index. */
  readonly #live = new Map<number, LiveMeanings>();
  readonly #liveWords = new Map<number, LiveWords>();
  #dropped: LogEnd = { position: 0, sequence: 0 };
  readonly #unused: (file: UnusedFile) => void;
  /** The paths of those that were told of. */
  readonly #told = new Set<string>();

  /** `hashSeed`: the log's, which its indexes were made with. `unused` hears once of each file beside an index that cannot be used. */
  constructor(folder: Folder, hashSeed: number, unused: (file: UnusedFile) => void = () => {}) {
    this.#folder = folder;
    this.#hashSeed = hashSeed;
    this.#unused = unused;
  }

  /** Takes up a segment, or its new shape: without columns it is read through its index. */
  set(shared: SharedSegment, columns: Columns | undefined): void {
    this.#close(shared.id);
    this.#liveWords.delete(shared.id);
    this.#segments.set(shared.id, { shared, columns });
    this.#inOrder = undefined;
    this.#ids.set(shared.id, columns);
    if (columns === undefined) this.#live.delete(shared.id);
  }

  takeIds(part: number, sets: readonly IdSet[]): void {
    this.#ids.take(part, sets);
  }

  /** Takes up what the writer told of facets. */
  learn(meanings: readonly MeaningsOf[]): void {
    for (const { segmentId, messages, more } of meanings) {
      if (this.#segments.get(segmentId)?.columns === undefined) continue;
      const live = this.#live.get(segmentId) ?? new LiveMeanings();
      live.take(more, messages);
      this.#live.set(segmentId, live);
    }
  }

  drop(segmentId: number): void {
    this.#close(segmentId);
    this.#live.delete(segmentId);
    this.#liveWords.delete(segmentId);
    this.#ids.drop(segmentId);
    for (const path of [this.#folder.facets(segmentId), this.#folder.words(segmentId)]) this.#told.delete(path);
    this.#dropped = this.end();
    this.#segments.delete(segmentId);
    this.#inOrder = undefined;
  }

  close(): void {
    this.#rows.clear();
    this.#indexes.clear();
    this.#facets.clear();
    this.#words.clear();
  }

  get(segmentId: number): ReadSegment | undefined {
    return this.#segments.get(segmentId);
  }

  all(): readonly ReadSegment[] {
    return [...this.#segments.values()];
  }

  /** The log's end now; what was dropped counts. Every report before it is on a message before it. */
  end(): LogEnd {
    let { position, sequence } = this.#dropped;
    for (const { shared } of this.#segments.values())
      sequence = Math.max(sequence, shared.firstSequence + reportsIn(shared));
    for (const { shared } of this.#segments.values())
      position = Math.max(position, positionOf(shared.id, messagesIn(shared)));
    return { position, sequence };
  }

  /** How many indexes are asked for each id. */
  get askedForIds(): number {
    return this.#ids.unset;
  }

  /** The messages that might have the id with this hash. */
  withIdHash(hash: number): readonly Pick<Found, 'segmentId' | 'ordinal'>[] {
    const places: Pick<Found, 'segmentId' | 'ordinal'>[] = [];
    this.#ids.find(hash, (segmentId, ordinal) => {
      const shared = this.#segments.get(segmentId)?.shared;
      if (shared !== undefined && ordinal < messagesIn(shared)) places.push({ segmentId, ordinal });
      return false;
    });
    return places;
  }

  sentAt(segmentId: number, ordinal: number): EpochMs {
    const columns = this.#segments.get(segmentId)?.columns;
    if (columns !== undefined) return columns.sentAt[ordinal] ?? 0;
    return this.withIndex(segmentId, index => index.times(ordinal, 1)[0] ?? 0);
  }

  /** The sequence of the newest report on a message; 0 when there is none. */
  newestReport({ segmentId, ordinal }: Pick<Found, 'segmentId' | 'ordinal'>): number {
    const shared = this.#segments.get(segmentId)?.shared;
    return shared === undefined ? 0 : newestReportOf(shared, ordinal);
  }

  /** The row of the message at each place; `undefined` where nobody can read it any more. */
  messages(places: readonly Pick<Found, 'segmentId' | 'ordinal'>[]): readonly (MessageRow | undefined)[] {
    const rows = new Map<number, ReadonlyMap<number, MessageRow>>();
    for (const [segmentId, held] of Map.groupBy(places, place => place.segmentId)) {
      const shared = this.#segments.get(segmentId)?.shared;
      if (shared === undefined) continue;
      this.withRows(segmentId, file => {
        const found = new Map<number, MessageRow>();
        for (const row of file.messages(held.map(place => place.ordinal))) found.set(row.ordinal, row);
        if (!hasLosses(shared) && held.some(place => !found.has(place.ordinal)))
          throw new DamagedRow('the rows file (it lacks messages)');
        rows.set(segmentId, found);
      });
    }
    return places.map(({ segmentId, ordinal }) => rows.get(segmentId)?.get(ordinal));
  }

  /** The states that reports left their messages in, by sequence. */
  states(sequences: readonly number[]): ReadonlyMap<number, ReportState> {
    const rows = new Map<number, ReportState>();
    for (const [holder, held] of Map.groupBy(sequences, sequence => this.holderOf(sequence))) {
      // Set aside with its segment: the message is shown as it was recorded.
      if (holder === undefined) continue;
      this.withRows(holder.id, file => {
        for (const row of file.states(held)) rows.set(row.sequence, row);
        if (held.some(sequence => !rows.has(sequence) && mustHaveReport(holder, sequence)))
          throw new DamagedRow('the rows file (it lacks reports)');
      });
    }
    return rows;
  }

  /** The reports of a segment with these sequences; those that nobody can read any more are not among them. */
  reports(shared: SharedSegment, sequences: readonly number[]): readonly ReportRow[] {
    return this.withRows(shared.id, file => {
      const found = file.reports(sequences);
      if (found.length < sequences.length && !hasLosses(shared))
        throw new DamagedRow('the rows file (it lacks reports)');
      return found;
    });
  }

  /** The reports that the timeline of a message shows, oldest first, from the sequence of its newest. */
  timeline(newest: number): { readonly rows: readonly ReportRow[]; readonly omitted: number } {
    return timelineRows(newest, sequence => {
      const holder = this.holderOf(sequence);
      if (holder === undefined) return undefined;
      return this.withRows(holder.id, file => {
        const row = file.report(sequence);
        if (row === undefined && mustHaveReport(holder, sequence)) throw new DamagedRow(`report ${sequence}`);
        return row;
      });
    });
  }

  /** The segment that has a report; the one before it, where that was set aside. */
  holderOf(sequence: number): SharedSegment | undefined {
    this.#inOrder ??= Array.from(this.#segments.values(), ({ shared }) => shared).sort(byFirstSequence);
    return holderOf(this.#inOrder, sequence);
  }

  /**
   * How far each account reaches in a sealed segment, without end when an older version wrote it; `undefined` when it has
   * no index yet, or is gone.
   */
  extents(segmentId: number): Extents | undefined {
    const segment = this.#segments.get(segmentId);
    if (segment === undefined || segment.columns !== undefined) return undefined;
    return this.withIndex(segmentId, extentsIn);
  }

  /** Works on a segment's rows; what damage they show is laid to that segment. */
  withRows<T>(segmentId: number, work: (rows: Rows) => T): T {
    return guardReading(segmentId, () => work(this.#rowsOf(segmentId)));
  }

  /** Works on the index of a sealed segment, as `withRows` does on its rows. */
  withIndex<T>(segmentId: number, work: (index: IndexFile) => T): T {
    return guardReading(segmentId, () => work(this.#indexOf(segmentId)));
  }

  /** Reads all of its files. */
  *look(segmentId: number): Steps<void> {
    const paths = this.#segments.has(segmentId) ? this.#folder.pathsOf(segmentId) : [];
    for (const path of paths.filter(one => this.#folder.disk.exists(one))) {
      const reading = fileCrcSteps(this.#folder.disk, path);
      while (guardReading(segmentId, () => reading.next()).done !== true) yield 0;
    }
  }

  /**
   * Works on the facets of a segment, which are good until the thread takes up something else; `undefined` where it has
   * none, or none that fit its rows. Damaged ones are removed: the next start makes them again, and until then the rows
   * tell.
   */
  withFacets<T>(segmentId: number, work: (facets: Facets) => T): T | undefined {
    const { shared, columns } = this.#segments.get(segmentId) ?? {};
    if (shared !== undefined && columns !== undefined) {
      const live = this.#live.get(segmentId)?.facets(shared, columns);
      return live === undefined ? undefined : work(live);
    }
    return this.#beside(segmentId, this.#facets, this.#folder.facets(segmentId), file => work(facetsIn(file)));
  }

  /** As `withFacets`, on the words of a segment: without them, its rows are looked through. */
  withWords<T>(segmentId: number, work: (words: IndexFile) => T): T | undefined {
    if (!this.#isSealed(segmentId)) return undefined;
    return this.#beside(segmentId, this.#words, this.#folder.words(segmentId), work);
  }

  /** What was learnt of the words of a segment that has no index; `undefined` where it has one. */
  liveWords(segmentId: number): LiveWords | undefined {
    const columns = this.#segments.get(segmentId)?.columns;
    if (columns === undefined) return undefined;
    const words = this.#liveWords.get(segmentId) ?? new LiveWords(this.#hashSeed, columns.sentAt.length);
    this.#liveWords.set(segmentId, words);
    return words;
  }

  /** Works on a file beside the index that can be made again; `undefined` where it is missing, of other rows, damaged or not given by the disk. */
  #beside<T>(
    segmentId: number,
    files: OpenFiles<IndexFile>,
    path: string,
    work: (file: IndexFile) => T,
  ): T | undefined {
    try {
      if (!files.has(segmentId) && !this.#folder.disk.exists(path)) return undefined;
      const file = files.of(segmentId, () => new IndexFile(path, this.#folder.disk));
      const { rowsBytes, rowsCrc } = this.withIndex(segmentId, index => index.header);
      const isOfRows = file.header.rowsCrc === rowsCrc && file.header.rowsBytes === rowsBytes;
      return isOfRows ? work(file) : undefined;
    } catch (error) {
      // What the disk does not give now may be whole.
      if (!(error instanceof DamagedIndex) && !isOutage(error)) throw error;
      files.delete(segmentId);
      if (!this.#told.has(path)) this.#unused({ segmentId, reason: reasonIn(path, error) });
      this.#told.add(path);
      if (error instanceof DamagedIndex) this.#folder.disk.remove(path);
      return undefined;
    }
  }

  #rowsOf(segmentId: number): Rows {
    return this.#rows.of(segmentId, () => {
      const columns = this.#segments.get(segmentId)?.columns;
      return columns === undefined
        ? openSealedRows(this.#folder, segmentId)
        : openUnsealedRows(this.#folder, segmentId, columns.places);
    });
  }

  #indexOf(segmentId: number): IndexFile {
    if (!this.#isSealed(segmentId)) throw new Error(`segment ${segmentId} has no index yet`);
    return this.#indexes.of(segmentId, () => openIndex(this.#folder, segmentId, this.#hashSeed));
  }

  #isSealed(segmentId: number): boolean {
    return this.#segments.get(segmentId)?.columns === undefined;
  }

  #close(segmentId: number): void {
    this.#rows.delete(segmentId);
    this.#indexes.delete(segmentId);
    this.#facets.delete(segmentId);
    this.#words.delete(segmentId);
  }
}
