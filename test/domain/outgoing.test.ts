import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DeliveryWindow, nextWithin, weekDays } from '../../src/domain/outgoing.ts';

const minuteMs = 60_000;
const dayMinutes = 1440;

/** Asked minute by minute, by the calendar of JavaScript. */
function isInside({ days, fromMinute = 0, toMinute = dayMinutes }: DeliveryWindow, at: number): boolean {
  const dayOf = (ms: number) => weekDays[(new Date(ms).getUTCDay() + 6) % 7] ?? 'MONDAY';
  const minute = new Date(at).getUTCHours() * 60 + new Date(at).getUTCMinutes();
  if (toMinute > fromMinute) return days.includes(dayOf(at)) && minute >= fromMinute && minute < toMinute;
  return (
    (days.includes(dayOf(at)) && minute >= fromMinute) ||
    (days.includes(dayOf(at - dayMinutes * minuteMs)) && minute < toMinute)
  );
}

describe('a delivery time window', () => {
  it('any window and moment → the first moment inside', () => {
    const windows = fc.record({
      days: fc.uniqueArray(fc.constantFrom(...weekDays), { minLength: 1 }),
      fromMinute: fc.integer({ min: 0, max: dayMinutes - 1 }),
      toMinute: fc.integer({ min: 0, max: dayMinutes - 1 }),
    });
    const start = Date.UTC(2026, 0, 1);
    fc.assert(
      fc.property(
        windows.filter(one => one.fromMinute !== one.toMinute),
        fc.integer({ min: 0, max: 20 * dayMinutes }),
        (window, minutes) => {
          let at = start + minutes * minuteMs;
          const found = nextWithin(window, at);
          while (!isInside(window, at)) at += minuteMs;
          expect(found).toBe(at);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('no window → at once; whole days → their midnight', () => {
    const friday = Date.UTC(2026, 5, 5, 9, 30);
    expect(nextWithin(undefined, friday)).toBe(friday);
    expect(nextWithin({ days: ['MONDAY'] }, friday)).toBe(Date.UTC(2026, 5, 8));
    expect(nextWithin({ days: ['FRIDAY'] }, friday)).toBe(friday);
  });
});
