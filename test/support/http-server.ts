import { createHmac } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { inject } from 'vitest';
import type { Authenticator, Principal, Scope } from '../../src/accounts/authenticator.ts';
import type { Binding, EpochMs } from '../../src/domain/message.ts';
import type { ServerDeps } from '../../src/http/deps.ts';
import { createMetrics } from '../../src/http/metrics/metrics.ts';
import { defaultRateLimits, defaultTimeouts } from '../../src/http/parts.ts';
import { buildServer } from '../../src/http/server.ts';
import { MemoryStore } from './memory-store.ts';
import { sharedLog } from './shared-log.ts';
import { WatchedStore } from './watched-store.ts';

export const logsPath = '/messenger/1/logs';
export const summaryPath = `${logsPath}/summary`;
export const streamPath = `${logsPath}/stream`;

/** The moment it is when a test begins. */
export const startOfTest: EpochMs = Date.UTC(2023, 1, 2, 12);

/** Whoever is named here is let in by `App <name>`; passwords and tokens are made from the name too. */
export class KnownCallers implements Authenticator {
  readonly #callers = new Map<string, Principal>();
  calls = 0;
  /** What every proof of a credential rejects with until it is unset. */
  failure: Error | undefined;

  add(name: string, account: number, scopes: readonly Scope[] = ['messenger:manage'], binding: Binding = {}): void {
    this.set(name, { account: { id: account, name: `account ${account}` }, scopes, binding });
  }

  set(name: string, principal: Principal): void {
    this.#callers.set(name, principal);
  }

  remove(name: string): void {
    this.#callers.delete(name);
  }

  /** Resolves when so many requests have been let in. */
  async admitted(count: number): Promise<void> {
    while (this.calls < count) await new Promise(resolve => setTimeout(resolve, 10));
    await new Promise(resolve => setTimeout(resolve, 50));
  }

  async authenticate(authorization: string): Promise<Principal | undefined> {
    this.calls++;
    if (this.failure !== undefined) throw this.failure;
    const [scheme, credential = ''] = authorization.split(' ');
    if (scheme === 'Basic') {
      const [name = '', password] = Buffer.from(credential, 'base64').toString().split(':');
      return password === passwordOf(name) ? this.#callers.get(name) : undefined;
    }
    return scheme === 'App' ? this.#callers.get(credential) : undefined;
  }

  async issueToken(clientId: string, clientSecret: string) {
    this.calls++;
    return clientSecret === passwordOf(clientId)
      ? { accessToken: `token-of-${clientId}`, expiresInS: 3600 }
      : undefined;
  }

  async createSession(username: string, password: string) {
    this.calls++;
    return password === passwordOf(username) ? { token: `session-of-${username}` } : undefined;
  }

  async endSession(token: string) {
    return token.startsWith('session-of-');
  }

  async ready() {
    if (this.failure !== undefined) throw this.failure;
  }
}

export function passwordOf(name: string): string {
  return createHmac('sha256', 'tests').update(name).digest('hex');
}

export function basic(name: string, password = passwordOf(name)): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}

/**
 * A server over a store in memory, or over accounts of its own in PostgreSQL where the tests run on that, with a clock that
 * stands still until it is moved.
 */
export class TestServer {
  readonly store: WatchedStore;
  readonly callers = new KnownCallers();
  readonly app: FastifyInstance;
  /** What was logged, a line each. */
  readonly logged: string[] = [];
  now = startOfTest;

  constructor(overrides: Partial<ServerDeps> & { readonly store?: WatchedStore } = {}) {
    const database = inject('database');
    this.store =
      overrides.store ??
      new WatchedStore(database === undefined ? new MemoryStore() : sharedLog(database, () => this.now));
    this.callers.add('one', 1);
    this.callers.add('two', 2);
    const write = (line: string) => {
      this.logged.push(line);
    };
    this.app = buildServer({
      authenticator: this.callers,
      clock: () => this.now,
      retentionOf: () => 48 * 3_600_000,
      rateLimits: { ...defaultRateLimits, logsPerMinute: 1_000_000, readsPerMinute: 1_000_000 },
      cursorSecret: Buffer.alloc(32, 1),
      corsOrigins: [],
      metrics: createMetrics(new Registry()),
      logger: pino({ level: 'debug' }, { write }),
      timeouts: defaultTimeouts,
      version: 'test',
      ...overrides,
      store: this.store,
    });
    if (overrides.store === undefined) this.app.addHook('onClose', () => this.store.close());
  }

  /** A call by `App one`, unless it says otherwise. */
  call(url: string, options: InjectOptions = {}): Promise<LightMyRequestResponse> {
    return this.app.inject({ ...options, url, headers: { authorization: 'App one', ...options.headers } });
  }

  post(body: unknown, authorization = 'App one', type = 'application/json'): Promise<LightMyRequestResponse> {
    const payload = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return this.call(logsPath, { method: 'POST', payload, headers: { authorization, 'content-type': type } });
  }

  async record(records: readonly object[], authorization = 'App one'): Promise<void> {
    const answer = await this.post({ results: records }, authorization);
    const { rejected } = answer.json();
    if (answer.statusCode !== 200 || rejected.length > 0) throw new Error(`not recorded: ${answer.body}`);
  }

  async messageIds(query: string, authorization = 'App one'): Promise<readonly string[]> {
    const answer = await this.call(`${logsPath}?${query}`, { headers: { authorization } });
    if (answer.statusCode !== 200) throw new Error(`not read: ${answer.body}`);
    return answer.json().results.map((log: { messageId: string }) => log.messageId);
  }

  /** The address it listens at, for tests that need a real connection. */
  async listen(): Promise<string> {
    await this.app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = this.app.server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }
}

/** A message that can be recorded. */
export function message(messageId: string, fields: object = {}): object {
  return {
    messageId,
    sender: '44113496000',
    destination: '66855538125',
    content: { type: 'TEXT', text: 'Sent text' },
    ...fields,
  };
}

/** The body that every error has; its violations' properties are those given. */
export function errorAnswer(answer: LightMyRequestResponse): { code: string; properties: string[] } {
  const body = answer.json();
  const keys = Object.keys(body).join();
  if (keys !== 'errorCode,description,action,violations,resources') throw new Error(`not an error body: ${keys}`);
  if (body.errorCode !== `E${answer.statusCode}`) throw new Error(`${body.errorCode} with status ${answer.statusCode}`);
  const properties = body.violations.map(({ property, violation }: { property: string; violation: string }) => {
    if (typeof violation !== 'string' || violation === '') throw new Error('a violation without words');
    return property;
  });
  return { code: body.errorCode, properties };
}
