import { allRejected, readMessage, readPage, readRecordResult, readSession, readToken } from './answers.ts';
import { type Chunk, chunksOf } from './chunks.ts';
import { ConnectionError, errorOf, parseJson, SentlogError, UnexpectedAnswer } from './errors.ts';
import { matchesNothing, queryOf } from './query.ts';
import { type RetryOptions, withRetries } from './retry.ts';
import { type FollowOptions, follow, type StreamEvent } from './stream.ts';
import { readSummary } from './summary.ts';
import type {
  AccessToken,
  AnsweredPage,
  BreakdownField,
  Log,
  LogSubmission,
  LogsFilter,
  LogsPage,
  LogsQuery,
  Message,
  RecordedChunk,
  RecordResult,
  Summary,
} from './types.ts';

/** One of the four ways to prove who is calling. */
export type Authorization =
  | { readonly app: string }
  | { readonly basic: { readonly username: string; readonly password: string } }
  /** A function is asked before each request, so that it can renew a token. */
  | { readonly bearer: string | (() => string | Promise<string>) }
  | { readonly ibsso: string };

export type ClientOptions = {
  /** Of a sentlog server, or of Infobip: `https://xxxxx.api.infobip.com`. */
  readonly baseUrl: string;
  readonly authorization?: Authorization;
  readonly fetch?: typeof fetch;
  /** For `allLogs`, `recordStream` and `stream`; the other calls are made once. */
  readonly retry?: RetryOptions;
};

export type CallOptions = { readonly signal?: AbortSignal | undefined };

export type SummaryOptions = CallOptions & {
  readonly buckets?: number | undefined;
  readonly compare?: 'previous' | 'yesterday' | 'week' | undefined;
  /** By whose clock a day, or a week, before is: `Europe/Zagreb`; that of UTC when absent. */
  readonly timeZone?: string | undefined;
  /** One field, or two. */
  readonly by?: readonly BreakdownField[] | undefined;
  /** How many rows of the breakdown, 1 … 100. */
  readonly first?: number | undefined;
};

const pageLogsMax = 1000;
const chunkRecordsMax = 10_000;
const chunkCharsMax = 8 * 1024 * 1024;

/**
 * The API of a sentlog server. `logs` and `allLogs` keep to what Infobip's own API knows. Calls reject with
 * `SentlogError` when the server refuses, with `ConnectionError` when it cannot be reached, with `UnexpectedAnswer` when
 * it cannot be understood, and with the reason of `signal` when that is aborted.
 */
export class SentlogClient {
  readonly #baseUrl: string;
  readonly #authorization: Authorization | undefined;
  readonly #fetch: typeof fetch;
  readonly #retry: RetryOptions;

  constructor(options: ClientOptions) {
    this.#baseUrl = options.baseUrl.replace(/\/+$/, '');
    this.#authorization = options.authorization;
    // Called as a plain function: a browser's fetch refuses to be the method of anything but the window.
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.#retry = options.retry ?? {};
  }

  /** One page of logs, newest first. */
  async logs(query: LogsQuery = {}, options: CallOptions = {}): Promise<LogsPage> {
    if (matchesNothing(query)) return { results: [] };
    const { text: _, ...page } = await this.logsPage(query, options);
    return page;
  }

  /** The same beside the text that was answered: no number, key or order of that is changed by reading it. */
  async logsPage(query: LogsQuery = {}, { signal }: CallOptions = {}): Promise<AnsweredPage> {
    if (matchesNothing(query)) return { results: [], text: '{"results":[]}' };
    const text = await this.#text(`/messenger/1/logs?${queryOf(query)}`, { signal });
    return { ...readPage(text), text };
  }

  /** Every log that matches, newest first: walks from page to page, waiting when the rate limit says so. */
  async *allLogs(
    filter: LogsFilter & { readonly limit?: number | undefined } = {},
    options: CallOptions = {},
  ): AsyncGenerator<Log, void, undefined> {
    for await (const { results } of this.allPages(filter, options)) yield* results;
  }

