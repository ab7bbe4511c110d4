import type { AccountId, EpochMs } from '../../domain/message.ts';
import { Unavailable } from '../../failures.ts';
import type {
  AddBatch,
  Claimed,
  Outbox,
  OutboxStats,
  Receipt,
  Result,
  Untold,
  Waiting as WaitingPages,
  Want,
} from '../outbox.ts';
import type { DuePush, PushOutcome, PushPlace, Report, ReportQuery, Subscribed } from '../reporting.ts';
import type { Cells } from './cells.ts';
import { addedOf, claimedIn, untoldIn } from './exchange.ts';
import type { AddedMessages, ClaimedRow, OutboxCall } from './messages.ts';
import type { OutboxMemory } from './outbox-file.ts';
import { OutboxWorker, threadEnded } from './outbox-worker.ts';

/** Told of what an operator should know. */
export type OutboxNote = (message: string, detail: object) => void;

/** A thread that ends again and again is not started at once each time. */
const restartPauseMs = { first: 100, max: 30_000 };
/** One that lasted so long was sound. */
const soundMs = 60_000;

/** An outbox in a file of its own; one process at a time may have it open. Rejects with `Unusable` when it cannot be used. */
export async function openSqliteOutbox(
  path: string,
  note: OutboxNote = () => {},
  memory: OutboxMemory = 'usual',
): Promise<Outbox> {
  const outbox = new SqliteOutbox(path, note, memory);
  await outbox.open();
  return outbox;
}

/** When its thread ends by a defect, another takes over with the next call: what was being done is `Unavailable`. */
class SqliteOutbox implements Outbox {
  readonly #path: string;
  readonly #note: OutboxNote;
  readonly #memory: OutboxMemory;
  /** Reports that callers have, which a further thread must know. */
  readonly #takenReports = new Set<number>();
  /** Messages that are made ready for the thread, which is to answer for them before it ends. */
  readonly #adding = new Set<Promise<AddedMessages>>();
  #worker: OutboxWorker | undefined;
  #failure: Error | undefined;
  #failures = 0;
  #startedMs = 0;
  #restartMs = 0;
  #isOpen = false;
  #isClosed = false;

  constructor(path: string, note: OutboxNote, memory: OutboxMemory) {
    this.#path = path;
    this.#note = note;
    this.#memory = memory;
  }

  async open(): Promise<void> {
    await this.#start().opened;
    this.#isOpen = true;
  }

  #start(): OutboxWorker {
    const worker = new OutboxWorker({
      path: this.#path,
      memory: this.#memory,
      isKnown: this.#isOpen,
      takenReports: [...this.#takenReports],
    });
    this.#startedMs = performance.now();
    this.#worker = worker;
    worker.ended.then(failure => this.#ended(failure));
    return worker;
  }

  #ended(failure: Error | undefined): void {
    this.#worker = undefined;
    if (failure === undefined || !this.#isOpen) return;
    const now = performance.now();
    if (now - this.#startedMs > soundMs) this.#failures = 0;
    const pauseMs =
      this.#failures === 0 ? 0 : Math.min(restartPauseMs.max, restartPauseMs.first * 2 ** (this.#failures - 1));
    this.#failures = Math.min(this.#failures + 1, 20);
    this.#failure = failure;
    this.#restartMs = now + pauseMs;
    this.#note('the thread of the outbox ended, and another is started', { err: failure, pauseMs });
  }

  async add(batch: AddBatch): Promise<readonly boolean[]> {
    if (this.#isClosed) throw closed();
    const made = addedOf(batch);
    this.#adding.add(made);
    try {
      return await this.#post({ call: 'add', batch: await made });
    } finally {
      this.#adding.delete(made);
    }
  }

  async claim(wants: readonly Want[], now: EpochMs): Promise<readonly Claimed[]> {
    return claimedIn(wants, await this.#ask<readonly (readonly ClaimedRow[])[]>({ call: 'claim', wants, now }));
  }

  unclaim(held: readonly number[]): Promise<void> {
    return this.#ask({ call: 'unclaim', held });
  }

  settle(results: readonly Result[], now: EpochMs): Promise<void> {
    return this.#ask({ call: 'settle', results, now });
  }

  receive(events: readonly Receipt[], now: EpochMs): Promise<void> {
    return this.#ask({ call: 'receive', events: JSON.stringify(events), now });
  }

  lapse(now: EpochMs): Promise<boolean> {
    return this.#ask({ call: 'lapse', now });
  }

  clockSetBack(now: EpochMs): Promise<boolean> {
    return this.#ask({ call: 'clockSetBack', now });
  }

  waiting(now: EpochMs): Promise<WaitingPages> {
    return this.#ask({ call: 'waiting', now });
  }

  async untold(limit: number): Promise<readonly Untold[]> {
    return (await this.#ask<readonly Cells[]>({ call: 'untold', limit })).map(untoldIn);
  }

  told(ids: readonly number[], now: EpochMs, subscribed: readonly Subscribed[] = []): Promise<void> {
    return this.#ask({ call: 'told', ids, now, subscribed });
  }

  async takeReports(query: ReportQuery): Promise<readonly Report[]> {
    const taken = await this.#ask<readonly Report[]>({ call: 'takeReports', query });
    for (const { id } of taken) this.#takenReports.add(id);
    return taken;
  }

  async reportsGiven(ids: readonly number[]): Promise<void> {
    await this.#ask({ call: 'reportsGiven', ids });
    for (const id of ids) this.#takenReports.delete(id);
  }

  async reportsGivenBack(ids: readonly number[]): Promise<void> {
    for (const id of ids) this.#takenReports.delete(id);
    await this.#ask({ call: 'reportsGivenBack', ids });
  }

  duePushes(busy: readonly PushPlace[], places: number, now: EpochMs): Promise<readonly DuePush[]> {
    return this.#ask({ call: 'duePushes', busy, places, now });
  }

  pushed(outcomes: readonly PushOutcome[]): Promise<void> {
    return this.#ask({ call: 'pushed', outcomes });
  }

  recover(how: 'hold' | 'requeue', now: EpochMs): Promise<void> {
    return this.#ask({ call: 'recover', how, now });
  }

  dropAccount(account: AccountId): Promise<boolean> {
    return this.#ask({ call: 'dropAccount', account });
  }

  dropBefore(acceptedAt: EpochMs): Promise<boolean> {
    return this.#ask({ call: 'dropBefore', acceptedAt });
  }

  stats(): Promise<OutboxStats> {
    return this.#ask({ call: 'stats' });
  }

  async close(): Promise<void> {
    const isFirst = !this.#isClosed;
    this.#isClosed = true;
    await Promise.allSettled(this.#adding);
    const worker = this.#worker;
    if (isFirst) worker?.close();
    await worker?.ended;
  }

  #ask<T>(asked: OutboxCall): Promise<T> {
    return this.#isClosed ? Promise.reject(closed()) : this.#post(asked);
  }

  #post<T>(asked: OutboxCall): Promise<T> {
    if (this.#worker === undefined && performance.now() < this.#restartMs)
      return Promise.reject(threadEnded(this.#failure ?? new Error('it exited')));
    return (this.#worker ?? this.#start()).ask(asked);
  }
}

const closed = () => new Unavailable('the outbox is closed');
