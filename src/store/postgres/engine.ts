import type { AccountId, EpochMs, MessageHistory } from '../../domain/message.ts';
import type { Summary } from '../../domain/summary.ts';
import { limits } from '../../limits.ts';
import { asOpeningFailure } from '../../postgres/failure.ts';
import { accountsHeld } from '../../postgres/held-accounts.ts';
import { migrate, schemaName } from '../../postgres/migrate.ts';
import { Turns } from '../../turns.ts';
import { UnderWay } from '../../under-way.ts';
import type { LogForm } from '../../wire/text/log-text.ts';
import { horizonsOf, type OwnHorizons } from '../horizons.ts';
import {
  type AwayPart,
  type Changes,
  type ChangesQuery,
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
  StoreUnusable,
  type SummaryQuery,
} from '../store.ts';
import { Feed } from './feed/feed.ts';
import { Watchers } from './feed/watchers.ts';
import { Layouts } from './layout/layouts.ts';
import { Database } from './log/database.ts';
import { Generations } from './log/generations.ts';
import { Partitions } from './log/partitions.ts';
import { Past } from './log/past.ts';
import { Watermark } from './log/watermark.ts';
import type { PostgresStoreOptions } from './options.ts';
import { LongContents } from './read/long-contents.ts';
import { type PageEnd, type PageTaker, Reader } from './read/reader.ts';
import { Gathering, Rendering } from './read/rendering.ts';
import { Recorder } from './record/recorder.ts';
import type { Slice } from './rows/slices.ts';
import { distribute, isOnCitus } from './schema/citus.ts';
import { Recurring } from './server/recurring.ts';
import { Figures, type LogFigures } from './summary/figures.ts';
import { Summaries } from './summary/summaries.ts';
import { Sums } from './summary/sums.ts';
import { hourMs, Totals } from './summary/totals.ts';
import { foldKeys } from './upkeep/folding.ts';
import { dropPast, type Places } from './upkeep/janitor.ts';
import { Sealer } from './upkeep/sealer.ts';
import { WaitingUpkeep } from './upkeep/waiting-upkeep.ts';

/** How often a process adds up what it recorded. */
const addUpMs = 2_000;
/** How far back it is looked how much is recorded, which may be less by night. */
const busyMs = 24 * hourMs;
/** How often partitions that are missing are tried: where shards move one after the other, the moments between are short. */
const makeMs = 2_000;

