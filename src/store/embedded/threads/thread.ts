import type { Worker } from 'node:worker_threads';
import { startThread } from '../../../threads.ts';
import { InvalidBookmark, StoreUnavailable, StoreUnusable } from '../../store.ts';
import { DamagedSegment, UnreadableSegment } from '../files/damage.ts';
import type { Failure, ThreadData } from './messages.ts';

type Waiter = { readonly resolve: (answer: unknown) => void; readonly reject: (error: Error) => void };

/** The error a failure stood for, on this side of the thread. */
export function errorOf(failure: Failure): Error {
  switch (failure.kind) {
    case 'bookmark':
      return new InvalidBookmark();
    case 'damaged':
      return new DamagedSegment(failure.segmentId ?? 0, new Error(failure.message));
    case 'unreadable':
      return new UnreadableSegment(failure.segmentId ?? 0, new Error(failure.message), failure.isUnread);
    case 'unusable':
      return new StoreUnusable(failure.message);
    case 'outage':
      return new StoreUnavailable(failure.message);
    case 'defect': {
      const error = new Error(failure.message);
      if (failure.stack !== undefined) error.stack = failure.stack;
      return error;
    }
  }
}

/** A worker thread and the questions it has not answered yet. */
export class Thread<Request extends { readonly type: string }, Reply> {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiter>();
  readonly #ended: Promise<void>;
  #nextId = 1;
  #end: Error | undefined;

  constructor(
    name: 'writer' | 'reader' | 'sealer',
    data: ThreadData,
    onReply: (reply: Reply) => void,
    onCrash: (error: Error) => void,
  ) {
    this.#worker = startThread(name, data);
    this.#worker.on('message', onReply);
    this.#worker.on('error', error => {
      const cause = error instanceof Error ? error : new Error(String(error));
      // It is nothing that what was asked could be blamed for.
      this.#failAll(new StoreUnavailable(`a thread of the store ended: ${cause.message}`, undefined, { cause }));
      onCrash(cause);
    });
    this.#ended = new Promise(resolve =>
      this.#worker.on('exit', () => {
        this.#failAll(new StoreUnavailable('the store is closed'));
        resolve();
      }),
    );
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  send(request: Request, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(request, transfer);
  }

  /** Sends what `request` makes of a fresh id, and waits for `settle` with that id. */
  ask(request: (id: number) => Request): Promise<unknown> {
    return this.expect(id => this.#worker.postMessage(request(id)));
  }

  /** As `ask`, of what `put` has sent some time. */
  expect(put: (id: number) => void): Promise<unknown> {
    const id = this.#nextId++;
    if (this.#end !== undefined) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      put(id);
    });
  }

  answer(id: number, answer: unknown): void {
    this.#waiting.get(id)?.resolve(answer);
    this.#waiting.delete(id);
  }

  fail(ids: readonly number[], error: Error): void {
    for (const id of ids) {
      this.#waiting.get(id)?.reject(error);
      this.#waiting.delete(id);
    }
  }

  ended(): Promise<void> {
    return this.#ended;
  }

  #failAll(error: Error): void {
    this.#end ??= error;
    this.fail([...this.#waiting.keys()], error);
  }
}
