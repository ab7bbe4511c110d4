import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { paced } from '../../web/src/log/paced.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Work that takes so long each time, and when it began. */
function working(tookMs: number) {
  const begun: number[] = [];
  let running = 0;
  let together = 0;
  const pace = paced(async () => {
    begun.push(performance.now());
    running += 1;
    together = Math.max(together, running);
    await new Promise(resolve => setTimeout(resolve, tookMs));
    running -= 1;
  });
  return { pace, begun, together: () => together };
}

test('a single event → its work begins within a second', async () => {
  const { pace, begun } = working(20);
  const askedAt = performance.now();
  pace.ask();
  await vi.advanceTimersByTimeAsync(1000);
  expect(begun).toHaveLength(1);
  expect((begun[0] ?? 0) - askedAt).toBeLessThan(1000);
  pace.end();
});

test('a thousand events in ten seconds → a dozen pieces of work, the last after the last event', async () => {
  const { pace, begun, together } = working(20);
  for (let event = 0; event < 1000; event++) {
    pace.ask();
    await vi.advanceTimersByTimeAsync(10);
  }
  const lastAt = performance.now() - 10;
  await vi.advanceTimersByTimeAsync(1000);
  expect(begun.length).toBeGreaterThanOrEqual(10);
  expect(begun.length).toBeLessThanOrEqual(16);
  expect(begun.at(-1)).toBeGreaterThan(lastAt);
  expect(together()).toBe(1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(begun.length).toBeLessThanOrEqual(16);
  pace.end();
});

test('any events, work of any length → each event is followed by work that begins after it, and a fifth of the time at most is work', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 0, max: 4000 }),
      async (pauses, tookMs) => {
        const { pace, begun, together } = working(tookMs);
        let lastAt = 0;
        for (const pause of pauses) {
          await vi.advanceTimersByTimeAsync(pause);
          lastAt = performance.now();
          pace.ask();
        }
        await vi.advanceTimersByTimeAsync(10 * tookMs + 10_000);
        expect(begun.at(-1)).toBeGreaterThanOrEqual(lastAt);
        expect(begun.length).toBeLessThanOrEqual(pauses.length);
        expect(together()).toBe(1);
        for (const [index, at] of begun.entries())
          if (index > 0) expect(at - (begun[index - 1] ?? 0)).toBeGreaterThanOrEqual(5 * tookMs);
        pace.end();
      },
    ),
    { numRuns: 30 },
  );
});

test('ended → nothing more is begun', async () => {
  const { pace, begun } = working(20);
  pace.ask();
  pace.end();
  pace.ask();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(begun).toEqual([]);
});
