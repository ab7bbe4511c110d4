import type { AccountId } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { type RecordBatch, type RecordOutcome, type StoreObserver, StoreUnavailable } from '../store.ts';
import { type Group, type Recorders, recordGroup, takeNumbers } from './record-group.ts';

/** Records of one transaction: its locks are held for as long as it takes to write them. */
const groupRecordsMax = limits.batchRecordsMax;

type Waiting = {
  readonly batch: RecordBatch;
  readonly resolve: (outcome: RecordOutcome) => void;
  readonly reject: (error: unknown) => void;
};

/** Where records go, and who is told of them. */
export type Surroundings = Recorders & {
  readonly observer: StoreObserver;
  /** Something of the account became durable. */
  readonly recorded: (account: AccountId) => void;
};

/** The batches of one account, in the order they came, and the ids that transactions are at work on. */
type Lane = { readonly account: AccountId; readonly waiting: Waiting[]; readonly atWork: Set<string> };

/**
 * Gathers what callers record into transactions, several at a time. Batches of one account keep their order: a batch
 * waits for one before it that has an id in common, and messages are numbered in the order they came.
 */
export class Recorder {
  readonly #surroundings: Surroundings;
  readonly #transactionsMax: number;
  readonly #lanes = new Map<AccountId, Lane>();
  readonly #capacityWaiters: (() => void)[] = [];
  #numbering: Promise<unknown> = Promise.resolve();
  #transactions = 0;
  #queuedRecords = 0;
  #writeFailure: string | undefined;
  #closed = false;
  #idle: () => void = () => {};

  constructor(surroundings: Surroundings, transactionsMax: number) {
    this.#surroundings = surroundings;
    this.#transactionsMax = transactionsMax;
  }

  get queuedRecords(): number {
    return this.#queuedRecords;
  }

  get writeFailure(): string | undefined {
    return this.#writeFailure;
  }

  async record(batch: RecordBatch): Promise<RecordOutcome> {
    const count = batch.submissions.length;
    if (count > limits.batchRecordsMax) throw new RangeError(`a batch has at most ${limits.batchRecordsMax} records`);
    this.#refuseWhenClosed();
    if (count === 0) return { recorded: 0, updated: 0, unchanged: 0, rejected: [] };
    while (this.#queuedRecords > 0 && this.#queuedRecords + count > limits.queuedRecordsMax) {
      await new Promise<void>(resolve => this.#capacityWaiters.push(resolve));
      this.#refuseWhenClosed();
    }
    this.#queuedRecords += count;
    try {
      return await new Promise<RecordOutcome>((resolve, reject) => {
        this.#laneOf(batch.account).waiting.push({ batch, resolve, reject });
        this.#startAll();
      });
    } finally {
      this.#queuedRecords -= count;
      for (const wake of this.#capacityWaiters.splice(0)) wake();
    }
  }

  /** Asks the database to keep something, while it is not known to: whether records can be stored again. */
  async probe(): Promise<void> {
    if (this.#writeFailure === undefined) return;
    try {
      await this.#surroundings.database.query(
        'INSERT INTO summed VALUES (0, 0) ON CONFLICT (account_id) DO UPDATE SET until_tx = summed.until_tx',
      );
      this.#working();
    } catch (error) {
      this.#failing(error);
    }
  }

  /** Takes no more; resolves when all that was taken is answered. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const wake of this.#capacityWaiters.splice(0)) wake();
    while (this.#lanes.size > 0)
      await new Promise<void>(resolve => {
        this.#idle = resolve;
      });
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new StoreUnavailable('the store is closed');
  }

  #laneOf(account: AccountId): Lane {
    const lane = this.#lanes.get(account) ?? { account, waiting: [], atWork: new Set() };
    this.#lanes.set(account, lane);
    return lane;
  }

  /** Starts as many transactions as there may be, accounts taking turns. */
  #startAll(): void {
    for (let started = true; started; ) {
      started = false;
      for (const lane of [...this.#lanes.values()]) {
        if (this.#transactions === this.#transactionsMax) return;
        const taken = takeGroup(lane);
        if (taken.length === 0) continue;
        this.#start(lane, taken);
        started = true;
      }
    }
  }

  #start(lane: Lane, taken: readonly Waiting[]): void {
    const ids = idsOf(taken);
    for (const id of ids) lane.atWork.add(id);
    this.#transactions++;
    // Behind the others: whoever's turn comes next is the one who waited longest.
    this.#lanes.delete(lane.account);
    this.#lanes.set(lane.account, lane);
    this.#recordTaken(lane.account, taken).finally(() => {
      this.#transactions--;
      for (const id of ids) lane.atWork.delete(id);
      if (lane.atWork.size === 0 && lane.waiting.length === 0) this.#lanes.delete(lane.account);
      this.#startAll();
      if (this.#lanes.size === 0) this.#idle();
    });
  }

  /** Answers every one of them. */
  async #recordTaken(account: AccountId, taken: readonly Waiting[]): Promise<void> {
    const numbered = this.#numbering.then(() => takeNumbers(this.#surroundings.database));
    this.#numbering = numbered.catch(() => {});
    const batches = taken.map(({ batch }) => batch);
    try {
      const outcomes = await this.#commit({ account, batches, firstNumber: await numbered });
      for (const [i, { resolve, reject }] of taken.entries()) {
        const outcome = outcomes[i];
        if (outcome === undefined) reject(new Error('a batch has no outcome'));
        else resolve(outcome);
      }
    } catch (error) {
      if (error instanceof StoreUnavailable) this.#failing(error);
      // A defect in one batch is no reason to refuse those that happened to come with it.
      if (error instanceof StoreUnavailable || taken.length === 1) for (const { reject } of taken) reject(error);
      else for (const one of taken) await this.#recordTaken(account, [one]);
    }
  }

  async #commit(group: Group): Promise<readonly RecordOutcome[]> {
    const begun = performance.now();
    const { outcomes, messages, reports } = await recordGroup(this.#surroundings, group);
    const durationMs = performance.now() - begun;
    this.#working();
    this.#surroundings.recorded(group.account);
    this.#surroundings.observer.committed({ durationMs, messages: messages.length, reports: reports.length });
    return outcomes;
  }

  #failing(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#writeFailure === undefined)
      this.#surroundings.observer.note({ level: 'error', message: 'records cannot be stored', detail: { reason } });
    this.#writeFailure = reason;
  }

  #working(): void {
    if (this.#writeFailure !== undefined)
      this.#surroundings.observer.note({ level: 'info', message: 'records can be stored again' });
    this.#writeFailure = undefined;
  }
}

/** The next batches of a lane that fit into one transaction: none that must wait for one at work, nor any after it. */
function takeGroup({ waiting, atWork }: Lane): readonly Waiting[] {
  let [count, records] = [0, 0];
  for (const { batch } of waiting) {
    records += batch.submissions.length;
    if (count > 0 && records > groupRecordsMax) break;
    if (batch.submissions.some(({ messageId }) => atWork.has(messageId))) break;
    count++;
  }
  return waiting.splice(0, count);
}

function idsOf(taken: readonly Waiting[]): ReadonlySet<string> {
  return new Set(taken.flatMap(({ batch }) => batch.submissions.map(one => one.messageId)));
}
