import { asksForTimeOnly } from '../../domain/filter.ts';
import type { AccountId, EpochMs, MessageHistory } from '../../domain/message.ts';
import type { Summary } from '../../domain/summary.ts';
import { limits } from '../../limits.ts';
import type { LogForm } from '../../wire/text/log-text.ts';
import { horizonsOf, type OwnHorizons } from '../horizons.ts';
import { type Load, loadOf, QueueRoom } from '../queue-room.ts';
import {
  type Changes,
  type ChangesQuery,
  type Committed,
  type Dropping,
  type Page,
  type Query,
  type RecordBatch,
  type RecordOutcome,
  type RenderedPage,
  type Store,
  type StoreObserver,
  type StoreStats,
  StoreUnavailable,
  type SummaryQuery,
} from '../store.ts';
import { Watchers } from './feed/watchers.ts';
import { DamagedSegment, UnreadableSegment } from './files/damage.ts';
import { systemDisk } from './files/disk.ts';
import { Folder } from './files/folder.ts';
import { FolderLock } from './files/folder-lock.ts';
import { hasRoom } from './files/reserve.ts';
import { type Kept, wholeMinutes } from './log/kept-counts.ts';
import { claimLog, type SqliteStoreOptions, sizesIn } from './options.ts';
import { Readers } from './read/readers.ts';
import { type PackedBatch, packBatch } from './segment/packed-batch.ts';
import { BatchesOut } from './threads/batches-out.ts';
import type { Failure, ReaderRequest, ThreadData, UnusedFile, WriterReply, WriterRequest } from './threads/messages.ts';
import { SharedQuestion } from './threads/shared-question.ts';
import { errorOf, Thread } from './threads/thread.ts';
import { Catalog, type FoundExtents } from './upkeep/catalog.ts';
import { Sealing, sealRetryMs } from './upkeep/sealing.ts';
import { Unreadable } from './upkeep/unreadable.ts';

/** Of a summary's time, how much it gives a writer that a disk holds up to tell what facets mean. */
const writerShare = 0.25;

/**
 * What is parsed lives until it is packed for the writer. A thousand records of each of several requests outlive two young
 * collections, and what does that only a full one frees: those took a fifth of what recording takes.
 */
const batchRecords = 100;

/**
 * Opens the embedded log. Throws `FolderInUse` when another process has the folder; resolves when queries can be
 * answered.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  sizesIn(options);
  const store = storeUnder(new FolderLock(options.dataDir), options);
  try {
    await store.loaded;
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** A log that cannot be read at all must not hold its folder. */
function storeUnder(lock: FolderLock, options: SqliteStoreOptions): SqliteStore {
  try {
    return new SqliteStore(options, lock, claimLog(options));
  } catch (error) {
    lock.release();
    throw error;
  }
}

