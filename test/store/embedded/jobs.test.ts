import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Jobs, type Steps } from '../../../src/store/embedded/search/jobs.ts';

/** A clock that each step of work moves on, so that slices are counted and not timed. */
class Bench {
  now = 0;
  readonly done: number[] = [];
  readonly #over = Promise.withResolvers<void>();
  readonly jobs = new Jobs(() => this.now);
  readonly pauses = new Map<number, number>();
  mostBytes = 0;
  #held = new Map<number, number>();
  #left = 0;

  /** Work of so many steps, a millisecond and some bytes each. */
  add(id: number, account: number, steps: number, bytesAStep = 0): void {
    this.#left++;
    this.jobs.add({ id, account, steps: this.#work(id, steps, bytesAStep), failed: error => this.#over.reject(error) });
  }

  *#work(id: number, steps: number, bytesAStep: number): Steps<void> {
    for (let step = 1; step <= steps; step++) {
      this.now++;
      this.#held.set(id, step * bytesAStep);
      this.mostBytes = Math.max(
        this.mostBytes,
        [...this.#held.values()].reduce((a, b) => a + b, 0),
      );
      if (yield step * bytesAStep) this.pauses.set(id, (this.pauses.get(id) ?? 0) + 1);
    }
    this.done.push(id);
    this.#held.delete(id);
    if (--this.#left === 0) this.#over.resolve();
  }

  cancelled(): void {
    if (--this.#left === 0) this.#over.resolve();
  }

  over(): Promise<void> {
    return this.#over.promise;
  }
}

test('one hard question and a hundred small ones of anybody → the small ones are answered first', async () => {
  const bench = new Bench();
  bench.add(0, 1, 10_000);
  for (let id = 1; id <= 100; id++) bench.add(id, 1 + (id % 3), 1);
  await bench.over();
  expect(bench.done.at(-1)).toBe(0);
  expect(bench.done.slice(0, 100).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  expect(bench.pauses.get(0)).toBeGreaterThan(90);
});

test('an account with hundreds of questions and one with a few → the few wait for a slice each, not for the hundreds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 5 }), async (steps, few) => {
      const bench = new Bench();
      for (let id = 0; id < 200; id++) bench.add(id, 1, steps);
      for (let id = 1000; id < 1000 + few; id++) bench.add(id, 2, 1);
      await bench.over();
      const last = bench.done.indexOf(999 + few);
      expect(last).toBeLessThan(3 * few);
    }),
    { numRuns: 20 },
  );
});

test('many long answers at once → few of them are held, and short ones come all the same', async () => {
  const bench = new Bench();
  const mebibyte = 1024 * 1024;
  for (let id = 0; id < 60; id++) bench.add(id, 1 + (id % 4), 50, mebibyte);
  for (let id = 1000; id < 1010; id++) bench.add(id, 7, 3, 1000);
  await bench.over();
  expect(bench.done).toHaveLength(70);
  // Each of the sixty may have one step before it is known to be long.
  expect(bench.mostBytes).toBeLessThan((64 + 60 + 50) * mebibyte);
  expect(bench.done.slice(0, 30).filter(id => id >= 1000)).toHaveLength(10);
});

test('given up, waiting or begun → no more work for it', async () => {
  const bench = new Bench();
  bench.add(0, 1, 1_000_000);
  bench.add(1, 1, 1_000_000);
  bench.add(2, 1, 50);
  bench.jobs.cancel(1);
  bench.cancelled();
  setImmediate(() =>
    setImmediate(() => {
      bench.jobs.cancel(0);
      bench.cancelled();
    }),
  );
  await bench.over();
  expect(bench.now).toBeLessThan(1000);
  expect(bench.done).toEqual([2]);
});
