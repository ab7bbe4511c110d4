import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';
import { afterEach, describe, expect, test } from 'vitest';
import type { Principal } from '../../src/accounts/authenticator.ts';
import { Unavailable } from '../../src/failures.ts';
import { EventStream } from '../support/event-stream.ts';
import { heldPool } from '../support/held-pool.ts';
import { logsPath, message, TestServer } from '../support/http-server.ts';
import { openSocket } from '../support/raw-http.ts';

let server: TestServer;
afterEach(() => server.app.close());

const holder = (scopes: Principal['scopes'], binding: Principal['binding'] = {}): Principal => ({
  account: { id: 1, name: 'account 1' },
  scopes,
  binding,
});

/** Whatever has become of a credential that was good before. */
const losses: readonly (readonly [what: string, lose: () => void])[] = [
  ['revoked', () => server.callers.remove('one')],
  ['without its scope', () => server.callers.set('one', holder([]))],
  ['of another account', () => server.callers.add('one', 3)],
  ['bound', () => server.callers.set('one', holder(['messenger:manage'], { entityId: 'e' }))],
];

/** A body that goes on until somebody lets go of it, a line each turn. */
function endless(line: (index: number) => string, sent: { lines: number }): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await new Promise(resolve => setTimeout(resolve, 5));
      controller.enqueue(new TextEncoder().encode(line(sent.lines++)));
    },
  });
}

async function post(address: string, type: string, body: ReadableStream<Uint8Array>): Promise<Response> {
  const headers = { authorization: 'App one', 'content-type': type };
  return fetch(address + logsPath, { method: 'POST', headers, body, duplex: 'half' });
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setTimeout(resolve, 5));
}

describe.each(losses)('a credential that is %s meanwhile', (_, lose) => {
  test('an upload → ends with 401 that says where; what was recorded stays, and nothing is recorded after', async () => {
    server = new TestServer();
    const address = await server.listen();
    const sent = { lines: 0 };
    const answering = post(
      address,
      'application/x-ndjson',
      endless(i => `${JSON.stringify(message(`m${i}`))}\n`, sent),
    );
    await until(() => server.store.calls.record > 1 || sent.lines > 100);
    lose();
    const answer = await answering;
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toContain('App realm');
    const { violations } = (await answer.json()) as { violations: readonly { property: string; violation: string }[] };
    const end = Number(/^results\[(\d+)\]$/.exec(violations[0]?.property ?? '')?.[1]);
    expect(violations[0]?.violation).toContain(`${end} recorded, 0 updated, 0 unchanged`);
    server.callers.add('one', 1);
    const { body } = await server.call(`${logsPath}/export`);
    expect(body.split('\n').filter(line => line !== '')).toHaveLength(end);
  });

  test('a JSON body that is still coming → 401, and nothing is recorded', async () => {
    server = new TestServer();
    const address = await server.listen();
    const sent = { lines: 0 };
    const text = (i: number) => (i === 0 ? `{"results":[${JSON.stringify(message('m0'))}` : ' ');
    const answering = post(address, 'application/json', endless(text, sent));
    await until(() => sent.lines > 2);
    lose();
    expect((await answering).status).toBe(401);
    expect(server.store.calls.record).toBe(0);
  });

  test('an export → is cut short, visibly', async () => {
    server = new TestServer();
    const address = await server.listen();
    const page = new TextEncoder().encode('{}\n'.repeat(1000));
    server.store.render = async () => ({ text: page.slice(), count: 1000, next: 'more' });
    const { body } = await fetch(`${address}${logsPath}/export`, { headers: { authorization: 'App one' } });
    const reader = body?.getReader();
    await reader?.read();
    lose();
    const readOn = async () => {
      while ((await reader?.read())?.done === false);
    };
    await expect(readOn()).rejects.toThrow();
  });

  test('a stream → ends', async () => {
    server = new TestServer();
    const stream = await (await EventStream.open(await server.listen())).opened();
    lose();
    await stream.over;
  });
});

test.each([
  ['/manage/1/keys', {}],
  ['/manage/1/users', { name: 'u', password: 'long enough' }],
  ['/manage/1/keys/k/binding', { entityId: 'e' }],
  ['/messenger/1/messages', { messages: [{ sender: 's', destinations: [{ to: 'd' }], content: {} }] }],
])('%s, whose body is still coming when its caller is shut out → 401, and nothing is done', async (path, body) => {
  let done = 0;
  const fail = async () => {
    done++;
    throw new Error('it was done');
  };
  const managedAccounts = { account: fail, keys: fail, users: fail, createKey: fail, createUser: fail };
  const others = { revokeKey: fail, removeUser: fail, forgetEndedKeys: fail, bindKey: fail };
  const all = { newestAccounts: fail, createAccountWithKey: fail };
  const sending = { accept: fail, figures: fail, paused: () => [] };
  server = new TestServer({ managedAccounts: { ...managedAccounts, ...others, ...all }, sending });
  const address = await server.listen();
  const sent = { lines: 0 };
  const pieces = endless(i => (i === 0 ? JSON.stringify(body) : ' '), sent);
  const headers = { authorization: 'App one', 'content-type': 'application/json' };
  const answering = fetch(address + path, { method: 'POST', headers, body: pieces, duplex: 'half' });
  await until(() => sent.lines > 2);
  server.callers.remove('one');
  expect((await answering).status).toBe(401);
  expect(done).toBe(0);
});

