import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, type LogCalls, logsPath, numbered, numberedFrom } from '../support/log-calls.ts';
import { isThorough } from '../support/properties.ts';
import { openSocket, requestHead } from '../support/raw-http.ts';
import { MemoryWatch, ServerHome, type ServerProcess } from '../support/server-process.ts';

const mebibyte = 1024 * 1024;
const rows = isThorough ? 200_000 : 100_000;
const home = new ServerHome();
let server: ServerProcess;
let calls: LogCalls;

beforeAll(async () => {
  server = await home.serve();
  calls = home.calls(server);
  for (let at = 0; at < rows; at += 10_000) await calls.record(numberedFrom(at, 10_000));
});
afterAll(() => home.remove());

const exportPath = `${logsPath}/export?format=ndjson`;

async function expectServes(number: number): Promise<void> {
  expect(await calls.record([numbered(number)])).toMatchObject({ recorded: 1 });
  expect((await calls.page(`messageId=message-${number}`)).logs).toHaveLength(1);
  expect((await calls.page('limit=1000')).logs).toHaveLength(1000);
}

/** A connection that asked for something, took the first bytes of the answer and reads no more. */
async function stalledReader(): Promise<Socket> {
  const socket = await openSocket(server.address);
  socket.write(requestHead(calls, 'GET', exportPath));
  await once(socket, 'readable');
  return socket;
}

async function exportedRows(): Promise<number> {
  const response = await fetch(server.address + exportPath, { headers: { authorization: calls.authorization } });
  let lines = 0;
  for await (const chunk of response.body ?? []) for (const byte of chunk) if (byte === 10) lines++;
  return lines;
}

test('twenty clients stop reading an export → memory bounded, others served', async () => {
  const watch = new MemoryWatch(server.pid);
  const stalled = await Promise.all(Array.from({ length: 20 }, stalledReader));
  await wait(1000);
  await expectServes(rows);
  expect(await exportedRows()).toBe(rows + 1);
  const grown = watch.grownBytes() ?? 0;
  console.info(`20 stalled exports: the server grew by ${Math.round(grown / mebibyte)} MiB`);
  expect(grown).toBeLessThan(200 * mebibyte);
  for (const socket of stalled) socket.destroy();
  await expectServes(rows + 1);
});

test('export read on after a pause → comes whole', async () => {
  const socket = await stalledReader();
  await wait(500);
  let [lines, tail] = [0, ''];
  socket.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 10) lines++;
    tail = (tail + chunk.toString('latin1')).slice(-5);
  });
  await eventually('the last chunk has come', () => tail === '0\r\n\r\n');
  expect(lines).toBeGreaterThan(rows);
  socket.destroy();
});

test('bodies sent byte by byte → others are served meanwhile, and the slow ones in the end', async () => {
  const slow = ['application/json', 'application/x-ndjson'].flatMap(type =>
    Array.from({ length: 5 }, (_, i) => {
      const record = JSON.stringify({ ...numbered(0), messageId: `slow-${type.slice(12)}-${i}` });
      return [type, type === 'application/json' ? `{"results":[${record}]}` : `${record}\n`] as const;
    }),
  );
  const send = async (type: string, body: string) => {
    const socket = await openSocket(server.address);
    let answer = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    const length = `Content-Length: ${Buffer.byteLength(body)}`;
    socket.write(requestHead(calls, 'POST', logsPath, [`Content-Type: ${type}`, length]));
    for (const byte of body) {
      socket.write(byte);
      await wait(10);
    }
    await eventually('the slow body is answered', () => answer.endsWith('}'));
    socket.destroy();
    return answer;
  };
  const answers = Promise.all(slow.map(([type, body]) => send(type, body)));
  for (let i = 0; i < 10; i++) await expectServes(rows + 10 + i);
  for (const answer of await answers) expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*"recorded":1/);
});

test('a thousand idle connections, some in the middle of a request → others are served, memory bounded', async () => {
  const watch = new MemoryWatch(server.pid);
  const sockets: Socket[] = [];
  for (let i = 0; i < 1000; i++) {
    const socket = await openSocket(server.address);
    if (i % 4 === 1) socket.write('GET /messenger/1/logs HTTP/1.1\r\nHost: local');
    if (i % 4 === 2)
      socket.write(requestHead(calls, 'POST', logsPath, ['Content-Type: application/json', 'Content-Length: 99']));
    if (i % 4 === 3)
      socket.write(requestHead(calls, 'POST', logsPath, ['Content-Type: application/x-ndjson', 'Content-Length: 99']));
    sockets.push(socket);
  }
  await expectServes(rows + 100);
  const grown = watch.grownBytes() ?? 0;
  console.info(`1000 idle connections: the server grew by ${Math.round(grown / mebibyte)} MiB`);
  expect(grown).toBeLessThan(100 * mebibyte);
  for (const socket of sockets) socket.destroy();
  await expectServes(rows + 101);
});

test('uploads broken off in their middle → the server serves on, nothing stays queued', async () => {
  const lines = numberedFrom(rows + 200, 100).map(one => JSON.stringify(one));
  for (let i = 0; i < 40; i++) {
    const socket = await openSocket(server.address);
    const type = i % 2 === 0 ? 'application/json' : 'application/x-ndjson';
    socket.write(requestHead(calls, 'POST', logsPath, [`Content-Type: ${type}`, 'Content-Length: 1000000']));
    socket.write(i % 2 === 0 ? `{"results":[${lines.join().slice(0, -50)}` : lines.join('\n').slice(0, -50));
    await wait(5);
    if (i % 4 < 2) socket.destroy();
    else socket.resetAndDestroy();
  }
  await expectServes(rows + 300);
  expect((await calls.call('/health/ready')).status).toBe(200);
  // Whole lines may have been kept or not; what was kept must be whole, and is known when it comes again.
  const again = await calls.record(numberedFrom(rows + 200, 100));
  expect(again.recorded + again.unchanged).toBe(100);
  expect(server.stderr).not.toMatch(/"level":"(?:error|fatal)"/);
});
