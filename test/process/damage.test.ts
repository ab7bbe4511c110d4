import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually, numberedFrom } from '../support/log-calls.ts';
import { ServerHome } from '../support/server-process.ts';

const settings = { SENTLOG_SEGMENT_MESSAGES: '1000' };
const second = '000000002.journal';
const original = new ServerHome();
const copies: ServerHome[] = [];

/** Three sealed segments of a thousand messages and a young one of five hundred. */
beforeAll(async () => {
  const server = await original.serve({ settings });
  await original.calls(server).record(numberedFrom(0, 3500));
  await eventually('three segments are sealed', () => {
    const names = readdirSync(join(original.dataDir, 'segments'));
    return names.filter(name => name.endsWith('.index')).length === 3;
  });
  await server.end('SIGTERM');
});
afterEach(async () => {
  for (const home of copies.splice(0)) await home.remove();
});
afterAll(() => original.remove());

function recordedLog() {
  const home = original.copy();
  copies.push(home);
  return { home, rowsFile: join(home.dataDir, 'segments', second) };
}

function flipBit(path: string, offset: number): void {
  const fd = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, offset);
  writeSync(fd, Buffer.from([(byte[0] ?? 0) ^ 4]), 0, 1, offset);
  closeSync(fd);
}

const all = numberedFrom(0, 3500).map(one => one.messageId);
/** Rows in what is cut off. */
const lostMax = 200;

test.each([
  ['cut short', (path: string) => truncateSync(path, statSync(path).size - 8192), 1],
  ['empty', (path: string) => truncateSync(path, 0), 1000],
  ['missing', (path: string) => rmSync(path), 1000],
  ['with a flipped bit in its middle', (path: string) => flipBit(path, Math.floor(statSync(path).size / 2)), 0],
  ['with a flipped bit in its head', (path: string) => flipBit(path, 20), 0],
])('segment %s → what is lost is told everywhere, the rest serves', async (_, damage, lostMin) => {
  const { home, rowsFile } = recordedLog();
  damage(rowsFile);
  const server = await home.serve({ settings });
  const calls = home.calls(server);
  // A flipped bit inside a row is found by whatever comes first: a read of that row, or the check after the start.
  await eventually('the log names it', () => server.stderr.includes(second));
  const ids = new Set((await calls.walk()).map(log => log.messageId));
  const lost = all.filter(id => !ids.has(id));
  expect(lost.length).toBeGreaterThanOrEqual(lostMin);
  expect(lost.length).toBeLessThanOrEqual(Math.max(lostMax, lostMin));
  expect(lost.filter(id => !numberedFrom(1000, 1000).some(one => one.messageId === id))).toEqual([]);
  const isTold = lost.length > 0;
  expect((await calls.call('/metrics')).text.includes('sentlog_store_damaged{name="1"} 1\n')).toBe(isTold);
  expect(JSON.parse((await calls.call('/health/ready')).text).damaged > 0).toBe(isTold);
  expect(JSON.parse((await calls.call('/messenger/1/logs/summary')).text)).toMatchObject({ complete: !isTold });
  const again = await calls.record(numberedFrom(0, 3500));
  expect(again).toMatchObject({ recorded: lost.length, unchanged: 3500 - lost.length });
  expect(await calls.walk()).toHaveLength(3500);
  expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
  const restarted = await home.serve({ settings });
  expect(await home.calls(restarted).walk()).toHaveLength(3500);
  expect(JSON.parse((await home.calls(restarted).call('/health/ready')).text).damaged > 0).toBe(isTold);
});

test('bits flipped while the server runs → a read finds them, and never serves what they hit', async () => {
  const { home, rowsFile } = recordedLog();
  const server = await home.serve({ settings });
  const calls = home.calls(server);
  // Once it finds one, it sets the file aside: nothing of that comes between them.
  server.signal('SIGSTOP');
  for (let at = 8192; at < statSync(rowsFile).size; at += 8192) flipBit(rowsFile, at + 5000);
  server.signal('SIGCONT');
  const texts = (await calls.walk()).map(log => log.content.text);
  const intact = numberedFrom(0, 3500).map(one => one.content?.text);
  expect(texts.filter(text => !intact.includes(text))).toEqual([]);
  // One row for each bit at the most.
  expect(texts.length).toBeGreaterThanOrEqual(3500 - statSync(rowsFile).size / 8192);
  expect(readdirSync(join(home.dataDir, 'damaged'))).toContain(second);
  expect((await calls.call('/metrics')).text).toContain('sentlog_store_damaged{name="1"} 1\n');
});

test('segment of a newer version → not touched: one clear line and exit code 1', async () => {
  const { home, rowsFile } = recordedLog();
  rmSync(rowsFile.replace('.journal', '.index'));
  const head = readFileSync(rowsFile);
  head.writeUInt32LE(99, 8);
  head.writeUInt32LE(crc32(head.subarray(4, 64)), 0);
  writeFileSync(rowsFile, head);
  const server = home.launch({ settings });
  await eventually('the server gives up', () => server.ended);
  expect(await server.exited).toEqual({ code: 1, signal: null });
  expect(server.stderr.trim().split('\n')).toHaveLength(1);
  expect(server.stderr).toContain('newer version');
  expect(readdirSync(home.dataDir)).not.toContain('damaged');
});
