import { Worker } from 'node:worker_threads';
import type { AccountId, EpochMs } from '../../domain/message.ts';
import { Unavailable, Unusable, WrongValues } from '../../failures.ts';
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
import type { OutboxCall, OutboxReply, OutboxRequest } from './messages.ts';

type Asking = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };

/** An outbox in a file of its own; one process at a time may have it open. Rejects with `Unusable` when it cannot be used. */
export async function openSqliteOutbox(path: string): Promise<Outbox> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const worker = new Worker(new URL(`./outbox-thread.${extension}`, import.meta.url), {
    workerData: path,
    name: 'outbox',
  });
  const outbox = new SqliteOutbox(worker);
  await outbox.opened;
  return outbox;
}

class SqliteOutbox implements Outbox {
  readonly opened: Promise<void>;
  readonly #worker: Worker;
  readonly #asking = new Map<number, Asking>();
  readonly #ended: Promise<void>;
  #nextId = 1;
  #end: Error | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.opened = promise;
    worker.on('message', (reply: OutboxReply) => {
      if (reply.kind === 'opened') resolve();
      else if (reply.kind === 'broken')
        reject(reply.isUnusable ? new Unusable(reply.message) : new Error(reply.message));
      else this.#hear(reply);
    });
    worker.on('error', error => {
      const failure = error instanceof Error ? error : new Error(String(error));
      reject(failure);
      this.#failAll(
        new Unavailable(`the thread of the outbox ended: ${failure.message}`, undefined, { cause: failure }),
      );
    });
    this.#ended = new Promise(ended =>
      worker.on('exit', () => {
        reject(new Unavailable('the outbox is closed'));
        this.#failAll(new Unavailable('the outbox is closed'));
        ended();
      }),
    );
  }

  add(batch: AddBatch): Promise<readonly boolean[]> {
    return this.#ask({ call: 'add', batch });
  }

  claim(wants: readonly Want[], now: EpochMs): Promise<readonly Claimed[]> {
    return this.#ask({ call: 'claim', wants, now });
  }

  settle(results: readonly Result[], now: EpochMs): Promise<void> {
    return this.#ask({ call: 'settle', results, now });
  }

  receive(events: readonly Receipt[], now: EpochMs): Promise<void> {
    return this.#ask({ call: 'receive', events, now });
  }

  lapse(now: EpochMs): Promise<boolean> {
    return this.#ask({ call: 'lapse', now });
  }

  waiting(now: EpochMs): Promise<WaitingPages> {
    return this.#ask({ call: 'waiting', now });
  }

  untold(limit: number): Promise<readonly Untold[]> {
    return this.#ask({ call: 'untold', limit });
  }

  told(ids: readonly number[], now: EpochMs, subscribed: readonly Subscribed[] = []): Promise<void> {
    return this.#ask({ call: 'told', ids, now, subscribed });
  }

  takeReports(query: ReportQuery): Promise<readonly Report[]> {
    return this.#ask({ call: 'takeReports', query });
  }

  reportsGiven(ids: readonly number[]): Promise<void> {
    return this.#ask({ call: 'reportsGiven', ids });
  }

  reportsGivenBack(ids: readonly number[]): Promise<void> {
    return this.#ask({ call: 'reportsGivenBack', ids });
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

  dropAccount(account: AccountId): Promise<void> {
    return this.#ask({ call: 'dropAccount', account });
  }

  dropBefore(acceptedAt: EpochMs): Promise<boolean> {
    return this.#ask({ call: 'dropBefore', acceptedAt });
  }

  stats(): Promise<OutboxStats> {
    return this.#ask({ call: 'stats' });
  }

  async close(): Promise<void> {
    if (this.#end === undefined) {
      this.#end = new Unavailable('the outbox is closed');
      this.#send('close');
    }
    await this.#ended;
  }

  #send(request: OutboxRequest): void {
    this.#worker.postMessage(request);
  }

  /** The thread answers each call with what its counterpart gives: the types of both are those of `Outbox`. */
  #ask<T>(asked: OutboxCall): Promise<T> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      this.#asking.set(id, { resolve: value => resolve(value as T), reject });
      this.#send({ id, asked });
    });
  }

  #hear(reply: Extract<OutboxReply, { kind: 'answers' | 'failed' }>): void {
    if (reply.kind === 'answers') {
      for (const { id, value } of reply.answers) {
        this.#asking.get(id)?.resolve(value);
        this.#asking.delete(id);
      }
      return;
    }
    const error = errorOf(reply);
    for (const id of reply.ids) {
      this.#asking.get(id)?.reject(error);
      this.#asking.delete(id);
    }
  }

  #failAll(error: Error): void {
    this.#end ??= error;
    for (const { reject } of this.#asking.values()) reject(error);
    this.#asking.clear();
  }
}

function errorOf({ of, message }: Extract<OutboxReply, { kind: 'failed' }>): Error {
  switch (of) {
    case 'outage':
      return new Unavailable(message);
    case 'values':
      return new WrongValues(message);
    case 'defect':
      return new Error(message);
  }
}