/** Answers of some megabytes, each from its own call. */
const long = new TextEncoder().encode(`${'{},'.repeat(2_000_000)}{}`);
test.each([
  ['an export', `${logsPath}/export`],
  ['a page', `${logsPath}?limit=1000`],
])('%s whose reader is slow → nothing more comes that had left for him', async (_, path) => {
  server = new TestServer();
  const address = await server.listen();
  server.store.render = async () => ({
    text: long.slice(),
    count: 1000,
    ...(path.includes('export') && { next: 'more' }),
  });
  const { socket, ended } = await unread(address, path);
  server.callers.remove('one');
  await ended;
  const failed = once(socket, 'error');
  socket.resume();
  expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
});

test('a page that is read as slowly by a caller who stays → comes whole', async () => {
  server = new TestServer();
  const address = await server.listen();
  server.store.render = async () => ({ text: long.slice(), count: 1000 });
  const { socket, ended } = await unread(address, `${logsPath}?limit=1000`);
  const before = server.callers.calls;
  await until(() => server.callers.calls > before + 1);
  let text = '';
  socket.on('data', piece => {
    text = (text + piece).slice(-4);
  });
  socket.resume();
  await until(() => text === '{}]}');
  socket.destroy();
  await ended;
});

test('a page that is made while its caller is shut out → 401, and nothing of it', async () => {
  server = new TestServer();
  const address = await server.listen();
  const isAsked = Promise.withResolvers<void>();
  const isLost = Promise.withResolvers<void>();
  server.store.render = async () => {
    isAsked.resolve();
    await isLost.promise;
    return { text: new TextEncoder().encode('{"secret":1}'), count: 1 };
  };
  const answering = fetch(address + logsPath, { headers: { authorization: 'App one' } });
  await isAsked.promise;
  server.callers.remove('one');
  const before = server.callers.calls;
  await until(() => server.callers.calls > before);
  isLost.resolve();
  const answer = await answering;
  expect(answer.status).toBe(401);
  expect(await answer.text()).not.toContain('secret');
});

test.each([
  logsPath,
  `${logsPath}/export`,
  `${logsPath}/export?format=csv`,
  `${logsPath}/summary?by=campaignReferenceId&first=100`,
  '/messenger/1/messages/m1',
  '/manage/1/account',
])('%s, whose caller is shut out while it is compressed → 401, and nothing of it', async path => {
  const secret = 'secret'.repeat(400);
  const account = async () => ({ id: 1, name: secret, createdAt: 0, keys: 0, users: 0 });
  const none = async () => [];
  const never = () => Promise.reject(new Error('it was done'));
  const others = { createKey: never, createUser: never, revokeKey: never, removeUser: never, forgetEndedKeys: never };
  const more = {
    newestAccounts: async () => ({ accounts: [], total: 0 }),
    createAccountWithKey: never,
    bindKey: never,
  };
  server = new TestServer({ managedAccounts: { account, keys: none, users: none, ...others, ...more } });
  const replies: FastifyReply[] = [];
  server.app.addHook('onRequest', async (_request, reply) => void replies.push(reply));
  const content = { type: 'TEXT', text: secret };
  await server.record(
    Array.from({ length: 60 }, (_, i) => message(`m${i}`, { content, campaignReferenceId: `secret${i}` })),
  );
  const address = await server.listen();
  replies.length = 0;
  const headers = { authorization: 'App one', 'accept-encoding': 'gzip' };
  let answering: Promise<Response>;
  {
    await using _pool = heldPool();
    answering = fetch(address + path, { headers });
    await until(() => replies[0]?.getHeader('content-encoding') === 'gzip');
    server.callers.remove('one');
    const before = server.callers.calls;
    await until(() => server.callers.calls > before);
  }
  const answer = await answering;
  expect(await answer.text()).not.toContain('secret');
  expect(answer.status).toBe(401);
});

/** A call whose answer nobody reads; `ended` when the server's side of its connection is over. */
async function unread(address: string, path: string): Promise<{ socket: Socket; ended: Promise<unknown> }> {
  const connected = once(server.app.server, 'connection');
  const socket = await openSocket(address);
  const [connection] = await connected;
  const ended = once(connection, 'close');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: App one\r\n\r\n`);
  await once(socket, 'data');
  socket.pause();
  return { socket, ended };
}

test('credentials that cannot be looked at for a while → uploads go on', async () => {
  server = new TestServer();
  const address = await server.listen();
  const sent = { lines: 0 };
  let isOver = false;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise(resolve => setTimeout(resolve, 5));
      if (isOver) controller.close();
      else controller.enqueue(new TextEncoder().encode(`${JSON.stringify(message(`m${sent.lines++}`))}\n`));
    },
  });
  const answering = post(address, 'application/x-ndjson', body);
  await until(() => server.callers.calls === 1);
  server.callers.failure = new Unavailable('the accounts are away');
  await until(() => server.callers.calls >= 3);
  isOver = true;
  const answer = await answering;
  expect(await answer.json()).toMatchObject({ recorded: sent.lines, rejected: [] });
});
