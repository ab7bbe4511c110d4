import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HeldAnswers } from '../../src/http/answer/held-answers.ts';
import { limits } from '../../src/limits.ts';
import { logsPath, message, TestServer } from '../support/http-server.ts';
import { openSocket } from '../support/raw-http.ts';

const server = createServer();
let address: string;
beforeEach(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  address = `http://127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Answers under way whose callers read nothing. */
async function unread(count: number): Promise<readonly ServerResponse[]> {
  const responses: ServerResponse[] = [];
  for (let i = 0; i < count; i++) {
    const asked = once(server, 'request');
    const socket = await openSocket(address);
    socket.pause();
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const [, response] = await asked;
    responses.push(response);
  }
  return responses;
}

test('more than may be held → the oldest of whoever holds most is given up, others never', async () => {
  const held = new HeldAnswers();
  const much = limits.answersBytesMax / 4;
  const [a1, a2, b1, a3, a4, a5] = await unread(6);
  if (a1 === undefined || a2 === undefined || b1 === undefined || a3 === undefined) throw new Error('no answers');
  if (a4 === undefined || a5 === undefined) throw new Error('no answers');
  held.hold(2, b1, 1000);
  for (const response of [a1, a2, a3]) held.hold(1, response, much);
  expect(held.bytes).toBe(3 * much + 1000);
  held.hold(1, a4, much);
  expect([a1, a2, a3, a4, b1].map(({ destroyed }) => destroyed)).toEqual([true, false, false, false, false]);
  held.hold(1, a5, much);
  expect([a2, a3, a4, a5, b1].map(({ destroyed }) => destroyed)).toEqual([true, false, false, false, false]);
  expect(held.bytes).toBe(3 * much + 1000);
  // What has left is not counted any more.
  const gone = once(a3, 'close');
  a3.destroy();
  await gone;
  expect(held.bytes).toBe(2 * much + 1000);
  held.hold(1, a4, 10);
  expect(held.bytes).toBe(much + 1010);
});

test('a caller who goes away while the store works → the store is told', async () => {
  const log = new TestServer();
  await log.record([message('m1')]);
  const url = await log.listen();
  const asked: AbortSignal[] = [];
  const { promise: bothAsked, resolve } = Promise.withResolvers<void>();
  const work = (signal: AbortSignal | undefined): Promise<never> => {
    if (signal === undefined) throw new Error('no signal');
    asked.push(signal);
    if (asked.length === 3) resolve();
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  };
  log.store.render = (_query, _form, signal) => work(signal);
  log.store.summarize = (_query, signal) => work(signal);
  const leaving = new AbortController();
  const calls = [logsPath, `${logsPath}/export`, `${logsPath}/summary`].map(path =>
    fetch(url + path, { headers: { authorization: 'App one' }, signal: leaving.signal }),
  );
  await bothAsked;
  leaving.abort();
  expect((await Promise.allSettled(calls)).every(({ status }) => status === 'rejected')).toBe(true);
  await Promise.all(asked.map(signal => signal.aborted || once(signal, 'abort')));
  expect(log.logged.filter(line => JSON.parse(line).level >= 50)).toEqual([]);
  await log.app.close();
});
