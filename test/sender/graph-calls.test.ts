import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { type AddressInfo, createServer as createPlainServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { limits } from '../../src/limits.ts';
import { GraphCalls } from '../../src/sender/graph-calls.ts';
import { receiver as graph } from '../support/receiver.ts';

const keys = { token: 'a-token', appSecret: 'a-secret' };

function callsOf(port: number, scheme = 'http'): GraphCalls {
  const calls = new GraphCalls({ url: `${scheme}://127.0.0.1:${port}/graph`, version: 'v25.0' });
  onTestFinished(() => calls.close());
  return calls;
}

const post = { method: 'POST', path: '1/messages', keys, body: '{"a":"ä"}' } as const;

test('a call → its token in a header, its proof, its body; the answer with its headers; connections are kept', async () => {
  const heard: string[] = [];
  const sockets = new Set<unknown>();
  const port = await graph(async (request, response) => {
    sockets.add(request.socket);
    let body = '';
    for await (const part of request) body += part;
    heard.push(`${request.method} ${request.url} ${request.headers.authorization} ${body}`);
    response.writeHead(400, { 'x-app-usage': '{"call_count":28}' });
    response.end('{"error":{}}');
  });
  const calls = callsOf(port);
  for (let time = 0; time < 5; time++) {
    const answer = await calls.call(post);
    expect(answer).toMatchObject({ kind: 'response', httpStatus: 400, text: '{"error":{}}' });
    expect(answer.kind === 'response' && answer.headers['x-app-usage']).toBe('{"call_count":28}');
  }
  const proof = createHmac('sha256', 'a-secret').update('a-token').digest('hex');
  const wanted = `POST /graph/v25.0/1/messages?appsecret_proof=${proof} Bearer a-token {"a":"ä"}`;
  expect(heard).toEqual(Array.from({ length: 5 }, () => wanted));
  // One is free again a moment after its answer was given: whoever calls at once may be given another.
  expect(sockets.size).toBeLessThanOrEqual(2);
});

test('no connection, of TCP or of TLS → nothing can have arrived', async () => {
  const closed = createPlainServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  closed.close();
  await once(closed, 'close');
  expect(await callsOf(port).call(post)).toEqual({ kind: 'unreachable', reason: 'ECONNREFUSED' });
  const plain = await graph((_, response) => response.end());
  expect((await callsOf(plain, 'https').call(post)).kind).toBe('unreachable');
  // One that takes the connection and breaks off before TLS stands has seen no byte of the request either.
  const breaking = createPlainServer(socket => socket.destroy()).listen(0, '127.0.0.1');
  onTestFinished(() => void breaking.close());
  await once(breaking, 'listening');
  expect((await callsOf((breaking.address() as AddressInfo).port, 'https').call(post)).kind).toBe('unreachable');
});

test('cut off before or within its answer, or too long an answer → it may have arrived', async () => {
  for (const listener of [
    (_, response) => response.socket?.destroy(),
    (_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"message_id":');
      setImmediate(() => response.socket?.destroy());
    },
    (_, response) => response.end('x'.repeat(1024 * 1024)),
    (_, response) =>
      response.socket?.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
  ] satisfies RequestListener[]) {
    const answer = await callsOf(await graph(listener)).call(post);
    expect(answer.kind, JSON.stringify(answer)).toBe('lost');
  }
});

test('more calls at once than are ever sent, the last cut off → it may have arrived, whatever connection it had', async () => {
  const port = await graph((request, response) => {
    if (request.url?.includes('/last?')) request.socket.destroy();
    else response.end('{}');
  });
  const calls = callsOf(port);
  const others = Array.from({ length: limits.sendingMax }, () => calls.call(post));
  const last = calls.call({ ...post, path: 'last' });
  expect((await last).kind).toBe('lost');
  expect(new Set((await Promise.all(others)).map(one => one.kind))).toEqual(new Set(['response']));
});

test('a redirect → an answer as any other, and not followed', async () => {
  let requests = 0;
  const port = await graph((_, response) => {
    requests++;
    response.writeHead(302, { location: '/elsewhere' });
    response.end('moved');
  });
  expect(await callsOf(port).call(post)).toMatchObject({ kind: 'response', httpStatus: 302, text: 'moved' });
  expect(requests).toBe(1);
});

test('given up while the answer is waited for → it may have arrived; before a connection stands → it cannot', async () => {
  const arrived = Promise.withResolvers<void>();
  const calls = callsOf(await graph(() => arrived.resolve()));
  const waiting = calls.call(post);
  await arrived.promise;
  calls.giveUp();
  expect(await waiting).toEqual({ kind: 'lost', reason: 'the server stops' });
  const unconnected = calls.call(post);
  calls.giveUp();
  expect(await unconnected).toEqual({ kind: 'unreachable', reason: 'the server stops' });
});

test('further headers → beside its own, which they do not replace', async () => {
  const heard: unknown[] = [];
  const port = await graph((request, response) => {
    const { traceparent, authorization } = request.headers;
    heard.push({ traceparent, authorization });
    response.end('{}');
  });
  const more = () => ({ traceparent: 'a-part', authorization: 'none' });
  const calls = new GraphCalls({ url: `http://127.0.0.1:${port}`, version: 'v25.0' }, more);
  onTestFinished(() => calls.close());
  await calls.call(post);
  expect(heard).toEqual([{ traceparent: 'a-part', authorization: 'Bearer a-token' }]);
});
