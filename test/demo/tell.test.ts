import { expect, test, vi } from 'vitest';
import { emptyTally } from '../../scripts/demo/recorder.ts';
import { Schedule } from '../../scripts/demo/schedule.ts';
import { tellPast, tellPresent } from '../../scripts/demo/tell.ts';
import type { Arrival } from '../../scripts/demo/traffic.ts';

test('the past is told → how much of it, time and again, up to the whole', async () => {
  const shares: number[] = [];
  const record = async () => emptyTally;
  await tellPast(record, new Schedule<Arrival>(), Date.now(), share => shares.push(share));
  expect(shares.length).toBeGreaterThan(5);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBe(1);
});

test('forty minutes of a night as they happen → what another run tells of them later, no more and no less', async () => {
  const begin = Date.UTC(2026, 5, 1, 3, 57, 12, 345);
  const end = begin + 2_400_000;
  const told = (records: Arrival[]) => async (arrivals: readonly Arrival[]) => {
    for (const one of arrivals) records.push(one);
    return emptyTally;
  };
  const [past, present, later]: [Arrival[], Arrival[], Arrival[]] = [[], [], []];
  vi.useFakeTimers({ now: begin, toFake: ['Date'] });
  try {
    const schedule = new Schedule<Arrival>();
    await tellPast(told(past), schedule, begin);
    const stopping = new AbortController();
    const wait = async (ms: number) => {
      vi.setSystemTime(Date.now() + ms);
      if (Date.now() >= end) stopping.abort();
    };
    await tellPresent(told(present), schedule, begin, stopping.signal, { now: Date.now, wait });
    await tellPast(told(later), new Schedule<Arrival>(), end);
  } finally {
    vi.useRealTimers();
  }
  const textsIn = (records: readonly Arrival[]) =>
    records
      .filter(({ dueAt }) => dueAt < end - 1000)
      .map(({ record }) => JSON.stringify(record))
      .toSorted();
  // The later run begins its two days later.
  const since = later.reduce((first, { sentAt }) => Math.min(first, sentAt), end);
  expect(textsIn([...past, ...present].filter(({ sentAt }) => sentAt >= since))).toEqual(textsIn(later));
  expect(present.some(({ record }) => 'campaignReferenceId' in record)).toBe(true);
  expect(present.filter(({ record }) => 'sender' in record).length).toBeGreaterThan(100);
});
