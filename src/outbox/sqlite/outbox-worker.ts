import type { Worker } from 'node:worker_threads';
import { Unavailable, Unusable, WrongValues } from '../../failures.ts';
import { startThread } from '../../threads.ts';
import type { OutboxCall, OutboxReply, OutboxRequest, OutboxStart } from './messages.ts';

type Asking = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };

/** A thread that holds the file, and what it was asked and has not answered yet. */
export class OutboxWorker {
  /** Rejects with `Unusable` when the file cannot be used. */
  readonly opened: Promise<void>;
  /** With why, where it was not closed. */
  readonly ended: Promise<Error | undefined>;
  readonly #worker: Worker;
  readonly #asking = new Map<number, Asking>();
  #nextId = 1;
  #failure: Error | undefined;
  #end: Error | undefined;
  #isClosing = false;

  constructor(start: OutboxStart) {
    const worker = startThread('outbox', start);
    this.#worker = worker;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.opened = promise;
    // Whoever did not wait for it hears of it with what was asked.
    promise.catch(() => {});
    worker.on('message', (reply: OutboxReply) => {
      if (reply.kind === 'opened') resolve();
      else if (reply.kind === 'broken')
        this.#failure = reply.isUnusable ? new Unusable(reply.message) : new Error(reply.message);
      else this.#hear(reply);
    });
    worker.on('error', error => {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    });
    this.ended = new Promise(ended =>
      worker.on('exit', () => {
        const failure = this.#isClosing ? undefined : (this.#failure ?? new Error('it exited'));
        const end = failure === undefined ? new Unavailable('the outbox is closed') : threadEnded(failure);
        this.#end = end;
        reject(failure ?? end);
        // Whoever asks again at once asks another thread.
        ended(failure);
        for (const asking of this.#asking.values()) asking.reject(end);
        this.#asking.clear();
      }),
    );
  }

  /** The thread answers each call with what its counterpart gives: the types of both are those of `Outbox`, or of `exchange.ts`. */
  ask<T>(asked: OutboxCall): Promise<T> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      this.#asking.set(id, { resolve: value => resolve(value as T), reject });
      this.#send({ id, asked });
    });
  }

  /** Finishes what was asked for. */
  close(): void {
    this.#isClosing = true;
    this.#send('close');
  }

  #send(request: OutboxRequest): void {
    this.#worker.postMessage(request);
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
}

/** It is nothing that what was asked could be blamed for. */
export function threadEnded(cause: Error): Unavailable {
  return new Unavailable(`the thread of the outbox ended: ${cause.message}`, undefined, { cause });
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
