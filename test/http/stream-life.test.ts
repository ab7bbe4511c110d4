import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ServerDeps } from '../../src/http/deps.ts';
import { createMetrics } from '../../src/http/metrics/metrics.ts';
import { defaultTimeouts } from '../../src/http/parts.ts';
import { limits } from '../../src/limits.ts';
import { InvalidBookmark, StoreUnavailable } from '../../src/store/store.ts';
import { EventStream } from '../support/event-stream.ts';
import { errorAnswer, message, streamPath, TestServer } from '../support/http-server.ts';
import { openSocket } from '../support/raw-http.ts';

let server: TestServer;
let url: string;
let streams: EventStream[] = [];

async function start(overrides: Omit<Partial<ServerDeps>, 'store'> = {}): Promise<void> {
  await stop();
  server = new TestServer({ metrics: createMetrics(new Registry()), ...overrides });
  url = await server.listen();
}

async function stop(): Promise<void> {
  for (const stream of streams) await stream.close();
  streams = [];
  await server?.app.close();
}

beforeEach(() => start());
afterEach(stop);

async function listen(query = '', options: Parameters<typeof EventStream.open>[2] = {}): Promise<EventStream> {
  const stream = await EventStream.open(url, query, options);
  streams.push(stream);
  return stream.response.ok ? stream.opened() : stream;
}

const resume = (lastEventId: string) => ({ headers: { 'last-event-id': lastEventId } });
const figure = async (name: string) => {
  const line = (await server.app.inject({ url: '/metrics' })).body.split('\n').find(one => one.startsWith(`${name} `));
  return Number(line?.split(' ')[1]);
};

async function comesTo(wanted: number, tell: () => Promise<number> | number): Promise<void> {
  await expect.poll(tell, { interval: 10 }).toBe(wanted);
}

