import { expect, test } from 'vitest';
import { emptyTally } from '../../scripts/demo/recorder.ts';
import { Schedule } from '../../scripts/demo/schedule.ts';
import { tellPast } from '../../scripts/demo/tell.ts';
import type { Arrival } from '../../scripts/demo/traffic.ts';

test('the past is told → how much of it, time and again, up to the whole', async () => {
  const shares: number[] = [];
  const record = async () => emptyTally;
  await tellPast(record, new Schedule<Arrival>(), Date.now(), share => shares.push(share));
  expect(shares.length).toBeGreaterThan(5);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBe(1);
});
