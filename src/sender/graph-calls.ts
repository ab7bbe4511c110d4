import { createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { type Dispatcher, Pool } from 'undici';
import type { GraphAnswer } from '../graph/outcomes.ts';
import { limits } from '../limits.ts';
import type { PageKeys } from '../senders/senders.ts';
import { type ConnectionDeps, GraphConnection, kept } from './graph-connection.ts';

export type GraphPlace = { readonly url: string; readonly version: string };

export type GraphCall = {
  readonly method: 'GET' | 'POST';
  /** Behind the version. */
  readonly path: string;
  readonly query?: string;
  readonly keys: PageKeys;
  readonly body?: string;
};

const connectMsMax = 10_000;
/** Meta fetches media for up to 75 seconds before it answers. */
const answerMsMax = 90_000;
const answerBytesMax = 256 * 1024;

/** Calls of the Graph API, over connections that are kept. `fetch` would take several times the processor for each. */
export class GraphCalls {
  readonly #path: string;
  readonly #pool: Pool;
  /** Further headers of the call that is made now. */
  readonly #more: () => Readonly<Record<string, string>>;
  readonly #running = new Set<Call>();
  /** Of each token and secret: the same for all calls of a page. */
  readonly #proofs = new WeakMap<PageKeys, string>();

  /** `now` is in milliseconds, of a clock that nobody puts. */
  constructor(
    { url, version }: GraphPlace,
    more: () => Readonly<Record<string, string>> = () => ({}),
    now: () => number = () => performance.now(),
  ) {
    this.#more = more;
    const { origin, pathname } = new URL(`${url}/${version}/`);
    this.#path = pathname;
    const again: ConnectionDeps['again'] = (options, handler) => this.#pool.dispatch(options, handler);
    this.#pool = new Pool(origin, {
      // No call waits for one but for the moment in which it becomes free: whoever sends has this bound too.
      connections: limits.sendingMax,
      // Of several requests on one connection nobody could tell which of them had been read when it breaks.
      pipelining: 1,
      allowH2: false,
      connect: { timeout: connectMsMax },
      keepAliveTimeout: kept.idleMax,
      keepAliveMaxTimeout: kept.idleMax,
      keepAliveTimeoutThreshold: kept.sooner,
      factory: (to, options) => new GraphConnection(to, options, { now, again }),
      // Each call has a bound for all of its answer.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** Never rejects: whatever comes of it is an answer, and says whether the request may have arrived. */
  call({ method, path, query = '', keys, body }: GraphCall): Promise<GraphAnswer> {
    return new Promise(settle => {
      const call = new Call(answer => {
        this.#running.delete(call);
        settle(answer);
      });
      this.#running.add(call);
      const options: Dispatcher.DispatchOptions = {
        method,
        path: `${this.#path}${path}?${query}appsecret_proof=${this.#proof(keys)}`,
        // The token stands in a header, so that it stands in no log of addresses.
        headers: {
          ...this.#more(),
          authorization: `Bearer ${keys.token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body }),
      };
      // What is no request at all, such as a token with a line break, is told to the call, too.
      this.#pool.dispatch(options, call);
    });
  }

  /** Waits no longer for what is under way. */
  giveUp(): void {
    for (const call of [...this.#running]) call.giveUp(new Error('the server stops'));
  }

  close(): void {
    this.giveUp();
    // What it rejects with was told to the calls.
    this.#pool.destroy().catch(() => {});
  }

  #proof(keys: PageKeys): string {
    const known = this.#proofs.get(keys);
    if (known !== undefined) return known;
    const proof = createHmac('sha256', keys.appSecret).update(keys.token).digest('hex');
    this.#proofs.set(keys, proof);
    return proof;
  }
}

/** One call, as the pool tells of it. */
class Call implements Dispatcher.DispatchHandler {
  readonly #settle: (answer: GraphAnswer) => void;
  /** Once a connection stands, and the request is about to be written to it. */
  #controller: Dispatcher.DispatchController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #head: Omit<Extract<GraphAnswer, { kind: 'response' }>, 'kind' | 'text'> | undefined;
  readonly #parts: Buffer[] = [];
  #bytes = 0;
  #isSettled = false;

  constructor(settle: (answer: GraphAnswer) => void) {
    this.#settle = settle;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // It was given up while it waited for a connection: nothing of it is written.
    if (this.#isSettled) return controller.abort(new Error('the call was given up'));
    this.#timer = setTimeout(() => this.giveUp(new Error('no answer in time')), answerMsMax);
  }

  onResponseStart(_: Dispatcher.DispatchController, httpStatus: number, headers: IncomingHttpHeaders): void {
    const single: Record<string, string> = {};
    for (const [name, value] of Object.entries(headers)) if (typeof value === 'string') single[name] = value;
    this.#head = { httpStatus, headers: single };
  }

  onResponseData(_: Dispatcher.DispatchController, part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > answerBytesMax) this.giveUp(new Error('the answer is too long'));
    else this.#parts.push(part);
  }

  onResponseEnd(): void {
    if (this.#head !== undefined)
      this.#end({ kind: 'response', ...this.#head, text: Buffer.concat(this.#parts).toString() });
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    // Before a connection stands, no byte of the request has left.
    this.#end({ kind: this.#controller === undefined ? 'unreachable' : 'lost', reason: reasonOf(error) });
  }

  giveUp(reason: Error): void {
    this.onResponseError(undefined, reason);
    this.#controller?.abort(reason);
  }

  #end(answer: GraphAnswer): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    clearTimeout(this.#timer);
    this.#settle(answer);
  }
}

function reasonOf(error: Error): string {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return reasonOf(error.errors[0]);
  return 'code' in error ? String(error.code) : error.message;
}