  /** As `allLogs`, page by page. */
  async *allPages(
    filter: LogsFilter & { readonly limit?: number | undefined } = {},
    { signal }: CallOptions = {},
  ): AsyncGenerator<AnsweredPage, void, undefined> {
    const query = { ...filter, limit: filter.limit ?? pageLogsMax, useCursor: true };
    let cursor: string | undefined;
    do {
      const page = await withRetries(() => this.logsPage({ ...query, cursor }, { signal }), this.#retry, signal);
      yield page;
      cursor = page.cursor?.nextCursor;
    } while (cursor !== undefined);
  }

  /** Records logs and reports in one request. Rejects when every one of them is bad, with all their violations. */
  async record(logs: readonly LogSubmission[], { signal }: CallOptions = {}): Promise<RecordResult> {
    const body = JSON.stringify({ results: logs });
    return readRecordResult(
      await this.#text('/messenger/1/logs', { method: 'POST', body, contentType: 'application/json', signal }),
    );
  }

  /**
   * Records any number of logs and reports, in order and in bounded memory, and tells chunk by chunk what became of
   * them. A text is taken as one line of NDJSON, as it stands; it must not be empty. A chunk that did not get through is sent again, which
   * is safe: recording twice changes nothing.
   */
  async *recordStream(
    source: AsyncIterable<LogSubmission | string> | Iterable<LogSubmission | string>,
    { signal, chunkRecords = chunkRecordsMax }: CallOptions & { readonly chunkRecords?: number } = {},
  ): AsyncGenerator<RecordedChunk, void, undefined> {
    const bounds = { recordsMax: chunkRecords, charsMax: chunkCharsMax };
    for await (const chunk of chunksOf(source, bounds))
      yield await withRetries(() => this.#recordChunk(chunk, signal), this.#retry, signal);
  }

  /**
   * One message with its timeline. Rejects with `E404` when there is none, and with `RangeError` for an id that no address
   * can name: `logs({ messageId })` finds its log.
   */
  async message(messageId: string, { signal }: CallOptions = {}): Promise<Message> {
    return readMessage(await this.messageText(messageId, { signal }));
  }

  /** The same as the text that was answered: no number, key or order of it is changed by reading it. */
  async messageText(messageId: string, { signal }: CallOptions = {}): Promise<string> {
    return this.#text(`/messenger/1/messages/${pathPart(messageId)}`, { signal });
  }

  /** All logs that match, as a stream of bytes in the asked form. */
  async exportLogs(
    filter: LogsFilter = {},
    { format = 'ndjson', signal }: CallOptions & { readonly format?: 'ndjson' | 'csv' } = {},
  ): Promise<ReadableStream<Uint8Array>> {
    if (matchesNothing(filter)) return new Blob([]).stream();
    const parameters = queryOf(filter);
    parameters.set('format', format);
    const response = await this.#send(`/messenger/1/logs/export?${parameters}`, { signal, accept: '*/*' });
    if (response.body === null) throw new UnexpectedAnswer('an export');
    return whole(response.body, signal);
  }

  /**
   * Figures of all logs that match, in at most so many buckets of time, 1 … 200, and where asked for those of another
   * range: as long and right before, or the same a day or a week before. `by` breaks them down.
   */
  async summary(filter: LogsFilter = {}, options: SummaryOptions = {}): Promise<Summary> {
    if (matchesNothing(filter)) throw new RangeError('a list of no values matches nothing');
    const parameters = queryOf(filter);
    const { signal, ...asked } = options;
    for (const [name, value] of Object.entries(asked)) if (value !== undefined) parameters.set(name, String(value));
    return readSummary(await this.#text(`/messenger/1/logs/summary?${parameters}`, { signal }));
  }

  /**
   * Each log that matches when it is recorded, and again when a report changes it: from now on, or after an event of an
   * earlier stream of the account. A lost connection is made again, and nothing is missed or comes twice. It goes on until
   * it is left, `signal` is aborted or the server refuses.
   */
  async *stream(
    filter: LogsFilter = {},
    options: Omit<FollowOptions, 'retry'> = {},
  ): AsyncGenerator<StreamEvent, void, undefined> {
    if (matchesNothing(filter)) return;
    const path = `/messenger/1/logs/stream?${queryOf(filter)}`;
    const connect = async (lastEventId: string | undefined, signal: AbortSignal) => {
      const { body } = await this.#send(path, { signal, accept: 'text/event-stream', lastEventId });
      if (body === null) throw new UnexpectedAnswer('a stream');
      return body;
    };
    yield* follow(connect, { ...options, retry: this.#retry });
  }

  /** A session's token for a user name and a password, to be used as `ibsso`. */
  async createSession(username: string, password: string, { signal }: CallOptions = {}): Promise<string> {
    const body = JSON.stringify({ username, password });
    const contentType = 'application/json';
    const request: RequestParts = { method: 'POST', body, contentType, anonymous: true, signal };
    return readSession(await this.#text('/auth/1/session', request));
  }

  /** Ends the session whose token this client uses. */
  async endSession({ signal }: CallOptions = {}): Promise<void> {
    await this.#text('/auth/1/session', { method: 'DELETE', signal });
  }

  /** An OAuth 2 access token for the two parts of an API key, to be used as `bearer`. */
  async issueToken(clientId: string, clientSecret: string, { signal }: CallOptions = {}): Promise<AccessToken> {
    const fields = { client_id: clientId, client_secret: clientSecret, grant_type: 'client_credentials' };
    const body = new URLSearchParams(fields).toString();
    const contentType = 'application/x-www-form-urlencoded';
    const request: RequestParts = { method: 'POST', body, contentType, anonymous: true, signal };
    return readToken(await this.#text('/auth/1/oauth2/token', request));
  }

  /**
   * A call that has no method here, such as those of `/manage/1`: gives the JSON that is answered, `undefined` when there
   * is none.
   */
  async call(
    method: 'GET' | 'POST' | 'DELETE',
    path: `/${string}`,
    body?: object,
    { signal }: CallOptions = {},
  ): Promise<unknown> {
    const sent = body === undefined ? {} : { body: JSON.stringify(body), contentType: 'application/json' };
    return parseJson(await this.#text(path, { method, ...sent, signal }));
  }

  async #recordChunk({ first, records, body }: Chunk, signal: AbortSignal | undefined): Promise<RecordedChunk> {
    const shifted = (result: RecordResult): RecordedChunk => ({
      ...result,
      first,
      records,
      rejected: result.rejected.map(one => ({ ...one, index: one.index + first })),
    });
    try {
      const contentType = 'application/x-ndjson';
      return shifted(
        readRecordResult(await this.#text('/messenger/1/logs', { method: 'POST', body, contentType, signal })),
      );
    } catch (error) {
      const outcome = error instanceof SentlogError ? allRejected(error, records) : undefined;
      if (outcome === undefined) throw error;
      return shifted(outcome);
    }
  }

  async #text(path: string, request: RequestParts): Promise<string> {
    const response = await this.#send(path, request);
    return this.#connected(request.signal, () => response.text());
  }

  async #send(path: string, request: RequestParts): Promise<Response> {
    const { method = 'GET', body, contentType, accept, lastEventId, anonymous, signal } = request;
    const headers = new Headers({ accept: accept ?? 'application/json' });
    const authorization = anonymous ? undefined : await authorizationHeader(this.#authorization);
    if (lastEventId !== undefined) headers.set('last-event-id', lastEventId);
    if (authorization !== undefined) headers.set('authorization', authorization);
    if (contentType !== undefined) headers.set('content-type', contentType);
    const init = { method, headers, ...(body !== undefined && { body }), ...(signal !== undefined && { signal }) };
    const response = await this.#connected(signal, () => this.#fetch(this.#baseUrl + path, init));
    if (!response.ok) throw await this.#connected(signal, () => errorOf(response));
    return response;
  }

  async #connected<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      throw new ConnectionError(`no answer from ${this.#baseUrl}: ${reasonOf(error)}`, { cause: error });
    }
  }
}

type RequestParts = CallOptions & {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly body?: string;
  readonly contentType?: string;
  readonly accept?: string;
  readonly lastEventId?: string | undefined;
  /** For calls that prove who is calling in their own way. */
  readonly anonymous?: boolean;
};

/** As part of a path. Dots are steps between folders to whatever reads an address, encoded or not, and are gone before it is asked. */
function pathPart(text: string): string {
  if (text === '.' || text === '..') throw new RangeError(`no address can name "${text}"`);
  if (!text.isWellFormed()) throw new RangeError('no address can name half a surrogate pair');
  return encodeURIComponent(text);
}

async function authorizationHeader(authorization: Authorization | undefined): Promise<string | undefined> {
  if (authorization === undefined) return undefined;
  if ('app' in authorization) return `App ${authorization.app}`;
  if ('ibsso' in authorization) return `IBSSO ${authorization.ibsso}`;
  if ('bearer' in authorization) {
    const { bearer } = authorization;
    return `Bearer ${typeof bearer === 'string' ? bearer : await bearer()}`;
  }
  const { username, password } = authorization.basic;
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''))}`;
}

/** The same bytes; an answer that ends too early is an error of the connection, as everywhere else. */
function whole(body: ReadableStream<Uint8Array>, signal: AbortSignal | undefined): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        const broken = new ConnectionError(`the answer broke off: ${reasonOf(error)}`, { cause: error });
        controller.error(signal?.aborted ? signal.reason : broken);
      }
    },
    cancel: reason => reader.cancel(reason),
  });
}

/** Node hides why a connection failed in the cause of a "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error && error.cause.message !== '') return error.cause.message;
  return error.cause instanceof Error && 'code' in error.cause ? String(error.cause.code) : error.message;
}
