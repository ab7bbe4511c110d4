import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stretchOf } from '../../web/src/parts/overview/bars.ts';

const bucketMs = 60_000;
const starts = Array.from({ length: 80 }, (_, index) => 1_000_000_000 + index * bucketMs);
const at = (bar: number) => 1_000_000_000 + bar * bucketMs;

test.each([
  ['half of one bar and half of the next', 3.5, 4.5, [3, 5]],
  ['a part of one bar', 3.2, 3.4, [3, 4]],
  ['whole bars', 3, 5, [3, 5]],
  ['bars and a sliver of another', 3, 5.01, [3, 6]],
  ['all, and beyond it', -1, 99, [0, 80]],
])('a drag over %s → each bar that was touched, whole', (_, from, until, [first = 0, end = 0]) => {
  expect(stretchOf(starts, bucketMs, at(from), at(until))).toEqual([at(first), at(end)]);
});

test('any drag → begins and ends with bars, leaves out nothing that was touched and takes in no other', () => {
  const place = fc.double({ min: 0, max: 80, noNaN: true });
  fc.assert(
    fc.property(place, place, (one, other) => {
      const [from, until] = [Math.min(one, other), Math.max(one, other)].map(at);
      const [sinceMs = 0, untilMs = 0] = stretchOf(starts, bucketMs, from ?? 0, until ?? 0) ?? [];
      expect([(sinceMs - at(0)) % bucketMs, (untilMs - at(0)) % bucketMs]).toEqual([0, 0]);
      expect(sinceMs <= (from ?? 0) && (from ?? 0) - sinceMs <= bucketMs).toBe(true);
      expect(untilMs >= (until ?? 0) && untilMs > sinceMs && untilMs - (until ?? 0) <= bucketMs).toBe(true);
    }),
  );
});

test('no bars → no range', () => {
  expect(stretchOf([], bucketMs, 0, 1)).toBeUndefined();
});
