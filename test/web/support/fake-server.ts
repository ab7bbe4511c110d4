import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { FakeLog, type Fields, type Kept, matches, summaryOf } from './fake-log.ts';

export const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export const fakeKey = 'key-of-the-test';
export const fakeUser = { username: 'ada', password: 'a long enough secret' };

type Event = { readonly id: number; readonly kept: Kept };
type Listener = { readonly response: ServerResponse; readonly parameters: URLSearchParams };

class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, description: string, headers: Readonly<Record<string, string>> = {}) {
    super(description);
    this.status = status;
    this.headers = headers;
  }
}

/** The server as the page knows it, in one process with the test that decides how it behaves. */
export class FakeServer {
  readonly log = new FakeLog();
  readonly #folder: string;
  readonly #events: Event[] = [];
  readonly #listeners = new Set<Listener>();
  readonly #sessions = new Set<string>();
  #server: Server | undefined;
  #port = 0;
  /** Requests that were answered, as `GET /path?query`. */
  readonly requests: string[] = [];
  /** What every call is refused with until it is unset. */
  refusal: Refusal | undefined;
  /** Takes away from a summary what was not finished in time. */
  unfinished: readonly string[] = [];
  exportPauseMs = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** Listens, on the port of the last time when there was one. */
  async listen(): Promise<void> {
    const server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => this.#refuse(response, error));
    });
    await new Promise<void>(resolve => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async close(): Promise<void> {
    this.dropListeners();
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise<void>(resolve => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }

  rateLimit(seconds: number): void {
    this.refusal = new Refusal(429, 'Too many requests sent.', { 'retry-after': String(seconds) });
  }

  forbid(): void {
    this.refusal = new Refusal(403, 'Insufficient permissions to access the requested resource.');
  }

  forget(): void {
    this.refusal = new Refusal(401, 'The request lacks valid authentication credentials for the requested resource.');
  }

  dropListeners(): void {
    for (const { response } of this.#listeners) response.destroy();
    this.#listeners.clear();
  }

  take(fields: Fields): void {
    const event = { id: this.#events.length + 1, kept: this.log.take(fields) };
    this.#events.push(event);
    for (const listener of this.#listeners) send(listener, event);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    this.requests.push(`${request.method} ${url.pathname}${url.search}`);
    if (!/^\/(messenger|auth)\//.test(url.pathname)) return this.#file(url.pathname, response);
    const body = await textOf(request);
    if (this.refusal !== undefined) throw this.refusal;
    if (url.pathname === '/auth/1/session') return this.#session(request, body, response);
    const authorization = request.headers.authorization ?? '';
    if (authorization !== `App ${fakeKey}` && !this.#sessions.has(authorization.replace('IBSSO ', '')))
      throw new Refusal(401, 'The request lacks valid authentication credentials for the requested resource.');
    return this.#call(request, url, body, response);
  }

  #call(request: IncomingMessage, url: URL, body: string, response: ServerResponse): void | Promise<void> {
    const { pathname, searchParams } = url;
    const [, messageId] = /^\/messenger\/1\/messages\/([^/]+)$/.exec(pathname) ?? [];
    if (messageId !== undefined) return this.#message(decodeURIComponent(messageId), response);
    if (pathname === '/messenger/1/logs' && request.method === 'POST') return this.#record(body, response);
    if (pathname === '/messenger/1/logs') return this.#page(searchParams, response);
    if (pathname === '/messenger/1/logs/summary') {
      const summary = summaryOf(this.log.find(searchParams), searchParams, Date.now());
      const kept = Object.entries(summary).filter(([name]) => !this.unfinished.includes(name));
      return json(response, { ...Object.fromEntries(kept), complete: this.unfinished.length === 0 });
    }
    if (pathname === '/messenger/1/logs/stream') return this.#stream(request, searchParams, response);
    if (pathname === '/messenger/1/logs/export') return this.#export(searchParams, response);
    throw new Refusal(404, 'Not found.');
  }

  #session(request: IncomingMessage, body: string, response: ServerResponse): void {
    if (request.method === 'DELETE') {
      this.#sessions.delete((request.headers.authorization ?? '').replace('IBSSO ', ''));
      return json(response, {});
    }
    const { username, password } = JSON.parse(body);
    if (username !== fakeUser.username || password !== fakeUser.password) throw new Refusal(401, 'No.');
    const token = `session-${this.#sessions.size}`;
    this.#sessions.add(token);
    json(response, { token });
  }

  #record(body: string, response: ServerResponse): void {
    const { results } = JSON.parse(body);
    for (const one of results) this.take(one);
    json(response, { recorded: results.length, updated: 0, unchanged: 0, rejected: [] });
  }

  #message(messageId: string, response: ServerResponse): void {
    const kept = this.log.get(messageId);
    if (kept === undefined) throw new Refusal(404, 'Not found.');
    json(response, { ...kept.log, timeline: kept.timeline });
  }

  #page(parameters: URLSearchParams, response: ServerResponse): void {
    const limit = Number(parameters.get('limit') ?? 50);
    const cursor = parameters.get('cursor');
    const [cursorMs, cursorSequence] = cursor?.split('.').map(Number) ?? [];
    const isAfter = ({ sentMs, sequence }: Kept) =>
      cursorMs === undefined ||
      cursorSequence === undefined ||
      sentMs < cursorMs ||
      (sentMs === cursorMs && sequence < cursorSequence);
    const left = this.log.find(parameters).filter(isAfter);
    const page = left.slice(0, limit);
    const last = page.at(-1);
    const nextCursor = left.length > limit && last !== undefined ? `${last.sentMs}.${last.sequence}` : undefined;
    json(response, {
      results: page.map(({ log }) => log),
      ...(parameters.get('useCursor') === 'true' && { cursor: { limit, nextCursor } }),
    });
  }

  #stream(request: IncomingMessage, parameters: URLSearchParams, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(': here\n\n');
    const listener = { response, parameters };
    const last = request.headers['last-event-id'];
    if (last !== undefined) for (const event of this.#events) if (event.id > Number(last)) send(listener, event);
    this.#listeners.add(listener);
    response.on('close', () => this.#listeners.delete(listener));
  }

  async #export(parameters: URLSearchParams, response: ServerResponse): Promise<void> {
    const csv = parameters.get('format') === 'csv';
    response.writeHead(200, { 'content-type': csv ? 'text/csv' : 'application/x-ndjson' });
    if (csv) response.write('messageId,content\r\n');
    for (const { log } of this.log.find(parameters)) {
      const cell = JSON.stringify(log.content).replaceAll('"', '""');
      response.write(csv ? `${log.messageId},"${cell}"\r\n` : `${JSON.stringify(log)}\n`);
      if (this.exportPauseMs > 0) await new Promise(resolve => setTimeout(resolve, this.exportPauseMs));
      if (response.destroyed) return;
    }
    response.end();
  }

  #file(path: string, response: ServerResponse): void {
    const name = path === '/' ? 'index.html' : normalize(path);
    response.setHeader('content-security-policy', pagePolicy);
    response.setHeader('content-type', types[extname(name)] ?? 'application/octet-stream');
    response.end(readFileSync(join(this.#folder, name)));
  }

  #refuse(response: ServerResponse, error: unknown): void {
    const { status, message, headers } = error instanceof Refusal ? error : new Refusal(404, String(error));
    if (response.headersSent) return void response.destroy();
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    const action = 'Check the syntax, violations and adjust the request.';
    response.end(
      JSON.stringify({ errorCode: `E${status}`, description: message, action, violations: [], resources: [] }),
    );
  }
}

function send({ response, parameters }: Listener, { id, kept }: Event): void {
  if (matches(kept, parameters)) response.write(`event: log\nid: ${id}\ndata: ${JSON.stringify(kept.log)}\n\n`);
}

function json(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request) text += piece;
  return text;
}
