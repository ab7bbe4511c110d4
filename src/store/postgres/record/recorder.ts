import type { AccountId } from '../../../domain/message.ts';
import { reasonOf } from '../../../failures.ts';
import { limits } from '../../../limits.ts';
import { UnderWay } from '../../../under-way.ts';
import { loadOf, QueueRoom } from '../../queue-room.ts';
import {
  type AwayPart,
  type RecordBatch,
  type RecordOutcome,
  type StoreObserver,
  StoreUnavailable,
} from '../../store.ts';
import type { Layouts } from '../layout/layouts.ts';
import { NoPartition } from '../log/partitions.ts';
import type { Slice } from '../rows/slices.ts';
import { idsOf, keyOf, Lane } from './lane.ts';
import type { Led } from './parts.ts';
import { type Group, Misplaced, recordGroup, takeNumbers } from './record-group.ts';
import type { Recorders } from './recording-transaction.ts';
import { Router } from './router.ts';
import { beyondShare, sum, TransactionPlaces } from './transaction-places.ts';

/**
 * While so many transactions of a slice are at work, what comes waits for one of them to end, unless it is much: it goes
 * by one commit then, instead of many that would each take as long.
 */
const gatherFrom = 2;

/** Where records go, and who is told of them. */
export type Surroundings = Omit<Recorders, 'aside'> & {
  readonly layouts: Layouts;
  readonly observer: StoreObserver;
  /** Something of the account became durable, in this slice. */
  readonly recorded: (account: AccountId, slice: Slice) => void;
  /** Whether no more reports may wait, over all accounts; and who is told of those that were dropped. */
  readonly waiting: { readonly isFull: () => boolean; readonly dropped: (count: number) => void };
};

/**
 * Gathers what callers record into transactions, several at a time. Batches of one account keep their order: what goes
 * to a slice waits for what came before it with an id in common. Messages are numbered in the order in which they begin to
 * be recorded: that is the order they came, but for what is passed over while it waits for such an id or for a partition.
 * Of an account that is spread they are numbered in the order they came, whatever waits.
 */
export class Recorder {
  readonly #surroundings: Surroundings;
  readonly #places: TransactionPlaces;
  readonly #router: Router;
  readonly #lanes = new Map<string, Lane>();
  readonly #room = new QueueRoom();
  readonly #restWaiters: (() => void)[] = [];
  #numbering: Promise<unknown> = Promise.resolve();
  #calls = 0;
  /** Why records cannot be stored, by the node that they lie on; by none where there are no several. */
  readonly #failures = new Map<string | undefined, string>();
  readonly #probing = new UnderWay<void>();
  #closed = false;
  #idle: () => void = () => {};

