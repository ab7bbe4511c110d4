import { once } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Principal } from '../../src/accounts/authenticator.ts';
import { Unavailable } from '../../src/failures.ts';
import { cutWith } from '../../src/http/admission/standing.ts';
import { EventStream } from '../support/event-stream.ts';
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

test('an export whose reader is slow → nothing more comes that had left for him', async () => {
  server = new TestServer();
  const address = await server.listen();
  const page = new TextEncoder().encode('{}\n'.repeat(100_000));
  server.store.render = async () => ({ text: page.slice(), count: 1000, next: 'more' });
  const connected = once(server.app.server, 'connection');
  const socket = await openSocket(address);
  const [connection] = await connected;
  const ended = once(connection, 'close');
  socket.write(`GET ${logsPath}/export HTTP/1.1\r\nHost: localhost\r\nAuthorization: App one\r\n\r\n`);
  await once(socket, 'data');
  socket.pause();
  const failed = once(socket, 'error');
  server.callers.remove('one');
  await ended;
  socket.resume();
  expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
});

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

test('a stream that was read to its end, and an answer that has not left → watched until that is over', async () => {
  const response = () => {
    const socket = new Socket();
    // One that is connected to nobody cannot be reset.
    vi.spyOn(socket, 'resetAndDestroy').mockImplementation(() => socket.destroy());
    const answer = new ServerResponse(new IncomingMessage(socket));
    answer.assignSocket(socket);
    return { socket, answer };
  };
  for (const isLost of [true, false]) {
    const { socket, answer } = response();
    const lost = new AbortController();
    let ends = 0;
    const stream = Readable.from(['all of it']);
    cutWith(stream, answer, { lost: lost.signal, end: () => ends++ });
    const closed = once(stream, 'close');
    stream.resume();
    await closed;
    expect(ends).toBe(0);
    if (isLost) lost.abort(new Error('shut out'));
    expect(socket.destroyed).toBe(isLost);
    answer.emit('close');
    expect(ends).toBe(1);
    lost.abort(new Error('shut out'));
    expect(socket.destroyed).toBe(isLost);
    socket.destroy();
  }
});
