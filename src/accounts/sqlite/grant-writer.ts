import type { Worker } from 'node:worker_threads';
import type { EpochMs } from '../../domain/message.ts';
import { Unavailable } from '../../failures.ts';
import type { OpenedFile } from '../../opened-file.ts';
import { startThread } from '../../threads.ts';
import { Turns } from '../../turns.ts';
import type { Grant } from '../rows.ts';
import type { Use } from '../uses.ts';
import type { GrantReply, GrantRequest, GrantStart } from './grants.ts';

type Pending = { readonly resolve: (changed: boolean) => void; readonly reject: (error: Error) => void };

/** Requests that the thread has at once: enough to keep it busy. */
const atOnceMax = 4;
/** The requests that wait for the thread, beyond which further ones are refused. */
const waitingMax = 1000;

/** Keeps and ends sessions and access tokens, durably, on a thread that starts with the first of them. */
export class GrantWriter {
  readonly #file: OpenedFile;
  readonly #pending = new Map<number, Pending>();
  #thread: Worker | undefined;
  /** By who owns a session or token: one who asks for many waits behind others who ask for one. */
  readonly #turns = new Turns<number | string>(atOnceMax, {
    waitingMax,
    refusal: 'too many sessions and tokens to keep at once',
  });
  readonly #asked = new Set<Promise<boolean>>();
  #lastId = 0;
  #closed = false;

  constructor(file: OpenedFile) {
    this.#file = file;
  }

  /** `false` when the grant's user or key is gone by now. */
  add(grant: Grant, now: EpochMs): Promise<boolean> {
    const owner = grant.kind === 'session' ? grant.userId : grant.keyId;
    return this.#inTurn(owner, id => ({ id, action: 'add', grant, now }));
  }

  /** `false` when there was no such session. */
  endSession(tokenHash: Uint8Array): Promise<boolean> {
    return this.#inTurn('ends', id => ({ id, action: 'end-session', tokenHash }));
  }

  async use(uses: readonly Use[]): Promise<void> {
    await this.#inTurn('uses', id => ({ id, action: 'use', uses }));
  }

  /** Finishes what was asked for. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#asked);
    const thread = this.#thread;
    if (thread === undefined) return;
    const ended = new Promise<void>(resolve => thread.once('exit', () => resolve()));
    thread.postMessage('close');
    await ended;
  }

  #inTurn(owner: number | string, request: (id: number) => GrantRequest): Promise<boolean> {
    if (this.#closed) return Promise.reject(new Unavailable('the accounts file is closed'));
    const asked = this.#turns.run(owner, () => this.#ask(request)).finally(() => this.#asked.delete(asked));
    this.#asked.add(asked);
    return asked;
  }

  #ask(request: (id: number) => GrantRequest): Promise<boolean> {
    this.#thread ??= this.#start();
    const thread = this.#thread;
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      thread.postMessage(request(id));
    });
  }

  #start(): Worker {
    const { path, identity } = this.#file;
    const workerData: GrantStart = { path, identity };
    const thread = startThread('grants', workerData);
    thread.on('message', (reply: GrantReply) => this.#settle(reply));
    // The next request starts another thread: what stopped this one (a full disk, say) may be over by then.
    thread.on('error', error => this.#fail(thread, error));
    thread.on('exit', () => this.#fail(thread, new Error('the thread ended')));
    return thread;
  }

  #settle(reply: GrantReply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ('failure' in reply) pending?.reject(new Unavailable(`cannot write to the accounts file: ${reply.failure}`));
    else pending?.resolve(reply.changed);
  }

  #fail(thread: Worker, cause: unknown): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const unavailable = new Unavailable(`cannot write to the accounts file: ${reason}`, 1000, { cause });
    for (const { reject } of this.#pending.values()) reject(unavailable);
    this.#pending.clear();
  }
}
