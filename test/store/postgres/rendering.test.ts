import { setImmediate } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import type { LogRecord } from '../../../src/domain/message.ts';
import { noError, pendingAccepted } from '../../../src/domain/registry.ts';
import { joined } from '../../../src/slices.ts';
import { Rendering } from '../../../src/store/postgres/read/rendering.ts';

afterEach(() => vi.restoreAllMocks());

const short = {
  messageId: 'm',
  sender: 's',
  destination: 'd',
  sentAt: 0,
  messageCount: 1,
  contentJson: '{}',
  status: pendingAccepted,
  error: noError,
  at: 0,
};

/** As a page is read: some logs at a time. */
async function rendered(logs: readonly LogRecord[]) {
  const rendering = new Rendering('json');
  for (let at = 0; at < logs.length; at += 30) await rendering.add(logs.slice(at, at + 30));
  return rendering.all();
}

test('a page of long contents → its bytes, put together in turns', async () => {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now++);
  const pages = 40;
  const text = 'x'.repeat(60_000);
  const logs = Array.from({ length: pages }, () => ({ ...short, contentJson: JSON.stringify({ type: 'TEXT', text }) }));
  const whole = await rendered(logs.slice(0, 1));
  let turns = 0;
  const counting = (async () => {
    for (; turns < 1000; turns++) await setImmediate();
  })();
  const page = await rendered(logs);
  const taken = turns;
  await counting;
  expect(page.text.byteLength).toBe(pages * whole.text.byteLength + pages - 1);
  expect(JSON.parse(`[${Buffer.from(page.text).toString()}]`)).toHaveLength(pages);
  // Of 2.4 MB some 256 KiB are rendered at a time, and some of it is copied.
  expect(taken).toBeGreaterThanOrEqual(4);
});

test('bytes that are joined are those that were given, whatever their number', async () => {
  const parts = [0, 1, 3_000_000, 0, 1024 * 1024, 5].map((bytes, i) => Buffer.alloc(bytes, i));
  const all = await joined(parts);
  expect(all.equals(Buffer.concat(parts))).toBe(true);
  expect(all.buffer.byteLength).toBe(all.byteLength);
});
