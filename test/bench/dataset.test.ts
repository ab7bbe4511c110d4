import { describe, expect, test } from 'vitest';
import { LogWriter, logBytesMax } from '../../bench/dataset/log-writer.ts';
import { scattered } from '../../bench/dataset/numbers.ts';
import { ReportWriter } from '../../bench/dataset/report-writer.ts';
import type { LogShape } from '../../bench/dataset/shape.ts';
import { messageId, rareSender } from '../../bench/dataset/shape.ts';

const shape: LogShape = {
  seed: 1,
  firstId: 0,
  messages: 3_000,
  firstSentAt: Date.UTC(2026, 0, 1),
  spanMs: 3_600_000,
  spread: 'arrival',
};

function linesOf(of: LogShape): readonly Record<string, unknown>[] {
  const room = Buffer.alloc(of.messages * logBytesMax);
  const body = new LogWriter(of).ndjson(room, 0, of.messages).toString();
  return body
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));
}

describe('the generated log', () => {
  const logs = linesOf(shape);

  test('the same seed → the same bytes', () => expect(linesOf(shape)).toEqual(logs));
  test('another seed → other messages', () => expect(linesOf({ ...shape, seed: 2 })).not.toEqual(logs));

  test('every message → an id of its own', () => {
    expect(logs.map(log => log.messageId)).toEqual(logs.map((_, index) => messageId(shape, index)));
  });

  test('a log is about 600 bytes → as JSON', () => {
    const bytes = logs.reduce((sum, log) => sum + JSON.stringify(log).length, 0) / logs.length;
    expect(bytes).toBeGreaterThan(550);
    expect(bytes).toBeLessThan(700);
  });

  test('rare values → ten of the sender, two expired, in a log of any size', () => {
    expect(logs.filter(log => log.sender === rareSender)).toHaveLength(10);
    expect(logs.filter(log => JSON.stringify(log.status).includes('EXPIRED_EXPIRED'))).toHaveLength(2);
  });

  test('shuffled → the same moments in another order', () => {
    const order = linesOf({ ...shape, spread: 'shuffled' }).map(log => String(log.sentAt));
    const sorted = order.toSorted();
    expect(order).not.toEqual(sorted);
    expect(sorted[0]?.slice(0, 16)).toBe('2026-01-01T00:00');
    expect(sorted.at(-1)?.slice(0, 16)).toMatch(/2026-01-01T(00:59|01:00)/);
  });

  test('one message → the same as its line', () => {
    const body = new LogWriter(shape).json(Buffer.alloc(2 * logBytesMax), 17).toString();
    expect(JSON.parse(body)).toEqual({ results: [logs[17]] });
  });
});

test('reports in random order → one on each message of the log', () => {
  const writer = new ReportWriter(shape, 'random');
  const body = writer.ndjson(Buffer.alloc(shape.messages * writer.reportBytes), 0, shape.messages).toString();
  const ids = body
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line).messageId);
  expect(new Set(ids).size).toBe(shape.messages);
  expect(ids).not.toEqual(ids.toSorted());
});

test.each([1, 2, 10, 1_000])('scattering %i places → each place once', count => {
  const places = Array.from({ length: count }, (_, index) => scattered(index, count));
  expect(places.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index));
});
