import fc from 'fast-check';
import { expect, test } from 'vitest';
import { minuteMs, summaryRange } from '../../src/domain/summary.ts';
import { clockOf, wallMs } from '../../src/domain/wall-clock.ts';

const dayMs = 1440 * minuteMs;
const moment = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2028, 0, 1) });
const asked = fc.record({
  from: moment,
  spanMs: fc.oneof(fc.integer({ min: 1, max: dayMs }), fc.integer({ min: 1, max: 800 * dayMs })),
  bucketsMax: fc.integer({ min: 1, max: 200 }),
  timeZone: fc.constantFrom(
    undefined,
    'UTC',
    'Europe/Zagreb',
    'America/St_Johns',
    'Asia/Kathmandu',
    'Australia/Lord_Howe',
  ),
});

test('any range in any zone → as many buckets as may be at most, which cover it, begin on whole minutes and are equal', () => {
  fc.assert(
    fc.property(asked, fc.boolean(), ({ from, spanMs, bucketsMax, timeZone }, isEnded) => {
      const end = from + spanMs;
      const filter = { sentSince: from, ...(isEnded && { sentUntil: end }) };
      const range = summaryRange(filter, 0, end, bucketsMax, timeZone);
      const { firstBucket, bucketMs, buckets } = range;
      expect(buckets).toBeGreaterThan(0);
      expect(buckets).toBeLessThanOrEqual(bucketsMax);
      expect([firstBucket % minuteMs, bucketMs % minuteMs]).toEqual([0, 0]);
      expect(firstBucket).toBeLessThanOrEqual(from);
      // No bucket lies wholly outside: it would stand there empty, as if nothing had been sent.
      expect(firstBucket + bucketMs).toBeGreaterThan(from);
      const lastBucket = firstBucket + (buckets - 1) * bucketMs;
      expect(lastBucket).toBeLessThan(end);
      expect(lastBucket + bucketMs).toBeGreaterThanOrEqual(end);
    }),
  );
});

test('by the clock of a zone → buckets begin on round times there, as long as a clock divides its day', () => {
  const zoned = asked.filter(({ timeZone }) => timeZone !== undefined);
  fc.assert(
    fc.property(zoned, ({ from, spanMs, bucketsMax, timeZone = 'UTC' }) => {
      const end = from + spanMs;
      const range = summaryRange({ sentSince: from }, 0, end, bucketsMax, timeZone);
      const { bucketMs } = range;
      const lastBucket = range.firstBucket + (range.buckets - 1) * bucketMs;
      const aheadMs = (ms: number) => wallMs(ms, clockOf(timeZone)) - ms;
      // A change of clocks between the two shifts what was round.
      const shiftMs = aheadMs(lastBucket) - aheadMs(end);
      expect((wallMs(lastBucket, clockOf(timeZone)) - shiftMs) % Math.min(bucketMs, dayMs)).toBe(0);
      expect(bucketMs < dayMs ? dayMs % bucketMs : bucketMs % dayMs).toBe(0);
    }),
  );
});

test.each([
  ['Europe/Zagreb', Date.UTC(2026, 10, 1)],
  ['Australia/Lord_Howe', Date.UTC(2026, 9, 10)],
  ['Africa/Casablanca', Date.UTC(2026, 2, 28)],
])('days of which clocks were changed in %s → those since then are days there', (timeZone, end) => {
  const { firstBucket, bucketMs, buckets } = summaryRange({ sentSince: end - 30 * dayMs }, 0, end, 40, timeZone);
  expect(bucketMs).toBe(dayMs);
  const last = firstBucket + (buckets - 1) * bucketMs;
  expect([last, last - bucketMs].map(ms => wallMs(ms, clockOf(timeZone)) % dayMs)).toEqual([0, 0]);
});

test.each([
  ['an hour', 3_600_000, 80, 1],
  ['six hours', 6 * 3_600_000, 80, 5],
  ['a day', dayMs, 80, 20],
  ['two days', 2 * dayMs, 80, 60],
  ['thirty days', 30 * dayMs, 80, 720],
  ['a year', 365 * dayMs, 80, 5 * 1440],
])('%s → buckets that somebody would choose', (_, spanMs, bucketsMax, minutes) => {
  const from = Date.UTC(2026, 10, 29, 17, 42);
  const { bucketMs } = summaryRange({ sentSince: from }, 0, from + spanMs, bucketsMax, 'Europe/Zagreb');
  expect(bucketMs).toBe(minutes * minuteMs);
});
