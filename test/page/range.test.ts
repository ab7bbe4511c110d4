import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inputText } from '../../web/src/view/format.ts';
import {
  boundsOf,
  fixed,
  isOver,
  isPreset,
  presets,
  presetsWithin,
  type Range,
  rangeFlaw,
} from '../../web/src/view/range.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

describe('a relative range', () => {
  test('today, at any moment, in zones of every kind → begins at midnight by that clock, within a day of now', () => {
    const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu');
    fc.assert(
      fc.property(
        fc.date({ min: new Date('2020-01-01'), max: new Date('2035-01-01'), noInvalidDate: true }),
        zones,
        (now, zone) => {
          const { sinceMs = Number.NaN } = boundsOf({ range: { last: 'today' }, zone }, now.getTime());
          expect(inputText(sinceMs, zone).slice(11)).toBe('00:00:00');
          expect(inputText(sinceMs, zone).slice(0, 10)).toBe(inputText(now.getTime(), zone).slice(0, 10));
        },
      ),
    );
  });

  test('a day → the one before it is still within two days; an hour is a whole one', () => {
    const nowMs = Date.UTC(2026, 10, 29, 9, 30, 59, 999);
    const { sinceMs = 0 } = boundsOf({ range: { last: '24h' }, zone: 'UTC' }, nowMs);
    expect(sinceMs - dayMs).toBeGreaterThan(nowMs - 2 * dayMs + 60_000);
    expect(nowMs - (boundsOf({ range: { last: '1h' }, zone: 'UTC' }, nowMs).sinceMs ?? 0)).toBeGreaterThanOrEqual(
      hourMs,
    );
  });
});

test.each<[Range, Range]>([
  [{ last: '1h' }, { sinceMs: 30 * 60_000, untilMs: 90 * 60_000 }],
  [{ last: 'all' }, { sinceMs: 5, untilMs: 90 * 60_000 }],
  [{ sinceMs: 7 }, { sinceMs: 7, untilMs: 90 * 60_000 }],
  [{ untilMs: 8 }, { sinceMs: 5, untilMs: 8 }],
  [
    { sinceMs: 7, untilMs: 8 },
    { sinceMs: 7, untilMs: 8 },
  ],
  [{ sinceMs: 99 * 60_000 }, { sinceMs: 99 * 60_000, untilMs: 99 * 60_000 + 1 }],
])('%j, made fixed → has both its moments', (range, moments) => {
  const view = { range, zone: 'UTC' };
  const whole = { sinceMs: 5, untilMs: 90 * 60_000 };
  expect(fixed(view, 90 * 60_000, whole)).toEqual({ ...view, range: moments });
});

test('what was asked for is over → when midnight has passed, or as long as the range is; never of a fixed one or of all', () => {
  const atMs = Date.UTC(2026, 10, 29, 22, 59, 30);
  const today = { range: { last: 'today' }, zone: 'Europe/Berlin' } as const;
  expect([29_999, 30_001].map(later => isOver(today, atMs, atMs + later))).toEqual([false, true]);
  const hour = { range: { last: '1h' }, zone: 'UTC' } as const;
  expect([59 * 60_000, 61 * 60_000].map(later => isOver(hour, atMs, atMs + later))).toEqual([false, true]);
  for (const range of [{ last: 'all' }, { sinceMs: atMs + 1 }] as const)
    expect(isOver({ range, zone: 'UTC' }, atMs, atMs + 400 * dayMs)).toBe(false);
});

test.each([
  [2, ['48h', 'all']],
  [7, ['48h', 'all']],
  [30, ['48h', '7d', 'all']],
  [90, ['7d', '30d', 'all']],
  [3650, ['90d', '1y', 'all']],
])('a log that goes back %s days → offers ranges as far, and all of it', (days, last) => {
  expect(presetsWithin(days * dayMs).slice(-last.length)).toEqual(last);
});

test('a range that a link chooses → offered, in its place, though the log does not go back so far', () => {
  const names = Object.keys(presets).filter(isPreset);
  for (const name of names) {
    const offered = presetsWithin(2 * dayMs, name);
    expect(offered).toContain(name);
    expect(offered).toEqual(names.filter(one => offered.includes(one)));
  }
  expect(presetsWithin(2 * dayMs)).not.toContain('7d');
});

test('a range without a moment → whether its end is before its beginning or at it', () => {
  expect(rangeFlaw(1, 2)).toBeUndefined();
  expect(rangeFlaw(-Infinity, Infinity)).toBeUndefined();
  expect(rangeFlaw(2, 2)).toBe('The range ends where it begins.');
  expect(rangeFlaw(3, 2)).toBe('The range ends before it begins.');
});
