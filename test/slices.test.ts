import { afterEach, expect, test, vi } from 'vitest';
import { Slices } from '../src/slices.ts';

afterEach(() => vi.restoreAllMocks());

test('much work of many steps → in each turn of the thread one of it goes on, and all of it comes as far', async () => {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const [works, steps] = [8, 40];
  const done = Array.from({ length: works }, () => 0);
  let [inTurn, most, turns, apart] = [new Set<number>(), 0, 0, 0];
  let isOver = false;
  const look = () => {
    // The first turn is the one in which all of it begins.
    if (turns++ > 0) most = Math.max(most, inTurn.size);
    inTurn = new Set();
    apart = Math.max(apart, Math.max(...done) - Math.min(...done));
    if (!isOver) setImmediate(look);
  };
  const all = done.map(async (_, work) => {
    const slices = new Slices();
    for (let step = 0; step < steps; step++) {
      const pause = slices.pause();
      if (pause !== undefined) await pause;
      // Each step takes a quarter of a slice.
      now += 0.5;
      done[work] = (done[work] ?? 0) + 1;
      inTurn.add(work);
    }
  });
  setImmediate(look);
  await Promise.all(all);
  isOver = true;
  expect(done).toEqual(Array.from({ length: works }, () => steps));
  expect(most).toBe(1);
  expect(apart).toBeLessThanOrEqual(8);
});
