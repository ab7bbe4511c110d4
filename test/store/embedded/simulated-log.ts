import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BreakdownField } from '../../../src/domain/breakdown.ts';
import { asksForTimeOnly, type Filter } from '../../../src/domain/filter.ts';
import type { AccountId, EpochMs, LogRecord } from '../../../src/domain/message.ts';
import { type Summary, summaryRange } from '../../../src/domain/summary.ts';
import { Feed } from '../../../src/store/embedded/feed/feed.ts';
import { isOutage } from '../../../src/store/embedded/files/damage.ts';
import { atOnce, type Disk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { writeCheckpoint } from '../../../src/store/embedded/log/checkpoint.ts';
import { wholeMinutes } from '../../../src/store/embedded/log/kept-counts.ts';
import { type Era, LogFile } from '../../../src/store/embedded/log/log-file.ts';
import { Reader } from '../../../src/store/embedded/read/reader.ts';
import { openWriter } from '../../../src/store/embedded/record/open-writer.ts';
import type { WaitingReports } from '../../../src/store/embedded/record/waiting-reports.ts';
import type { Writer } from '../../../src/store/embedded/record/writer.ts';
import { AccountWatermarks } from '../../../src/store/embedded/search/account-watermarks.ts';
import { ReadSegments } from '../../../src/store/embedded/search/read-segments.ts';
import type { MeaningsOf } from '../../../src/store/embedded/segment/facet-maker.ts';
import type { Facets } from '../../../src/store/embedded/segment/facets.ts';
import { type IdSet, idParts, makeIdSet } from '../../../src/store/embedded/segment/id-sets.ts';
import { IndexFile } from '../../../src/store/embedded/segment/index-file.ts';
import { packBatch } from '../../../src/store/embedded/segment/packed-batch.ts';
import type { Columns, SharedSegment } from '../../../src/store/embedded/segment/shared-segment.ts';
import { summarySteps } from '../../../src/store/embedded/summary/summarizing.ts';
import type { FoundLog, SegmentContents, WriterReply } from '../../../src/store/embedded/threads/messages.ts';
import { makeFacets } from '../../../src/store/embedded/upkeep/make-facets.ts';
import { makeVolume, removeMerged } from '../../../src/store/embedded/upkeep/make-volume.ts';
import { makeWords } from '../../../src/store/embedded/upkeep/make-words.ts';
import { sealSegment, sealWithFacets } from '../../../src/store/embedded/upkeep/seal.ts';
import type { Changes, ChangesQuery, RecordBatch, SummaryQuery } from '../../../src/store/store.ts';
import { PowerCut } from '../../support/simulated-disk.ts';

/** What is kept free of the disk, taken without a wait: as long as it must be, and without a block of its own. */
export function takeReserve(dataDir: string): void {
  const path = join(dataDir, 'reserve');
  writeFileSync(path, '');
  truncateSync(path, 2 * 1024 * 1024);
}

const segmentMessagesMax = 6;
/** Few, so that starts find checkpoints of all kinds. */
const checkpointRows = 3;
const hourMs = 3_600_000;

export function summaryQuery(
  account: AccountId,
  now: EpochMs,
  filter: Filter = {},
  by?: readonly BreakdownField[],
): SummaryQuery {
  const sentSince = now - 48 * hourMs;
  return {
    account,
    filter,
    sentSince,
    range: summaryRange(filter, sentSince, now, 24),
    budgetMs: hourMs,
    ...(by && { by }),
  };
}

/** Notes whose rows are opened: a path is asked for to open its file. */
class WatchedFolder extends Folder {
  readonly rowsOpened = new Set<number>();

  override rows(segmentId: number): string {
    this.rowsOpened.add(segmentId);
    return super.rows(segmentId);
  }
}

type SummaryOptions = {
  readonly by?: readonly BreakdownField[];
  readonly budgetMs?: number;
  readonly clock?: () => number;
};

type Held = { readonly shared: SharedSegment; columns: Columns | undefined };

/** What the threads of the embedded engine do, on one thread and on any disk. */
export class SimulatedLog {
  /** What was found at the start. */
  readonly found: FoundLog;
  readonly logDamage: string | undefined;
  /** How many rows files were removed, and checkpoints written. */
  merged = 0;
  checkpoints = 0;
  readonly #disk: Disk;
  readonly #folder: Folder;
  #readFolder: WatchedFolder;
  readonly #hashSeed: number;
  readonly #writer: Writer;
  readonly #waitingReports: WaitingReports;
  readonly #waiting = new Int32Array(new SharedArrayBuffer(8));
  #read: ReadSegments;
  /** What readers were told of facets until now. */
  readonly #told: MeaningsOf[] = [];
  readonly #era = new Int32Array(new SharedArrayBuffer(4));
  #eras: readonly Era[] = [];
  readonly #segments = new Map<number, Held>();
  #sets: readonly IdSet[] = [];
  /** Of segments that take rows, what checkpoints are to be made of. */
  readonly #grown: Extract<WriterReply, { type: 'grown' }>[] = [];
  /** Segments that wait for their index. */
  readonly #full: ({ readonly segmentId: number } & Pick<SegmentContents, 'counts' | 'meanings'>)[] = [];

  constructor(dataDir: string, disk: Disk, messagesMax = segmentMessagesMax) {
    this.#disk = disk;
    const file = new LogFile(dataDir, disk);
    this.logDamage = file.damage;
    file.refuseOlder();
    this.#hashSeed = file.hashSeed;
    this.#folder = new Folder(dataDir, disk);
    this.#readFolder = new WatchedFolder(dataDir, disk);
    this.#read = new ReadSegments(this.#readFolder, this.#hashSeed);
    let found: FoundLog | undefined;
    const tell = (reply: WriterReply) => {
      if (reply.type === 'eras') this.#eras = reply.eras;
      if (reply.type === 'loaded') found = reply.log;
      if (reply.type === 'opened') this.#take(reply.shared, reply.columns);
      if (reply.type === 'filled') this.#full.push(reply);
      if (reply.type === 'grown') this.#grown.push(reply);
    };
    const { writer, waitingReports, joining } = openWriter(
      {
        dataDir,
        hashSeed: this.#hashSeed,
        era: this.#era,
        waiting: this.#waiting,
        durability: 'full',
        segmentMessagesMax: messagesMax,
        checkpointRows,
        segmentsMax: 4094,
        segmentAgeMs: hourMs,
      },
      tell,
      disk,
    );
    if (found === undefined) throw new Error('a log was opened and not told');
    this.#writer = writer;
    this.#waitingReports = waitingReports;
    this.found = found;
    for (const { shared, columns } of found.segments) this.#take(shared, columns);
    try {
      while (joining.next().done !== true);
    } catch (error) {
      this.#letGo();
      throw error;
    }
  }

  /** Closes files of a log that nobody will have: what the disk says to that is no news. */
  #letGo(): void {
    try {
      this.close();
    } catch (error) {
      if (!(error instanceof PowerCut) && !isOutage(error)) throw error;
    }
  }

  /** Throws what the disk throws: then some of the batch may be there. */
  record(batch: RecordBatch): void {
    const packed = packBatch(batch, this.#hashSeed);
    for (let from = 0; from < packed.count; ) {
      const [progress] = this.#writer.record([{ batch: packed, from }], batch.receivedAt, () => false);
      from = progress?.next ?? packed.count;
    }
  }

  /** Writes down what is kept in memory of segments that take rows, as far as the disk lets it. */
  checkpoint(): void {
    for (const { segmentId, ...grown } of this.#grown.splice(0)) {
      const { shared, columns } = this.#segments.get(segmentId) ?? {};
      if (shared === undefined || columns === undefined) continue;
      writeCheckpoint(this.#folder, shared, this.#hashSeed, { columns, ...grown });
      this.checkpoints++;
    }
  }

  /** Takes no more rows into a segment. */
  fill(segmentId: number): void {
    this.#writer.fill(segmentId);
  }

  /** Gives segments that are full their index, as far as the disk lets it; and their facets, as the sealer does. */
  seal(withFacets = false): void {
    for (let next = this.#full[0]; next !== undefined; next = this.#full[0]) {
      const held = this.#segments.get(next.segmentId);
      if (held?.columns === undefined) throw new Error(`segment ${next.segmentId} is full and not there`);
      const { shared, columns } = held;
      const [rows, index, facets] = [
        this.#folder.rows(shared.id),
        this.#folder.index(shared.id),
        this.#folder.facets(shared.id),
      ];
      // Whoever holds the file open lets it go for the checkpoint, as the write-ahead log must not be in use.
      if (withFacets) sealWithFacets(this.#disk, { rows, index, facets }, shared, { columns, ...next }, this.#hashSeed);
      else sealSegment(this.#disk, { rows, index }, shared, columns, next.counts, this.#hashSeed);
      this.#folder.sync();
      this.#writer.sealed(next.segmentId);
      this.#take(held.shared, undefined);
      this.#full.shift();
      this.#gatherIds();
    }
  }

  /** Of every second segment that has an index: of the others, that is asked. */
  #gatherIds(): void {
    using opened = new DisposableStack();
    const sealed = [...this.#segments.values()].filter(({ columns }) => columns === undefined);
    const sources = sealed
      .filter((_, place) => place % 2 === 0)
      .map(({ shared: { id } }) => {
        const index = new IndexFile(this.#folder.index(id), this.#disk);
        return [id, opened.adopt(index, one => one.close())] as const;
      });
    this.#sets = Array.from({ length: idParts }, (_, part) => atOnce(makeIdSet(new Map(sources), part)));
    for (const [part, set] of this.#sets.entries()) {
      this.#writer.takeIds(part, [set]);
      this.#read.takeIds(part, [set]);
    }
  }

  /** Gives every segment that has an index its volume, in the place of its rows file, as far as the disk lets it. */
  merge(): void {
    for (const { shared, columns } of this.#segments.values()) {
      if (columns !== undefined || !atOnce(makeVolume(this.#folder, shared.id, 64))) continue;
      this.#writer.sealed(shared.id);
      this.#read.set(shared, undefined);
      if (removeMerged(this.#folder, shared.id)) this.merged++;
    }
  }

  /** As a reader whose files were all closed. */
  reopenForReading(): void {
    this.#read.close();
    this.#readFolder = new WatchedFolder(this.#folder.dataDir, this.#disk);
    this.#read = new ReadSegments(this.#readFolder, this.#hashSeed);
    for (const { shared, columns } of this.#segments.values()) this.#read.set(shared, columns);
    for (const [part, set] of this.#sets.entries()) this.#read.takeIds(part, [set]);
    this.#read.learn(this.#told);
  }

  /** Of a reader. */
  get segments(): ReadSegments {
    return this.#read;
  }

  /** What the writer does each second. Gives how many reports wait, and how many were dropped. */
  dropOverdue(): readonly number[] {
    this.#waitingReports.dropOverdue(this.#hashSeed, report => this.#writer.join(report));
    return [...this.#waiting];
  }

  /** As the writer is told of segments that are dropped. */
  drop(segmentIds: readonly number[]): void {
    this.#writer.dropped(segmentIds, false);
  }

  /** The writer knows of a segment without an index. */
  isKept(segmentId: number): boolean {
    return this.#writer.extents(segmentId) !== undefined;
  }

  isSealed(segmentId: number): boolean {
    return this.#segments.get(segmentId)?.columns === undefined;
  }

  /** Makes facets of the rows for every segment that has an index and no facets. */
  makeFacets(): void {
    for (const { shared, columns } of this.#segments.values())
      if (columns === undefined) atOnce(makeFacets(this.#folder, shared.id));
  }

  /** As `makeFacets`, of words. */
  makeWords(): void {
    for (const { shared, columns } of this.#segments.values())
      if (columns === undefined) atOnce(makeWords(this.#folder, shared.id));
  }

  /** What facets of segments without an index mean, as far as nobody was told. */
  meanings(): readonly MeaningsOf[] {
    return this.#writer.meanings();
  }

  /** What stands in the file of a segment's facets. */
  facets<T>(segmentId: number, work: (facets: Facets) => T): T | undefined {
    return this.#read.withFacets(segmentId, work);
  }

  /** Of which segments rows were read until now. */
  get rowsOpened(): ReadonlySet<number> {
    return this.#readFolder.rowsOpened;
  }

  logs(account: AccountId, filter: Filter = {}): readonly LogRecord[] {
    const logs: LogRecord[] = [];
    const query = { account, filter, sentSince: 0, limit: 1000, walk: false };
    const search = new Reader(this.#read, new AccountWatermarks(this.#read), this.#hashSeed).search(query);
    for (;;) {
      const step = search.next(false);
      if (step.done) return logs;
      logs.push(...step.value);
    }
  }

  changes(query: ChangesQuery): Changes {
    const feed = new Feed(this.#read, new AccountWatermarks(this.#read), this.#era);
    feed.setEras(this.#eras);
    const steps = feed.changes(query);
    for (;;) {
      const step = steps.next(false);
      if (step.done) return step.value;
    }
  }

  summary(
    account: AccountId,
    now: EpochMs,
    filter: Filter = {},
    { budgetMs = hourMs, clock, by }: SummaryOptions = {},
  ): Summary {
    const query = { ...summaryQuery(account, now, filter, by), budgetMs };
    this.#learn(this.#writer.meanings());
    const { from, to } = wholeMinutes(query);
    const kept = asksForTimeOnly(filter) ? this.#writer.counted(account, from, to) : undefined;
    const steps = summarySteps(this.#read, this.#hashSeed, query, kept, clock);
    for (;;) {
      const step = steps.next(false);
      if (step.done) return step.value;
    }
  }

  close(): void {
    this.#read.close();
    this.#writer.close();
  }

  #learn(meanings: readonly MeaningsOf[]): void {
    this.#told.push(...meanings);
    this.#read.learn(meanings);
  }

  #take(shared: SharedSegment, columns: Columns | undefined): void {
    this.#segments.set(shared.id, { shared, columns });
    this.#read.set(shared, columns);
  }
}