/**
 * Opens the log in a PostgreSQL database, and makes its tables if need be. Rejects with `StoreUnavailable` when the
 * database cannot be reached now, and with `StoreUnusable` when it is not one that the log can be kept in.
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const { url, schema = schemaName, poolSize, statementTimeoutMs = 10_000, observer, replicas } = options;
  const { answerMsMax = limits.databaseAnswerMsMax, connectMsMax } = options;
  if (!/^postgres(?:ql)?:/.test(url) || !URL.canParse(url))
    throw new StoreUnusable('the address of the log is not like postgres://user@host/database');
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) throw new RangeError(`${schema} is no plain name of a schema`);
  if (!Number.isSafeInteger(poolSize) || poolSize < 2) throw new RangeError('poolSize must be 2 or more');
  const recordersMax = Math.floor(poolSize / 2);
  const readersMax = poolSize - recordersMax;
  const database = new Database({
    url,
    schema,
    readersMax,
    recordersMax,
    statementTimeoutMs,
    observer,
    answerMsMax,
    ...(connectMsMax !== undefined && { connectMsMax }),
    ...(replicas !== undefined && { replicas }),
  });
  try {
    const note: StoreObserver['note'] = one => observer.note(one);
    await migrate({ url, schema }, note);
    const isSpread = await isOnCitus(database);
    if (replicas !== undefined && isSpread)
      throw new StoreUnusable('read replicas cannot be used with Citus: how recent its workers are is not known');
    if (options.sealAfterMs !== undefined && isSpread)
      throw new StoreUnusable('messages cannot be packed into blocks on Citus');
    await distribute({ url, schema }, note, 'added');
    const store = new PostgresStore(database, options);
    await store.begin();
    return store;
  } catch (error) {
    await database.close();
    throw asOpeningFailure(error);
  }
}

class PostgresStore implements Store {
  readonly batchRecords = limits.batchRecordsMax;
  readonly #options: PostgresStoreOptions;
  readonly #database: Database;
  readonly #layouts: Layouts;
  readonly #places: Places;
  readonly #recorder: Recorder;
  readonly #reader: Reader;
  readonly #figures: Figures;
  readonly #watermark: Watermark;
  readonly #feed: Feed;
  readonly #watchers: Watchers;
  readonly #summaries: Summaries;
  /** A statement that takes long holds its connection: no account has more than half of them. */
  readonly #turns: Turns<AccountId>;
  readonly #upkeep: Recurring;
  readonly #waiting: WaitingUpkeep;
  readonly #addingUp: Recurring;
  readonly #making: Recurring;
  readonly #sealer: Sealer;
  readonly #sealing: Recurring | undefined;
  /** How far partitions stand ready ahead of the present one. */
  #aheadMs = 0;
  readonly #answerMsMax: number;
  readonly #counting = new UnderWay<LogFigures>();
  #counted: LogFigures | undefined;
  #closing: Promise<void> | undefined;

  constructor(database: Database, options: PostgresStoreOptions) {
    const { poolSize, observer, partitionMs, generationMs = 24 * hourMs, upkeepMs = 60_000, now = Date.now } = options;
    const { turnMsMax = 5_000 } = options;
    this.#options = options;
    this.#answerMsMax = options.answerMsMax ?? limits.databaseAnswerMsMax;
    this.#database = database;
    const layouts = new Layouts(database);
    this.#layouts = layouts;
    const partitions = new Partitions(database, partitionMs ?? limits.partitionMs, one => observer.note(one));
    const generations = new Generations(database, generationMs);
    const watermark = new Watermark(database);
    this.#watermark = watermark;
    const sums = new Sums(database, watermark, one => observer.note(one));
    const totals = new Totals(database);
    this.#places = { database, layouts, partitions, generations, sums, totals };
    this.#figures = new Figures(database, totals);
    this.#feed = new Feed(database, layouts, watermark);
    this.#watchers = new Watchers(database, layouts, watermark, observer);
    this.#summaries = new Summaries(database, layouts, sums);
    const recorded = (account: AccountId, slice: Slice) => {
      database.mustShow(account);
      sums.tell(slice);
      this.#watchers.tell(account);
    };
    this.#waiting = new WaitingUpkeep(database, layouts, batch => this.#recorder.record(batch));
    const waiting = {
      isFull: () => this.#waiting.reports >= limits.waitingMax,
      dropped: (count: number) => this.#waiting.drop(count),
    };
    const surroundings = { database, layouts, partitions, sums, observer, recorded, waiting };
    this.#recorder = new Recorder(surroundings, Math.floor(poolSize / 2));
    const sources = 1 + (options.replicas?.urls.length ?? 0);
    const readersMax = poolSize - Math.floor(poolSize / 2);
    this.#reader = new Reader(database, layouts, new LongContents(Math.ceil(readersMax / 2), turnMsMax));
    this.#turns = new Turns(readersMax * sources, {
      ownerMax: Math.ceil(readersMax / 2) * sources,
      waitMsMax: turnMsMax,
      refusal: 'all connections are busy',
    });
    this.#upkeep = new Recurring(upkeepMs, observer, async () => {
      // Long before keys are dropped that were folded, whoever records knows to look for them in older slices too.
      await Promise.all([partitions.refresh(), layouts.refresh()]);
      await this.#adaptWidth();
      await generations.advanceIfDue();
      await this.#waiting.work();
    });
    this.#addingUp = new Recurring(addUpMs, observer, () => sums.addUpDue());
    const { sealAfterMs } = options;
    this.#sealer = new Sealer(database, partitions);
    if (sealAfterMs !== undefined)
      this.#sealing = new Recurring(upkeepMs, observer, async () => {
        const { messages, blocks } = await this.#sealer.sealBefore(now() - sealAfterMs);
        if (messages > 0)
          observer.note({ level: 'info', message: 'messages were packed into blocks', detail: { messages, blocks } });
        const keys = await foldKeys(database, { closedMs: sealAfterMs }, this.#sealer.stopping);
        if (keys > 0) observer.note({ level: 'info', message: 'keys of message ids were folded', detail: { keys } });
      });
    const making = () => partitions.keepAhead(now(), this.#aheadMs);
    this.#making = new Recurring(Math.min(upkeepMs, makeMs), observer, making);
  }

  async begin(): Promise<void> {
    const { database, partitions } = this.#places;
    await Promise.all([this.#layouts.refresh(), partitions.refresh(), this.#watermark.read()]);
    const { aheadMs = (await isOnCitus(database)) ? limits.partitionsAheadOnCitusMs : 0 } = this.#options;
    this.#aheadMs = aheadMs;
    await this.#adaptWidth();
    this.#database.start();
    this.#upkeep.start();
    this.#addingUp.start();
    this.#making.start();
    this.#watchers.start();
    this.#sealing?.start();
  }

  /** Unless it is given, new partitions span what few of are read, while the indexes of what is being recorded fit into memory. */
  async #adaptWidth(): Promise<void> {
    const { partitionMs, now = Date.now } = this.#options;
    if (partitionMs !== undefined) return;
    const { partitions, totals } = this.#places;
    const isBusy = (await totals.busiest(now() - busyMs)) > limits.partitionPerHour;
    partitions.widthMs = isBusy ? limits.partitionMs : limits.partitionQuietMs;
  }

  async record(batch: RecordBatch): Promise<RecordOutcome> {
    this.#refuseWhenClosed();
    return this.#recorder.record(batch);
  }

  async find(query: Query): Promise<Page> {
    return this.#page(query, () => new Gathering());
  }

  async render(query: Query, form: LogForm, signal?: AbortSignal): Promise<RenderedPage> {
    return this.#page(query, () => new Rendering(form), signal);
  }

  async #page<T>(query: Query, taker: () => PageTaker<T>, signal?: AbortSignal): Promise<T & PageEnd> {
    const { account } = query;
    const turn = <R>(step: () => Promise<R>) => this.#read(account, step, signal);
    return this.#wanted(() => this.#reader.find(query, { turn, taker, signal }), signal);
  }

  async history(account: AccountId, messageId: string, sentSince: EpochMs): Promise<MessageHistory | undefined> {
    const slices = this.#layouts.placement.slicesHolding(account, messageId);
    return this.#read(account, () => this.#reader.history(account, messageId, sentSince), undefined, slices);
  }

  async changes(query: ChangesQuery): Promise<Changes> {
    const { account, after } = query;
    const changes = await (after === undefined
      ? this.#beginning(account)
      : this.#read(account, () => this.#feed.changes({ ...query, after })));
    // Whoever hears of a message asks for it next.
    this.#database.mustShow(account);
    return changes;
  }

  /**
   * Transactions that are at work are waited for, before there is a turn to read: in front of them lies no place that
   * excludes what was answered since they began, and a recording that hangs takes nobody's turn.
   */
  async #beginning(account: AccountId): Promise<Changes> {
    this.#refuseWhenClosed();
    const settled = await this.#watermark.settle();
    return this.#read(account, () => this.#feed.beginning(account, settled));
  }

  watch(account: AccountId, wake: () => void): () => void {
    return this.#watchers.watch(account, wake);
  }

  async summarize(query: SummaryQuery, signal?: AbortSignal): Promise<Summary> {
    return this.#read(query.account, () => this.#summaries.summarize(query, signal), signal);
  }

  async stats(): Promise<StoreStats> {
    this.#refuseWhenClosed();
    const { nodes, reads } = this.#database;
    // What cannot be asked in time is as it was known to be.
    const probed = within(this.#answerMsMax, this.#recorder.probe()).catch(throwUnlessUnavailable);
    const [figures] = await Promise.all([this.#figuresNow(), probed]);
    const { queuedRecords } = this.#recorder;
    const wanting = await this.#places.partitions.failure((this.#options.now ?? Date.now)());
    const writeFailure = this.#recorder.writeFailure ?? (wanting?.isOfPresent ? wanting.reason : undefined);
    const away: readonly AwayPart[] = [
      ...nodes.away,
      ...this.#recorder.failingParts,
      ...(wanting?.isOfPresent === false ? [{ name: 'partitions', reason: wanting.reason }] : []),
    ];
    return {
      ...figures,
      queuedRecords,
      waiting: { reports: this.#waiting.reports, dropped: this.#waiting.dropped },
      damaged: this.#database.damage.parts,
      ...(writeFailure !== undefined && { writeFailure }),
      ...(away.length > 0 && { away }),
      ...(reads !== undefined && { reads }),
    };
  }

  /**
   * The figures of this moment; where a node is away, as of the last sweep. Where readers have all connections for long
   * and the database answers all the same, as they were last counted.
   */
  async #figuresNow(): Promise<LogFigures> {
    const { nodes } = this.#database;
    if (nodes.away.length > 0) return within(this.#answerMsMax, this.#figures.readLast());
    try {
      return await within(
        this.#answerMsMax,
        this.#counting.share(() => this.#count()),
      );
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      if (nodes.names.length === 0) {
        if (this.#counted === undefined) throw error;
        await within(this.#answerMsMax, nodes.answers());
        return this.#counted;
      }
      return within(this.#answerMsMax, this.#figures.readLast());
    }
  }

  /** Asked for by one at a time: while the database does not answer, those who look would take all connections. */
  async #count(): Promise<LogFigures> {
    const [figures] = await Promise.all([this.#figures.read(), this.#waiting.count()]);
    this.#counted = figures;
    return figures;
  }

  async wouldDrop(sentAt: EpochMs, own: OwnHorizons = new Map(), sentUntil: EpochMs = Infinity): Promise<Dropping> {
    this.#refuseWhenClosed();
    const placement = await this.#layouts.refresh();
    const past = await Past.of(await horizonsOf(sentAt, own), account => placement.slicesOf(account));
    return this.#figures.before(past, sentUntil);
  }

  async dropBefore(sentAt: EpochMs, own: OwnHorizons = new Map()): Promise<void> {
    this.#refuseWhenClosed();
    const horizons = await horizonsOf(sentAt, own);
    await dropPast(this.#places, horizons);
    this.#database.damage.forgetBefore(horizons.earliest);
  }

  async *accounts(): AsyncGenerator<Iterable<AccountId>> {
    this.#refuseWhenClosed();
    yield (await accountsHeld(this.#database)).map(({ id }) => id);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([this.#recorder.close(), this.#watchers.stop()]);
    this.#sealer.stop();
    await this.#sealing?.stop();
    await Promise.all([this.#upkeep.stop(), this.#addingUp.stop(), this.#making.stop()]);
    await this.#database.close();
  }

  async #read<T>(
    account: AccountId,
    work: () => Promise<T>,
    signal?: AbortSignal,
    slices = this.#layouts.placement.slicesOf(account),
  ): Promise<T> {
    this.#refuseWhenClosed();
    const begun = () => {
      this.#refuseWhenClosed();
      return this.#database.nodes.on(slices, work);
    };
    return this.#wanted(() => this.#turns.run(account, begun, signal), signal);
  }

  async #wanted<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await work();
    } finally {
      // Whatever it came to: a statement that was cancelled for it is no failure of the database.
      signal?.throwIfAborted();
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closing !== undefined) throw new StoreUnavailable('the store is closed');
  }
}

/** What the work gives, unless that takes too long; it goes on all the same. */
async function within<T>(msMax: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new StoreUnavailable('the database does not answer')), msMax);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

function throwUnlessUnavailable(error: unknown): void {
  if (!(error instanceof StoreUnavailable)) throw error;
}