  constructor(surroundings: Surroundings, transactionsMax: number) {
    this.#surroundings = surroundings;
    this.#places = new TransactionPlaces(transactionsMax, () => this.#startAll());
    this.#router = new Router(surroundings.database, surroundings.layouts, {
      put: led => this.#put(led),
      takeBack: account => this.#lanesOf(account).flatMap(lane => lane.takeBack()),
      atRest: account => this.#atRest(account),
      failed: error => this.#look(undefined, error),
    });
  }

  get queuedRecords(): number {
    return this.#room.records;
  }

  /** Why nothing can be stored; what is so of some nodes alone is among the `failingParts`. */
  get writeFailure(): string | undefined {
    const { nodes } = this.#surroundings.database;
    const [first] = [...this.#failures.values(), ...nodes.away.map(({ reason }) => reason)];
    const serving = nodes.names.filter(name => !this.#failures.has(name) && !nodes.away.some(one => one.name === name));
    return this.#failures.get(undefined) ?? (serving.length === 0 ? first : undefined);
  }

  /** Nodes that answer, and on which records cannot be stored. */
  get failingParts(): readonly AwayPart[] {
    const { nodes } = this.#surroundings.database;
    return [...this.#failures].flatMap(([name, reason]) =>
      name === undefined || nodes.away.some(one => one.name === name)
        ? []
        : [{ name, reason: `records cannot be stored: ${reason}`, accounts: nodes.accountsOn(name).length }],
    );
  }

  async record(batch: RecordBatch): Promise<RecordOutcome> {
    const count = batch.submissions.length;
    if (count > limits.batchRecordsMax) throw new RangeError(`a batch has at most ${limits.batchRecordsMax} records`);
    this.#refuseWhenClosed();
    if (count === 0) return { recorded: 0, updated: 0, unchanged: 0, waiting: 0, rejected: [] };
    const load = loadOf(batch);
    await this.#room.take(load, () => this.#refuseWhenClosed());
    try {
      return await new Promise<RecordOutcome>((resolve, reject) => {
        this.#router.take({ batch, order: this.#calls++, misplaced: 0, resolve, reject });
      });
    } finally {
      this.#room.give(load);
      if (this.#room.records === 0) this.#idle();
    }
  }

  /** Asks the database to keep something where it is not known to: whether records can be stored again. */
  probe(): Promise<void> {
    return this.#probing.share(() => this.#probe());
  }

  async #probe(): Promise<void> {
    const { database } = this.#surroundings;
    const { nodes } = database;
    const away = new Set(nodes.away.map(({ name }) => name));
    const serving = nodes.names.find(name => !away.has(name));
    for (const node of [...this.#failures.keys()]) {
      if (node !== undefined && away.has(node)) continue;
      try {
        await database.query(kept, [nodes.markOf(node ?? serving) ?? 0]);
        this.#working(node);
      } catch (error) {
        this.#failing(node, error);
      }
    }
  }

  /** Takes no more; resolves when all that was taken is answered. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#room.wake();
    while (this.#room.records > 0)
      await new Promise<void>(resolve => {
        this.#idle = resolve;
      });
  }

  /** `false` when it does not. */
  #refuseWhenClosed(): boolean {
    if (this.#closed) throw new StoreUnavailable('the store is closed');
    return false;
  }

  #put(led: readonly Led[]): void {
    for (const one of led) this.#laneOf(one).put(one);
    for (const account of new Set(led.map(({ batch }) => batch.account))) this.#refuseBeyondShare(account);
    this.#startAll();
  }

  #laneOf(led: Led): Lane {
    const lane = this.#lanes.get(keyOf(led)) ?? new Lane(led.batch.account, led);
    this.#lanes.set(lane.key, lane);
    return lane;
  }

  #lanesOf(account: AccountId): readonly Lane[] {
    return [...this.#lanes.values()].filter(lane => lane.account === account);
  }

  async #atRest(account: AccountId): Promise<void> {
    while (this.#lanesOf(account).some(lane => lane.isAtWork))
      await new Promise<void>(resolve => this.#restWaiters.push(resolve));
  }

  /** Starts as many transactions as there may be, accounts taking turns. */
  #startAll(): void {
    for (let started = true; started; ) {
      started = false;
      for (const lane of [...this.#lanes.values()]) {
        if (this.#places.areTaken) return;
        if (lane.transactions >= gatherFrom && !lane.isMuch) continue;
        const taken = lane.take(sentAts => this.#surroundings.partitions.lacks(sentAts));
        if (taken.length === 0) continue;
        this.#start(lane, taken);
        started = true;
      }
    }
  }

  #start(lane: Lane, taken: readonly Led[]): void {
    const ids = idsOf(taken);
    lane.begin(ids);
    this.#places.take();
    // Behind the others: whoever's turn comes next is the one who waited longest.
    this.#lanes.delete(lane.key);
    this.#lanes.set(lane.key, lane);
    this.#recordTaken(lane, taken).finally(() => {
      lane.end(ids);
      if (lane.isIdle) this.#lanes.delete(lane.key);
      for (const wake of this.#restWaiters.splice(0)) wake();
      this.#places.leave();
    });
  }

  /** What waits for an id that waits for a partition is bounded with it: callers send again what is not answered. */
  #refuseBeyondShare(account: AccountId): void {
    if (!this.#places.hasAside(account)) return;
    const lanes = this.#lanesOf(account);
    const behind = lanes.flatMap(lane => lane.behindAside()).toSorted((a, b) => a.order - b.order);
    const loads = behind.map(({ batch }) => loadOf(batch));
    const refused = new Set(behind.slice(this.#places.fitting(account, loads)));
    if (refused.size === 0) return;
    for (const lane of lanes) lane.remove(refused);
    for (const { reject } of refused) reject(beyondShare());
  }

  /** Answers every one of them, or has them led anew. */
  async #recordTaken(lane: Lane, taken: readonly Led[]): Promise<void> {
    const { account, slice, known } = lane;
    try {
      const group = { slice, known, parts: taken, layout: Math.min(...taken.map(({ layout }) => layout)) };
      const outcomes = await this.#commit(lane, { ...group, firstNumber: await this.#firstNumber(taken) });
      for (const [i, { resolve, reject }] of taken.entries()) {
        const outcome = outcomes[i];
        if (outcome === undefined) reject(new Error('a batch has no outcome'));
        else resolve(outcome);
      }
    } catch (error) {
      this.#look(slice, error);
      if (error instanceof Misplaced) this.#router.again(account, taken);
      // A defect in one batch is no reason to refuse those that happened to come with it.
      else if (error instanceof StoreUnavailable || taken.length === 1) for (const { reject } of taken) reject(error);
      else for (const one of taken) await this.#recordTaken(lane, [one]);
    }
  }

  /** Numbers for those that have none, taken in the order in which groups begin. */
  async #firstNumber(taken: readonly Led[]): Promise<number> {
    if (taken.every(({ numbers }) => numbers !== undefined)) return 0;
    const numbered = this.#numbering.then(() => takeNumbers(this.#surroundings.database));
    this.#numbering = numbered.catch(() => {});
    return numbered;
  }

  async #commit(lane: Lane, group: Group): Promise<readonly RecordOutcome[]> {
    const begun = performance.now();
    const { isFull, dropped: tellDropped } = this.#surroundings.waiting;
    const load = sum(group.parts.map(({ batch }) => loadOf(batch)));
    const { account } = lane;
    const aside = (wait: () => Promise<void>) =>
      lane.aside(idsOf(group.parts), () => {
        const left = this.#places.aside(account, load, wait);
        this.#refuseBeyondShare(account);
        return left;
      });
    const recorders = { ...this.#surroundings, aside };
    const { outcomes, messages, reports, cameTo, dropped } = await recordGroup(recorders, group, isFull);
    const durationMs = performance.now() - begun;
    this.#working(undefined);
    this.#working(this.#surroundings.database.nodes.nodeOf(group.slice));
    this.#surroundings.recorded(account, group.slice);
    tellDropped(dropped);
    const counts = { messages: messages.length, reports: reports.length, outcomes: cameTo };
    this.#surroundings.observer.committed({ durationMs, ...counts });
    return outcomes;
  }

  /** Others tell of a partition that is wanting, and of a node that is away. */
  #look(slice: Slice | undefined, error: unknown): void {
    if (!(error instanceof StoreUnavailable) || error instanceof NoPartition) return;
    const { nodes } = this.#surroundings.database;
    if (slice === undefined || !nodes.isAway(slice))
      this.#failing(slice === undefined ? undefined : nodes.nodeOf(slice), error);
  }

  #failing(node: string | undefined, error: unknown): void {
    const reason = reasonOf(error);
    const detail = { reason, ...(node !== undefined && { node }) };
    if (!this.#failures.has(node))
      this.#surroundings.observer.note({ level: 'error', message: 'records cannot be stored', detail });
    this.#failures.set(node, reason);
  }

  #working(node: string | undefined): void {
    const detail = node === undefined ? {} : { node };
    if (this.#failures.delete(node))
      this.#surroundings.observer.note({ level: 'info', message: 'records can be stored again', detail });
  }
}

/** Of an account that nobody has: nothing counts of it. */
const kept = `INSERT INTO summed VALUES ($1, 0) ON CONFLICT (account_id) DO UPDATE SET until_tx = summed.until_tx`;