describe('listeners', () => {
  test('many with the same and with other filters → each all of its own; the log is read once for all', async () => {
    const senders = ['', 'sender=a', 'sender=b', `sender=a&sentSince=2023-02-02T11:00:00Z`];
    const all = await Promise.all(Array.from({ length: 60 }, (_, index) => listen(senders[index % 4])));
    const { changes } = server.store.calls;
    await server.record(Array.from({ length: 100 }, (_, i) => message(`m${i}`, { sender: i % 2 ? 'a' : 'b' })));
    const wanted = [100, 50, 50, 50];
    for (const [index, stream] of all.entries())
      await stream.until(({ logs }) => logs.length === (wanted[index % 4] ?? 0));
    expect(server.store.calls.changes - changes).toBeLessThan(10);
    expect(
      new Set(all.filter((_, index) => index % 4 === 1).map(one => JSON.stringify(one.blocks.slice(1)))).size,
    ).toBe(1);
    expect(await figure('sentlog_stream_listeners')).toBe(60);
    expect(await figure('sentlog_stream_events_total')).toBe(15 * (100 + 50 + 50 + 50));
  });

  test('all have gone → nothing is read any longer', async () => {
    const stream = await listen();
    await stream.close();
    await comesTo(0, () => figure('sentlog_stream_listeners'));
    const { changes } = server.store.calls;
    await server.record([message('m1')]);
    await new Promise(resolve => setTimeout(resolve, 150));
    expect(server.store.calls.changes).toBe(changes);
  });

  test('a bound key → its own application; another → the stream stands, and nothing comes', async () => {
    server.callers.add('bound', 1, ['messenger:logs:read'], { applicationId: 'a1' });
    const of = (applicationId: string) => ({ platform: { applicationId } });
    const mine = await listen('', { name: 'bound' });
    const others = await listen('applicationId=a2', { name: 'bound' });
    await server.record([message('m1', of('a1')), message('m2', of('a2'))]);
    await mine.until(({ logs }) => logs.length > 0);
    const resumed = await listen('applicationId=a2', { name: 'bound', ...resume(others.lastId) });
    await server.record([message('m3', of('a1'))]);
    await mine.until(({ messageIds }) => messageIds.includes('m3'));
    expect(mine.messageIds).toEqual(['m1', 'm3']);
    expect([others.messageIds, resumed.messageIds]).toEqual([[], []]);
  });

  test('silence → a comment with the place to go on from, again and again', async () => {
    await start({ timeouts: { ...defaultTimeouts, heartbeatMs: 30 } });
    const narrow = await listen('sender=nobody');
    const first = narrow.lastId;
    const wide = await listen();
    await server.record([message('m1')]);
    await wide.until(({ logs }) => logs.length === 1);
    await narrow.until(({ blocks }) => blocks.filter(({ comment }) => comment).length > 3);
    expect(narrow.lastId).not.toBe(first);
    const { changes } = server.store.calls;
    const resumed = await listen('sender=nobody', resume(narrow.lastId));
    await resumed.until(({ blocks }) => blocks.length > 2);
    expect(server.store.calls.changes).toBe(changes);
  });

  test('more than an account may have → 429 with the reason; another account is served', async () => {
    const sockets: Socket[] = [];
    // One by one: more at once than the system lets wait to be accepted are reset on a busy machine.
    while (sockets.length < limits.accountListenersMax) {
      const socket = await openSocket(url);
      socket.write(`GET ${streamPath} HTTP/1.1\r\nHost: a\r\nAuthorization: App one\r\n\r\n`);
      await once(socket, 'data');
      sockets.push(socket);
    }
    const answer = await server.call(streamPath);
    expect(errorAnswer(answer)).toEqual({ code: 'E429', properties: ['stream'] });
    expect(answer.headers['retry-after']).toBeTypeOf('string');
    expect((await listen('', { name: 'two' })).response.status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await comesTo(1, () => figure('sentlog_stream_listeners'));
    expect((await listen()).response.status).toBe(200);
  });

  test('filters of more values than those of an account may name together → 429; few values, and another account, are served', async () => {
    const values = (from: number) => Array.from({ length: 1000 }, (_, i) => (from + i).toString(36)).join();
    const names = ['messageId', 'bulkId', 'errorName'].flatMap(name => [name, `${name}[not]`]);
    const long = `?${names.map(name => `${name}=${values(40)}`).join('&')}`;
    const rest = `?messageId=${values(40)}`;
    const [fitting, left] = [
      Math.floor(limits.accountListenerValuesMax / 6000),
      limits.accountListenerValuesMax % 6000,
    ];
    const open = async (query: string) => {
      const socket = await openSocket(url);
      socket.write(`GET ${streamPath}${query} HTTP/1.1\r\nHost: a\r\nAuthorization: App one\r\n\r\n`);
      return once(socket, 'data').then(([head]) => ({ socket, head: String(head) }));
    };
    const opened = await Promise.all(Array.from({ length: fitting }, () => open(long)));
    for (const { head } of opened) expect(head).toContain(' 200 ');
    const answer = await server.call(`${streamPath}${long}`);
    expect(errorAnswer(answer)).toEqual({ code: 'E429', properties: ['stream'] });
    expect(answer.headers['retry-after']).toBeTypeOf('string');
    for (let at = 0; at + 1000 <= left; at += 1000) expect((await listen(rest.slice(1))).response.status).toBe(200);
    expect((await listen(rest.slice(1))).response.status).toBe(429);
    expect((await listen()).response.status).toBe(200);
    expect((await listen(rest.slice(1), { name: 'two' })).response.status).toBe(200);
    for (const { socket } of opened) socket.destroy();
    const count = streams.filter(({ response }) => response.ok).length;
    await comesTo(count, () => figure('sentlog_stream_listeners'));
    expect((await listen(rest.slice(1))).response.status).toBe(200);
  });

  test('gone before they are answered → no listener is left', async () => {
    for (let i = 0; i < 50; i++) {
      const socket = await openSocket(url);
      socket.write(`GET ${streamPath} HTTP/1.1\r\nHost: a\r\nAuthorization: App one\r\n\r\n`);
      setTimeout(() => socket.destroy(), i % 5);
    }
    await server.callers.admitted(50);
    await comesTo(0, () => figure('sentlog_stream_listeners'));
  });

  test('one that does not read → cut off, and goes on where it was; the others miss nothing', async () => {
    const socket = await openSocket(url);
    socket.write(`GET ${streamPath} HTTP/1.1\r\nHost: a\r\nAuthorization: App one\r\n\r\n`);
    const [head] = await once(socket, 'data');
    socket.pause();
    const reader = await listen();
    const [, id] = /\nid: (\S+)/.exec(String(head)) ?? [];
    const content = { type: 'TEXT', text: 'x'.repeat(60_000) };
    let recorded = 0;
    while ((await figure('sentlog_stream_dropped_total')) === 0) {
      expect(recorded).toBeLessThan(2000);
      await server.record(Array.from({ length: 20 }, () => message(`m${recorded++}`, { content })));
      await reader.until(({ logs }) => logs.length === recorded);
    }
    socket.destroy();
    await comesTo(1, () => figure('sentlog_stream_listeners'));
    const resumed = await listen('', resume(id ?? 'none'));
    await resumed.until(({ logs }) => logs.length === recorded);
    expect(resumed.messageIds).toEqual(reader.messageIds);
  });
});

describe('the end of a stream', () => {
  test('the server closes → ended in good order, at once', async () => {
    const listening = [await listen(), await listen('sender=a')];
    await server.app.close();
    await Promise.all(listening.map(stream => stream.over));
    expect(await figure('sentlog_stream_listeners').catch(() => 0)).toBe(0);
  });

  test('one key takes for ever to be proven → others that are revoked end all the same', async () => {
    for (const name of ['endless', 'failing', 'revoked']) server.callers.add(name, 1);
    const [endless, , ending] = [
      await listen('', { name: 'endless' }),
      await listen('', { name: 'failing' }),
      await listen('', { name: 'revoked' }),
    ];
    const prove = server.callers.authenticate.bind(server.callers);
    vi.spyOn(server.callers, 'authenticate').mockImplementation(async authorization => {
      if (authorization === 'App endless') return new Promise(() => {});
      if (authorization === 'App failing') throw new StoreUnavailable('too many passwords to check at once');
      return prove(authorization);
    });
    server.callers.remove('revoked');
    await ending.over;
    await server.record([message('m1')]);
    await endless.until(({ logs }) => logs.length === 1);
  });

  test('the key is revoked, or may no longer read → its streams end, those of others stay', async () => {
    server.callers.add('revoked', 1);
    server.callers.add('demoted', 1);
    server.callers.add('rebound', 1);
    const ending = await Promise.all(['revoked', 'demoted', 'rebound'].map(name => listen('', { name })));
    const staying = await listen();
    server.callers.remove('revoked');
    server.callers.add('demoted', 1, ['messenger:logs:write']);
    server.callers.add('rebound', 1, ['messenger:manage'], { applicationId: 'a' });
    await Promise.all(ending.map(stream => stream.over));
    await server.record([message('m1')]);
    await staying.until(({ logs }) => logs.length === 1);
    expect((await listen('', { name: 'revoked' })).response.status).toBe(401);
  });

  test('credentials that cannot be checked now → the stream stays', async () => {
    const stream = await listen();
    server.callers.failure = new StoreUnavailable('locked');
    const before = server.callers.calls;
    await expect.poll(() => server.callers.calls, { interval: 10 }).toBeGreaterThanOrEqual(before + 2);
    server.callers.failure = undefined;
    await server.record([message('m1')]);
    await stream.until(({ logs }) => logs.length === 1);
  });
});

describe('the store', () => {
  test('cannot be read when a stream is asked for → 503, and no listener is left', async () => {
    server.store.failWith(new StoreUnavailable('busy', 3000));
    const answer = await server.call(streamPath);
    expect(errorAnswer(answer).code).toBe('E503');
    expect(answer.headers['retry-after']).toBe('3');
    server.store.failWith(undefined);
    expect(await figure('sentlog_stream_listeners')).toBe(0);
    expect((await listen()).response.status).toBe(200);
  });

  test('cannot be read for a while → connections stay, and get what they missed', async () => {
    const stream = await listen();
    const { changes } = server.store;
    server.store.changes = () => Promise.reject(new StoreUnavailable('busy', 50));
    await server.record([message('m1')]);
    const resumed = await listen('', resume(stream.lastId));
    await new Promise(resolve => setTimeout(resolve, 200));
    expect([...stream.logs, ...resumed.logs]).toEqual([]);
    server.store.changes = changes;
    await stream.until(({ logs }) => logs.length === 1);
    await resumed.until(({ logs }) => logs.length === 1);
    await server.record([message('m2')]);
    for (const one of [stream, resumed]) {
      await one.until(({ logs }) => logs.length === 2);
      expect(one.messageIds).toEqual(['m1', 'm2']);
    }
    expect(server.logged.filter(line => line.includes('waits for the store'))).toHaveLength(1);
  });

  test('no longer knows an id → reset, and on from now', async () => {
    await server.record([message('m1'), message('m2')]);
    const { lastId } = await listen();
    await start();
    const stream = await listen('', resume(lastId));
    await stream.until(({ blocks }) => blocks.some(({ event }) => event === 'reset'));
    await server.record([message('m3')]);
    await stream.until(({ logs }) => logs.length === 1);
    expect(stream.messageIds).toEqual(['m3']);
    expect(stream.blocks.filter(({ event }) => event === 'reset')).toHaveLength(1);
  });

  test('loses the place of a running feed → reset for all who listen, and on from now', async () => {
    const stream = await listen();
    const changes = server.store.changes.bind(server.store);
    server.store.changes = query => {
      if (query.after === undefined) return changes(query);
      server.store.changes = changes;
      return Promise.reject(new InvalidBookmark());
    };
    await server.record([message('m1')]);
    await stream.until(({ blocks }) => blocks.some(({ event }) => event === 'reset'));
    await server.record([message('m2')]);
    await stream.until(({ logs }) => logs.length === 1);
    expect(stream.messageIds).toEqual(['m2']);
  });

  test('fails in a way nobody foresaw → logged, the listener is let go and may come again', async () => {
    const stream = await listen();
    const { changes } = server.store;
    server.store.changes = () => Promise.reject(new Error('a defect'));
    await server.record([message('m1')]);
    await stream.over;
    server.store.changes = changes;
    expect(server.logged.join()).toContain('a defect');
    const resumed = await listen('', resume(stream.lastId));
    await resumed.until(({ logs }) => logs.length === 1);
  });
});
