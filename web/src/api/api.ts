import { ConnectionError, errorOf, isRecord, parseJson, UnexpectedAnswer } from '../../../src/client/errors.ts';
import { type Authorization, type LogsFilter, SentlogClient } from '../../../src/client/index.ts';
import { queryOf } from '../../../src/client/query.ts';
import { readSummary, type Summary } from './summary.ts';

/** Tells the server that somebody is looking: looking has a rate limit of its own. */
const pageHeader = { 'x-sentlog-page': '1' };

type SignedIn = Extract<Authorization, { readonly app: string } | { readonly ibsso: string }>;

const pageFetch: typeof fetch = (input, init) => {
  const headers = new Headers(init?.headers);
  for (const [name, value] of Object.entries(pageHeader)) headers.set(name, value);
  return fetch(input, { ...init, headers, cache: 'no-store', credentials: 'omit', redirect: 'error' });
};

async function send(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await pageFetch(path, init);
  } catch (error) {
    init.signal?.throwIfAborted();
    throw new ConnectionError('no answer from the server', { cause: error });
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** The calls of the page, made in the name of whoever has signed in. Errors are those of the client. */
export class Api {
  readonly client: SentlogClient;
  readonly #authorization: string;
  readonly #session: boolean;

  constructor(authorization: SignedIn) {
    this.client = new SentlogClient({ baseUrl: location.origin, authorization, fetch: pageFetch });
    this.#session = 'ibsso' in authorization;
    this.#authorization = 'ibsso' in authorization ? `IBSSO ${authorization.ibsso}` : `App ${authorization.app}`;
  }

  /** A session for a user name and password. */
  static async withPassword(username: string, password: string): Promise<Api> {
    const response = await send('/auth/1/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ username, password }),
    });
    const body = parseJson(await response.text());
    if (!isRecord(body) || typeof body.token !== 'string') throw new UnexpectedAnswer('a session');
    return new Api({ ibsso: body.token });
  }

  async summary(filter: LogsFilter, buckets: number, signal: AbortSignal): Promise<Summary> {
    const parameters = queryOf(filter);
    parameters.set('buckets', String(buckets));
    return readSummary(await (await this.#get(`/messenger/1/logs/summary?${parameters}`, { signal })).text());
  }

  /** New and changed logs that match, as they come; after the event of the given id when there is one. */
  async stream(filter: LogsFilter, lastEventId: string | undefined, signal: AbortSignal): Promise<Response> {
    const headers = { accept: 'text/event-stream', ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) };
    return this.#get(`/messenger/1/logs/stream?${queryOf(filter)}`, { headers, signal });
  }

  /** Ends the session; a key has none to end. */
  async signOut(): Promise<void> {
    if (!this.#session) return;
    await send('/auth/1/session', { method: 'DELETE', headers: { authorization: this.#authorization } });
  }

  #get(path: string, init: { readonly headers?: Readonly<Record<string, string>>; readonly signal: AbortSignal }) {
    const headers = { accept: 'application/json', ...init.headers, authorization: this.#authorization };
    return send(path, { headers, signal: init.signal });
  }
}
