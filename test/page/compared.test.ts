import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GroupCounts, Summary } from '../../src/client/index.ts';
import { barsOf, beforeOf, laterBy } from '../../web/src/parts/overview/bars.ts';
import { changeText, isComparable } from '../../web/src/view/change.ts';

const counts = (count: number): GroupCounts => ({
  ...{ ACCEPTED: 0, PENDING: 0, UNDELIVERABLE: 0, EXPIRED: 0, REJECTED: 0 },
  DELIVERED: count,
});

/** Figures of a range as the server has them: its buckets begin on multiples of their length, the first with the range. */
function figuresOf(fromMs: number, toMs: number, bucketMs: number, countOf: (index: number) => number) {
  const buckets = [];
  for (let at = fromMs; at < toMs; at = (Math.floor(at / bucketMs) + 1) * bucketMs)
    buckets.push({ from: new Date(at).toISOString(), groups: counts(countOf(buckets.length)) });
  return { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), bucketMs, complete: true, buckets };
}

describe('the line of the time before', () => {
  test('whatever the ranges and their buckets → as many points as bars, and every message of then is in one of them', () => {
    const range = fc.record({
      fromMs: fc.integer({ min: 1_000_000, max: 2_000_000 }),
      spanMs: fc.integer({ min: 1, max: 60_000 }),
      backMs: fc.integer({ min: 1, max: 1_000_000 }),
      bucketMs: fc.integer({ min: 1000, max: 7000 }),
    });
    fc.assert(
      fc.property(range, ({ fromMs, spanMs, backMs, bucketMs }) => {
        const own = figuresOf(fromMs, fromMs + spanMs, bucketMs, () => 1);
        const compared = figuresOf(fromMs - backMs, fromMs + spanMs - backMs, bucketMs, index => index + 1);
        const bars = barsOf(own);
        const before = beforeOf(bars, { ...own, compared });
        expect(before).toHaveLength(bars.length);
        const sum = (all: readonly (number | null)[]) => all.reduce<number>((total, one) => total + (one ?? 0), 0);
        expect(sum(before)).toBe(sum(compared.buckets.map(({ groups }) => groups.DELIVERED)));
      }),
    );
  });

  test('a day before, in the middle of a bucket → bucket by bucket', () => {
    const [fromMs, dayMs] = [Date.UTC(2026, 10, 29, 0, 0, 50), 86_400_000];
    const own = figuresOf(fromMs, fromMs + 180_000, 60_000, () => 1);
    const compared = figuresOf(fromMs - dayMs, fromMs - dayMs + 180_000, 60_000, index => 10 + index);
    expect(beforeOf(barsOf(own), { ...own, compared })).toEqual([10, 11, 12, 13]);
  });

  test('a day that is an hour longer, from midnight on → each hour beside that of the same name', () => {
    const [fromMs, hourMs] = [Date.UTC(2026, 9, 25, 23), 3_600_000];
    const own = figuresOf(fromMs, fromMs + 6 * hourMs, hourMs, () => 1);
    // Summer time ended in the third hour, so that there were two of it.
    const compared = figuresOf(fromMs - 25 * hourMs, fromMs - 18 * hourMs, hourMs, index => 10 + index);
    const later = laterBy('yesterday', 'Europe/Zagreb');
    expect(beforeOf(barsOf(own), { ...own, compared }, later)).toEqual([10, 11, 12 + 13, 14, 15, 16]);
    expect(laterBy('previous', 'Europe/Zagreb')).toBeUndefined();
  });

  test('what could not be counted in time → no point, and no 0', () => {
    const own = figuresOf(0, 240_000, 60_000, () => 1);
    const whole = figuresOf(600_000, 840_000, 60_000, index => index);
    const compared = { ...whole, complete: false, buckets: whole.buckets.slice(2) };
    expect(beforeOf(barsOf(own), { ...own, compared })).toEqual([null, null, 2, 3]);
    expect(beforeOf(barsOf(own), own)).toEqual([]);
  });
});

describe('more or less than before', () => {
  test.each([
    [100_001, 100_000, 'less than 0.1 % more'],
    [99_999, 100_000, 'less than 0.1 % less'],
    [1001, 1000, '+0.1 %'],
    [112, 100, '+12 %'],
    [1099, 1000, '+9.9 %'],
    [10_996, 10_000, '+10 %'],
    [50, 100, '−50 %'],
    [1, 1_000_000, '−99 %'],
    [0, 7, '−100 %'],
    [399, 100, '+299 %'],
    [400, 100, '4 times as many'],
    [7, 7, 'the same'],
    [7, 0, undefined],
    [undefined, 7, undefined],
    [7, undefined, undefined],
  ])('%s now, %s before → %s', (now, before, text) => {
    expect(changeText(now, before)).toBe(text);
    expect(changeText(now, before, 'short')).toBe(text?.replace(/^(.*) times as many$/, '× $1'));
  });

  test('of a time with a gap, or beside one that is not whole → not told', () => {
    const whole: Omit<Summary, 'compared'> = figuresOf(0, 60_000, 60_000, () => 1);
    const gaps = [{ from: whole.from, to: whole.to, reason: 'the other side was away' }];
    expect(isComparable({ ...whole, compared: whole })).toBe(true);
    expect(isComparable(whole)).toBe(false);
    expect(isComparable({ ...whole, compared: { ...whole, complete: false } })).toBe(false);
    expect(isComparable({ ...whole, compared: { ...whole, complete: false, gaps } })).toBe(false);
    expect(isComparable({ ...whole, complete: false, gaps, compared: whole })).toBe(false);
  });
});
