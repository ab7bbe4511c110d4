import { createHmac } from 'node:crypto';
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import type { GraphAnswer } from '../graph/outcomes.ts';
import type { PageKeys } from '../senders/senders.ts';

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
/** Meta closes what idles; a request on a connection that is just being closed is lost. */
const idleMsMax = 15_000;

/** Calls of the Graph API, over connections that are kept. `fetch` would take three times the processor for each. */
export class GraphCalls {
  /** What all calls have in common: an address would be taken apart anew for each. */
  readonly #target: RequestOptions;
  readonly #isSecure: boolean;
  readonly #agent: HttpAgent;
  /** Further headers of the call that is made now. */
  readonly #more: () => Readonly<Record<string, string>>;
  readonly #running = new Set<ClientRequest>();
  /** Of each token and secret: the same for all calls of a page. */
  readonly #proofs = new WeakMap<PageKeys, string>();

  constructor({ url, version }: GraphPlace, more: () => Readonly<Record<string, string>> = () => ({})) {
    this.#more = more;
    const base = new URL(`${url}/${version}/`);
    this.#isSecure = base.protocol === 'https:';
    // Without a bound of its own: whoever sends has one, and a call that waited here would count as not connected.
    const options = { keepAlive: true, timeout: idleMsMax } as const;
    this.#agent = this.#isSecure ? new HttpsAgent(options) : new HttpAgent(options);
    this.#target = { ...urlToHttpOptions(base), agent: this.#agent };
  }

  /** Never rejects: whatever comes of it is an answer, and says whether the request may have arrived. */
  call({ method, path, query = '', keys, body }: GraphCall): Promise<GraphAnswer> {
    const { token } = keys;
    const send = this.#isSecure ? httpsRequest : httpRequest;
    return new Promise(settle => {
      const request = send({
        ...this.#target,
        method,
        path: `${this.#target.path}${path}?${query}appsecret_proof=${this.#proof(keys)}`,
        // The token stands in a header, so that it stands in no log of addresses.
        headers: {
          ...this.#more(),
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        },
      });
      this.#running.add(request);
      let isConnected = false;
      const give = (reason: string) => request.destroy(new Error(reason));
      let timer = setTimeout(give, connectMsMax, 'no connection in time');
      const connected = () => {
        isConnected = true;
        clearTimeout(timer);
        timer = setTimeout(give, answerMsMax, 'no answer in time');
      };
      const end = (answer: GraphAnswer) => {
        clearTimeout(timer);
        this.#running.delete(request);
        settle(answer);
      };
      // Before a connection stands, no byte of the request has left.
      const failed = (error: Error) => end({ kind: isConnected ? 'lost' : 'unreachable', reason: reasonOf(error) });
      request.on('socket', socket => {
        // `reusedSocket` does not tell of a connection that was free at the moment it was asked for.
        const isConnecting = socket.connecting || ('secureConnecting' in socket && socket.secureConnecting === true);
        if (!isConnecting) connected();
        else socket.once(this.#isSecure ? 'secureConnect' : 'connect', connected);
      });
      request.on('error', failed);
      // Whatever else ends it, such as the answer to an upgrade that nobody asked for.
      const closed = () => failed(new Error('the connection was closed'));
      request.on('close', closed);
      request.on('response', response => {
        request.off('close', closed);
        textOf(response).then(text => end({ kind: 'response', ...headOf(response), text }), failed);
      });
      request.end(body);
    });
  }

  /** Waits no longer for what is under way. */
  giveUp(): void {
    for (const request of this.#running) request.destroy(new Error('the server stops'));
  }

  close(): void {
    this.giveUp();
    this.#agent.destroy();
  }

  #proof(keys: PageKeys): string {
    const known = this.#proofs.get(keys);
    if (known !== undefined) return known;
    const proof = createHmac('sha256', keys.appSecret).update(keys.token).digest('hex');
    this.#proofs.set(keys, proof);
    return proof;
  }
}

function headOf({ statusCode = 0, headers }: IncomingMessage) {
  const single: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) if (typeof value === 'string') single[name] = value;
  return { httpStatus: statusCode, headers: single };
}

function textOf(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    response.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes > answerBytesMax) response.destroy(new Error('the answer is too long'));
      else parts.push(part);
    });
    response.on('end', () => resolve(Buffer.concat(parts).toString()));
    response.on('error', reject);
  });
}

function reasonOf(error: Error): string {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return reasonOf(error.errors[0]);
  return 'code' in error ? String(error.code) : error.message;
}
