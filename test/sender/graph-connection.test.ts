import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { GraphCalls } from '../../src/sender/graph-calls.ts';
import { receiver as graph } from '../support/receiver.ts';

const keys = { token: 'a-token', appSecret: 'a-secret' };
const post = { method: 'POST', path: '1/messages', keys, body: '{}' } as const;

function callsOf(port: number, now: () => number): GraphCalls {
  const calls = new GraphCalls({ url: `http://127.0.0.1:${port}`, version: 'v25.0' }, () => ({}), now);
  onTestFinished(() => calls.close());
  return calls;
}

test.each([
  ...[0, 1, 2, 3, 5, 10, 16, 17, 18, 65, 100_000].map(seconds => ({ seconds, header: `timeout=${seconds}` })),
  { seconds: 7, header: 'max=100, Timeout=7' },
  // As if nothing were said.
  { seconds: 17, header: 'max=100' },
])(
  'kept as $header says → nothing is written to a connection from 2 s before that, or 15 s, since the request before',
  async ({ seconds, header }) => {
    const boundMs = Math.min(15_000, 1000 * seconds - 2000);
    let nowMs = 0;
    const writtenAt = new Map<unknown, number>();
    const ages: number[] = [];
    let requests = 0;
    const port = await graph((request, response) => {
      const before = writtenAt.get(request.socket);
      if (before !== undefined) ages.push(nowMs - before);
      writtenAt.set(request.socket, nowMs);
      requests++;
      response.setHeader('keep-alive', header);
      response.end('{}');
    });
    const calls = callsOf(port, () => nowMs);
    const pausesMs = [0, 1, boundMs - 1, boundMs, boundMs + 1, boundMs / 2, boundMs / 2, 2 * boundMs, 60_000];
    let callsMade = 0;
    for (const pauseMs of pausesMs)
      for (const atOnce of [1, 3]) {
        nowMs += Math.max(0, pauseMs);
        const answers = await Promise.all(Array.from({ length: atOnce }, () => calls.call(post)));
        expect(answers.map(one => one.kind)).toEqual(Array.from({ length: atOnce }, () => 'response'));
        callsMade += atOnce;
        // A connection is free again a moment after its answer was given.
        await turn();
        await turn();
      }
    expect(requests).toBe(callsMade);
    expect(ages.filter(age => age >= boundMs)).toEqual([]);
    // They are kept nonetheless: what would close them sooner is a timer of seconds.
    if (boundMs >= 15_000) expect(ages.some(age => age > 0)).toBe(true);
  },
);

/** Answers its first request, and closes that connection when `turns[0]` is set; sets `turns[1]` when it has. */
const closingServer = `
import { createServer } from 'node:http';
import { parentPort, workerData as turns } from 'node:worker_threads';
let requests = 0;
const server = createServer((request, response) => {
  requests++;
  request.resume();
  response.end(String(requests));
  if (requests > 1) return;
  request.socket.once('close', () => {
    Atomics.store(turns, 1, 1);
    Atomics.notify(turns, 1);
  });
  response.once('finish', () => setImmediate(() => {
    Atomics.wait(turns, 0, 0);
    request.socket.destroy();
  }));
});
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

test('closed by the other side while this process could not look → the call goes over another connection, once', async () => {
  const turns = new Int32Array(new SharedArrayBuffer(8));
  const other = new Worker(new URL(`data:text/javascript,${encodeURIComponent(closingServer)}`), { workerData: turns });
  onTestFinished(async () => void (await other.terminate()));
  const [port]: readonly number[] = await once(other, 'message');
  let nowMs = 0;
  const calls = callsOf(port ?? 0, () => nowMs);
  expect(await calls.call(post)).toMatchObject({ kind: 'response', text: '1' });
  // Free again, and in the middle of a turn of what came in: the connection is not looked at before this turn's calls are made.
  await turn();
  await turn();
  await stat(import.meta.dirname);
  Atomics.store(turns, 0, 1);
  Atomics.notify(turns, 0);
  Atomics.wait(turns, 1, 0);
  nowMs += 60_000;
  const answers = await Promise.all([calls.call(post), calls.call(post)]);
  expect(new Set(answers.map(one => (one.kind === 'response' ? one.text : one)))).toEqual(new Set(['2', '3']));
});

test('closed as a request on a kept connection is read → it may have arrived, and is not sent again', async () => {
  let requests = 0;
  const sockets = new Set<unknown>();
  const port = await graph((request, response) => {
    requests++;
    if (sockets.has(request.socket)) request.socket.destroy();
    else response.end('{}');
    sockets.add(request.socket);
  });
  const calls = callsOf(port, () => 0);
  const kinds: string[] = [];
  // The first are answered over as many connections, of which the first that is used again is closed.
  while (!kinds.includes('lost')) {
    kinds.push((await calls.call(post)).kind);
    expect(requests).toBe(kinds.length);
  }
  expect(new Set(kinds)).toEqual(new Set(['response', 'lost']));
});

test('closed before it was written to again, and nobody answers any more → nothing can have arrived', async () => {
  let nowMs = 0;
  const server = createServer((_, response) => response.end('{}')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const calls = callsOf((server.address() as AddressInfo).port, () => nowMs);
  expect((await calls.call(post)).kind).toBe('response');
  server.close();
  nowMs += 60_000;
  expect(await calls.call(post)).toEqual({ kind: 'unreachable', reason: 'ECONNREFUSED' });
});

test('what is no request at all → nothing can have arrived', async () => {
  const port = await graph((_, response) => response.end('{}'));
  const answer = await callsOf(port, () => 0).call({ ...post, keys: { ...keys, token: 'a\r\nb' } });
  expect(answer.kind).toBe('unreachable');
});