class SqliteStore implements Store {
  readonly batchRecords = batchRecords;
  readonly accounts = () => this.#catalog.accounts();
  readonly loaded: Promise<void>;
  readonly #observer: StoreObserver;
  readonly #lock: FolderLock;
  readonly #dataDir: string;
  readonly #hashSeed: number;
  /** How many reports wait for their messages, and how many of them were dropped; the writer's. */
  readonly #waiting: Int32Array;
  readonly #catalog: Catalog;
  readonly #writer: Thread<WriterRequest, WriterReply>;
  readonly #batchesOut: BatchesOut;
  readonly #meanings = new SharedQuestion(() => this.#writer.ask(id => ({ type: 'meanings', id })));
  readonly #readers: Readers;
  readonly #sealing: Sealing;
  readonly #unreadable: Unreadable;
  readonly #watchers = new Watchers();
  readonly #room = new QueueRoom();
  #loadedNow: (error?: Error) => void = () => {};
  readonly #recording = new Set<Promise<RecordOutcome>>();
  #writeFailure: string | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: SqliteStoreOptions, lock: FolderLock, hashSeed: number) {
    const { dataDir, durability, observer } = options;
    this.#observer = observer;
    this.#lock = lock;
    this.#dataDir = dataDir;
    this.#hashSeed = hashSeed;
    const era = new Int32Array(new SharedArrayBuffer(4));
    const waiting = new Int32Array(new SharedArrayBuffer(8));
    this.#waiting = waiting;
    const folder = new Folder(dataDir);
    const { identity } = folder;
    const which = { dataDir, ...(identity !== undefined && { identity }) };
    const data: ThreadData = { ...which, hashSeed, era, waiting, durability, ...sizesIn(options) };
    this.#catalog = new Catalog(folder, observer, {
      count: options.readerThreads + 1,
      tell: request => {
        this.#writer.send(request);
        this.#readers.tell(request);
        if (request.type === 'drop') this.#sealing.dropped(request.segmentIds);
      },
      unsealedExtents: segmentId => this.#writer.ask(id => ({ type: 'extents', id, segmentId })) as FoundExtents,
      sealedExtents: segmentId => this.#read(id => ({ type: 'extents', id, segmentId })) as FoundExtents,
    });
    this.loaded = new Promise((resolve, reject) => {
      this.#loadedNow = error => (error === undefined ? resolve() : reject(error));
    });
    const crashed = (error: Error) => this.#crashed(error);
    this.#writer = new Thread('writer', data, reply => this.#fromWriter(reply), crashed);
    this.#batchesOut = new BatchesOut(this.#writer);
    const released = (ticket: number) => this.#catalog.released(ticket);
    const unused = ({ segmentId, reason }: UnusedFile) => {
      const detail = { segment: this.#catalog.folder.nameOf(segmentId), reason };
      observer.note({ level: 'warn', message: 'a file beside a segment cannot be used: its rows are read', detail });
    };
    this.#readers = new Readers(options.readerThreads, data, { released, unused, crashed });
    this.#sealing = new Sealing(this.#catalog, data, {
      observer,
      writer: this.#writer,
      failing: reason => this.#failing(reason),
      unreadable: (segmentId, reason) => this.#unreadable.found(segmentId, reason),
      moved: () => this.#room.wake(),
      isClosing: () => this.#closing !== undefined,
      crashed,
    });
    this.#unreadable = new Unreadable({
      nameOf: segmentId => this.#catalog.get(segmentId) && this.#catalog.folder.nameOf(segmentId),
      look: segmentId => this.#read(id => ({ type: 'look', id, segmentId })),
      note: (message, detail) => observer.note({ level: 'warn', message, detail }),
      makeAgain: (segmentId, reason) => this.#sealing.recovery.recover(segmentId, reason, true),
      failed: error => this.#sealing.background(Promise.reject(error)),
    });
  }

  /**
   * Does not wait for anything itself: its frame would keep the batch's thousand objects until the answer comes, and
   * what outlives two young collections only a full one frees.
   */
  async record(batch: RecordBatch): Promise<RecordOutcome> {
    if (batch.submissions.length > limits.batchRecordsMax)
      throw new RangeError(`a batch has at most ${limits.batchRecordsMax} records`);
    this.#refuseWhenClosed();
    return this.#record(packBatch(batch, this.#hashSeed), loadOf(batch));
  }

  async #record(packed: PackedBatch, load: Load): Promise<RecordOutcome> {
    const recording = this.#write(packed, load);
    this.#recording.add(recording);
    return recording.finally(() => this.#recording.delete(recording));
  }

  async #write(packed: PackedBatch, load: Load): Promise<RecordOutcome> {
    await this.#room.take(load, () => this.#isHeldUp());
    try {
      return await this.#batchesOut.record(packed);
    } catch (error) {
      if (error instanceof UnreadableSegment) this.#unreadable.found(error.segmentId, error.message);
      if (!(error instanceof DamagedSegment)) throw error;
      await this.#sealing.recovery.recover(error.segmentId, error.message);
      throw new StoreUnavailable('a damaged segment was made again; record again');
    } finally {
      this.#room.give(load);
    }
  }

  async find(query: Query): Promise<Page> {
    return (await this.#read(id => ({ type: 'find', id, query }))) as Page;
  }

  async render(query: Query, form: LogForm, signal?: AbortSignal): Promise<RenderedPage> {
    return (await this.#read(id => ({ type: 'render', id, query, form }), signal)) as RenderedPage;
  }

  async history(account: AccountId, messageId: string, sentSince: EpochMs): Promise<MessageHistory | undefined> {
    const answer = await this.#read(id => ({ type: 'history', id, account, messageId, sentSince }));
    return answer as MessageHistory | undefined;
  }

  async changes(query: ChangesQuery): Promise<Changes> {
    const gaps = this.#watchers.gapsOf(query.account);
    return (await this.#read(id => ({ type: 'changes', id, query, gaps }))) as Changes;
  }

  watch(account: AccountId, wake: () => void): () => void {
    return this.#watchers.add(account, wake);
  }

  async summarize(query: SummaryQuery, signal?: AbortSignal): Promise<Summary> {
    const asked = { account: query.account, ...wholeMinutes(query) };
    const count = () => this.#writer.ask(id => ({ type: 'count', id, ...asked })) as Promise<Kept>;
    for (;;) {
      this.#refuseWhenClosed();
      const { damages } = this.#catalog;
      const isFiltered = !asksForTimeOnly(query.filter);
      const begun = performance.now();
      // Readers count by facets then, also of what was recorded a moment ago; what they were not told of, by rows.
      if (isFiltered || query.by !== undefined) await this.#meanings.settled(query.budgetMs * writerShare, signal);
      const budgetMs = query.budgetMs - (performance.now() - begun);
      const kept = isFiltered ? undefined : await count();
      const request = (id: number) => ({ type: 'summarize' as const, id, query: { ...query, budgetMs }, kept });
      const summary = (await this.#read(request, signal)) as Summary;
      // What was lost meanwhile is missing from a part of what was added up.
      if (damages !== this.#catalog.damages) continue;
      // Of what was set aside whole, nothing tells when it was sent.
      return this.#catalog.hasSetAside ? { ...summary, complete: false } : summary;
    }
  }

  async stats(): Promise<StoreStats> {
    this.#catalog.folder.refuseMoved();
    // It is back, also where nobody has recorded since.
    if (this.#catalog.folder.isRefusal(this.#writeFailure)) this.#writeFailure = undefined;
    // Also before anybody tried to record: a start on a full disk gave up what had been kept free for it.
    const writeFailure = this.#writeFailure ?? (hasRoom(systemDisk, this.#dataDir) ? undefined : 'the disk is full');
    const stats = this.#catalog.stats();
    return {
      ...stats,
      damaged: [...stats.damaged, ...this.#unreadable.parts],
      queuedRecords: this.#room.records,
      waiting: { reports: this.#waiting[0] ?? 0, dropped: this.#waiting[1] ?? 0 },
      ...(writeFailure !== undefined && { writeFailure }),
    };
  }

  async wouldDrop(sentAt: EpochMs, own: OwnHorizons = new Map(), sentUntil: EpochMs = Infinity): Promise<Dropping> {
    this.#refuseWhenClosed();
    return this.#catalog.wouldDrop(await horizonsOf(sentAt, own), sentUntil);
  }

  async dropBefore(sentAt: EpochMs, own: OwnHorizons = new Map()): Promise<void> {
    this.#refuseWhenClosed();
    this.#catalog.folder.refuseMoved();
    const horizons = await horizonsOf(sentAt, own);
    await this.#writer.ask(id => ({ type: 'rotate', id, horizons }));
    // What was in the way of recording may be gone: whoever records next finds out.
    if (await this.#catalog.dropBefore(horizons)) this.#writeFailure = undefined;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#sealing.stopRetries();
    this.#unreadable.end();
    clearTimeout(this.#retry);
    this.#room.wake();
    await Promise.allSettled(this.#recording);
    this.#writer.send({ type: 'close' });
    this.#sealing.close();
    this.#readers.tell({ type: 'close' });
    await Promise.all([this.#writer.ended(), this.#sealing.ended(), this.#readers.ended()]);
    await this.#catalog.removed();
    this.#lock.release();
  }

  #refuseWhenClosed(): void {
    if (this.#closing !== undefined) throw new StoreUnavailable('the store is closed');
  }

  /** Asks a reader, again when a damaged segment had to be seen to first. */
  async #read(request: (id: number) => ReaderRequest, signal?: AbortSignal): Promise<unknown> {
    for (;;) {
      this.#refuseWhenClosed();
      this.#catalog.folder.refuseMoved();
      try {
        return await this.#readers.ask(request, signal);
      } catch (error) {
        if (error instanceof UnreadableSegment) this.#unreadable.found(error.segmentId, error.message);
        if (!(error instanceof DamagedSegment)) throw error;
        await this.#sealing.recovery.recover(error.segmentId, error.message);
      }
    }
  }

  /** Whether recording waits until fewer segments wait for their index; throws when they will not before long. */
  #isHeldUp(): boolean {
    this.#refuseWhenClosed();
    if (!this.#sealing.isBehind) return false;
    if (this.#writeFailure !== undefined) throw new StoreUnavailable(this.#writeFailure, sealRetryMs);
    return true;
  }

  #fromWriter(reply: WriterReply): void {
    switch (reply.type) {
      case 'loaded':
        return this.#fromLoad(reply);
      case 'broken':
        return this.#loadedNow(errorOf(reply.failure));
      case 'opened':
        this.#catalog.add(reply.shared, reply.columns, 'active');
        return this.#readers.tell({ type: 'segment', shared: reply.shared, columns: reply.columns });
      case 'filled':
        this.#catalog.filled(reply.segmentId, { counts: reply.counts, meanings: reply.meanings });
        return this.#sealing.seal(reply.segmentId);
      case 'grown':
        return this.#sealing.checkpoint(reply);
      case 'released':
        return this.#catalog.released(reply.ticket);
      case 'answer':
        return this.#writer.answer(reply.id, reply.answer);
      case 'meanings':
        this.#readers.tell(reply);
        return this.#writer.answer(reply.id, undefined);
      case 'eras':
        return this.#readers.tell(reply);
      case 'failed':
        if (reply.range !== undefined) this.#readers.recorded(reply.accounts.map(account => [account, undefined]));
        this.#watchers.wake(reply.accounts, reply.range);
        if (reply.failure.kind === 'outage') this.#failing(reply.failure.message);
        if (reply.ids.length === 0) this.#failedUnasked(reply.failure);
        return this.#writer.fail(reply.ids, errorOf(reply.failure));
      case 'recorded':
        this.#writeFailure = undefined;
        this.#observer.committed(committedIn(reply));
        this.#readers.recorded(reply.ends);
        this.#watchers.wake(reply.accounts, reply.range);
        for (const { id, outcome } of reply.outcomes) this.#writer.answer(id, outcome);
    }
  }

  /** The writer failed at what nobody waits for. */
  #failedUnasked({ kind, message, segmentId }: Failure): void {
    if (kind === 'damaged' && segmentId !== undefined)
      this.#sealing.background(this.#sealing.recovery.recover(segmentId, message));
    else if (kind === 'unreadable' && segmentId !== undefined) this.#unreadable.found(segmentId, message);
    else if (kind !== 'outage') this.#sealing.background(Promise.reject(new Error(message)));
  }

  #fromLoad({ log, activeId }: Extract<WriterReply, { type: 'loaded' }>): void {
    for (const part of log.recovered) this.#sealing.recovery.tell(part);
    for (const part of log.damaged) this.#catalog.noteDamaged(part);
    for (const { id, reason } of log.rebuilt) this.#sealing.tellRebuilt(id, reason);
    for (const { shared, columns } of log.segments) {
      const phase = columns === undefined ? 'sealed' : shared.id === activeId ? 'active' : 'full';
      this.#catalog.add(shared, columns, phase);
      this.#readers.tell({ type: 'segment', shared, columns });
    }
    this.#sealing.take(log.segments);
    this.#loadedNow();
  }

  #failing(reason: string): void {
    if (this.#writeFailure === undefined)
      this.#observer.note({ level: 'error', message: 'records cannot be stored', detail: { reason } });
    this.#writeFailure = reason;
    this.#retry ??= setTimeout(() => this.#sealing.background(this.#tryAgain()), sealRetryMs).unref();
  }

  /** Whoever sends requests only to servers that are ready would never find out. */
  async #tryAgain(): Promise<void> {
    this.#retry = undefined;
    if (this.#closing !== undefined || this.#writeFailure === undefined) return;
    try {
      await this.#writer.ask(id => ({ type: 'try', id }));
      if (!this.#sealing.isBehind) this.#writeFailure = undefined;
    } catch (error) {
      if (error instanceof DamagedSegment) await this.#sealing.recovery.recover(error.segmentId, error.message);
      else if (!(error instanceof StoreUnavailable)) throw error;
    }
    // Where it failed, that was told as of any other.
    if (this.#writeFailure !== undefined && this.#closing === undefined) this.#failing(this.#writeFailure);
  }

  #crashed(error: Error): void {
    this.#observer.note({ level: 'error', message: 'a thread of the store ended', detail: { error: error.stack } });
    this.#writeFailure = 'a thread of the store ended';
    this.#loadedNow(error);
  }
}

/** What batches that shared a transaction came to. */
function committedIn({ outcomes, cameTo, durationMs }: Extract<WriterReply, { type: 'recorded' }>): Committed {
  const sum = (kind: 'recorded' | 'updated') => outcomes.reduce((total, { outcome }) => total + outcome[kind], 0);
  return { durationMs, messages: sum('recorded'), reports: sum('updated'), outcomes: cameTo };
}
