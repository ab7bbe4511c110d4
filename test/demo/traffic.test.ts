import { describe, expect, test } from 'vitest';
import { chatErrors } from '../../scripts/demo/life.ts';
import { Schedule } from '../../scripts/demo/schedule.ts';
import { type Arrival, slotArrivals, slotMs } from '../../scripts/demo/traffic.ts';
import { limits } from '../../src/limits.ts';
import { parseRecordText } from '../../src/wire/record/log-record.ts';
import { MemoryStore } from '../support/memory-store.ts';

const noon = Date.UTC(2026, 5, 1, 12);
const dayMs = 86_400_000;

function* slots(from: number, durationMs: number): Generator<readonly Arrival[]> {
  for (let slot = from; slot < from + durationMs; slot += slotMs) yield slotArrivals(slot);
}

const twoDays = [...slots(noon, 2 * dayMs)].flat();
const messages = twoDays.filter(({ record }) => 'sender' in record);
const names = (property: 'status' | 'error') =>
  new Set(
    twoDays.flatMap(({ record }) => {
      const code = record[property];
      return typeof code === 'object' && code !== null && 'name' in code ? [code.name] : [];
    }),
  );

describe("the demo's traffic", () => {
  test('the same slot twice → the same records', () => {
    expect(slotArrivals(noon)).toEqual(slotArrivals(noon));
    expect(slotArrivals(noon)).not.toEqual(slotArrivals(noon + slotMs));
  });

  test('two days → about 50,000 messages, more by day than by night', () => {
    const ids = new Set(messages.map(one => one.messageId));
    expect(ids.size).toBeGreaterThan(45_000);
    expect(ids.size).toBeLessThan(55_000);
    const inHour = (hour: number) => messages.filter(one => new Date(one.sentAt).getUTCHours() === hour).length;
    expect(inHour(16)).toBeGreaterThan(3 * inHour(4));
  });

  test('every hour → as many campaigns as its share of all messages, by day and by night', () => {
    const hours = Map.groupBy(messages, one => new Date(one.sentAt).getUTCHours());
    expect(hours.size).toBe(24);
    const shareOf = (some: readonly Arrival[]) =>
      some.filter(({ record }) => 'campaignReferenceId' in record).length / some.length;
    const all = shareOf(messages);
    expect(all).toBeGreaterThan(0.3);
    for (const [hour, some] of hours) expect(Math.abs(shareOf(some) - all), `at ${hour}`).toBeLessThan(0.3);
  });

  test('two days → every failure of chat channels, and every group of statuses that codes have', () => {
    const errors = names('error');
    expect(chatErrors.map(one => one.name).filter(name => !errors.has(name))).toEqual([]);
    const statuses = [...names('status')].map(name => String(name).split('_')[0]);
    expect(new Set(statuses)).toEqual(new Set(['PENDING', 'DELIVERED', 'UNDELIVERABLE', 'REJECTED', 'EXPIRED']));
  });

  test('two days → late, repeated and reordered reports', () => {
    const texts = twoDays.map(({ record }) => JSON.stringify(record));
    expect(texts.length - new Set(texts).size).toBeGreaterThan(500);
    const reports = twoDays.filter(({ record }) => !('sender' in record)).sort((a, b) => a.dueAt - b.dueAt);
    const happened = ({ record }: Arrival) => Date.parse(String(record.at));
    expect(reports.filter(one => one.dueAt - happened(one) > 300_000).length).toBeGreaterThan(500);
    const latest = new Map<string, number>();
    let reordered = 0;
    for (const report of reports) {
      if (happened(report) < (latest.get(report.messageId) ?? 0)) reordered += 1;
      latest.set(report.messageId, Math.max(happened(report), latest.get(report.messageId) ?? 0));
    }
    expect(reordered).toBeGreaterThan(500);
  });

  test('every report → comes after its message', () => {
    const recordedAt = new Map<string, number>();
    for (const { messageId, dueAt } of messages)
      recordedAt.set(messageId, Math.min(dueAt, recordedAt.get(messageId) ?? Number.POSITIVE_INFINITY));
    expect(twoDays.filter(one => one.dueAt < (recordedAt.get(one.messageId) ?? 0))).toEqual([]);
  });

  test('every record → parsed without a violation', () => {
    const flawed = twoDays.flatMap(({ record }) => parseRecordText(JSON.stringify(record)).violations ?? []);
    expect(flawed).toEqual([]);
  });

  test('some hours recorded in the order of arrival → nothing rejected, most of it delivered', async () => {
    const store = new MemoryStore();
    const schedule = new Schedule<Arrival>();
    for (const slot of slots(noon, 6 * 3_600_000)) schedule.add(slot);
    const due = schedule.take(noon + dayMs);
    let [recorded, rejected] = [0, 0];
    for (let start = 0; start < due.length; start += limits.batchRecordsMax) {
      const batch = due.slice(start, start + limits.batchRecordsMax);
      const submissions = batch.flatMap(({ record }) => parseRecordText(JSON.stringify(record)).submission ?? []);
      const receivedAt = batch.at(-1)?.dueAt ?? noon;
      const outcome = await store.record({ account: 1, binding: {}, receivedAt, sentSince: noon, submissions });
      recorded += outcome.recorded;
      rejected += outcome.rejected.length;
    }
    expect(rejected).toBe(0);
    expect(recorded).toBe(new Set(due.map(one => one.messageId)).size);
    const { logs } = await store.find({ account: 1, filter: {}, sentSince: noon, limit: 1000, walk: false });
    const delivered = logs.filter(log => log.status.name === 'DELIVERED_TO_HANDSET');
    expect(delivered.length).toBeGreaterThan(800);
    expect(delivered.every(log => log.price !== undefined && log.doneAt !== undefined)).toBe(true);
    await store.close();
  });
});

describe('the schedule', () => {
  test('items added in any order → taken in the order they are due, each once', () => {
    const schedule = new Schedule<{ readonly dueAt: number }>();
    schedule.add([9000, 10, 700, 260, 251, 5000].map(dueAt => ({ dueAt })));
    const taken = schedule.take(6000).map(one => one.dueAt);
    schedule.add([{ dueAt: 20 }]);
    expect(taken).toEqual([10, 251, 260, 700, 5000]);
    expect(schedule.take(20_000).map(one => one.dueAt)).toEqual([20, 9000]);
    expect(schedule.take(20_000)).toEqual([]);
  });
});
