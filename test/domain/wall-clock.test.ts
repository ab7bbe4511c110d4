import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { daysBefore, isTimeZone } from '../../src/domain/wall-clock.ts';

const at = (text: string) => Date.parse(text);
const text = (moment: number) => new Date(moment).toISOString().slice(0, 16);
const hourMs = 3_600_000;

describe('the same by the clock a day before', () => {
  test.each([
    ['Europe/Zagreb', 'begins', '2026-03-29T22:00Z', '2026-03-28T23:00', 23],
    ['Europe/Zagreb', 'ends', '2026-10-25T23:00Z', '2026-10-24T22:00', 25],
    ['America/New_York', 'begins', '2026-03-09T04:00Z', '2026-03-08T05:00', 23],
    ['America/New_York', 'ends', '2026-11-02T05:00Z', '2026-11-01T04:00', 25],
    ['Australia/Lord_Howe', 'begins', '2026-10-04T13:00Z', '2026-10-03T13:30', 23.5],
    ['Australia/Lord_Howe', 'ends', '2026-04-05T13:30Z', '2026-04-04T13:00', 24.5],
  ])(
    '%s, midnight after the night in which summer time %s → midnight before it',
    (zone, _, midnight, before, hours) => {
      expect(text(daysBefore(at(midnight), 1, zone))).toBe(before);
      expect(at(midnight) - daysBefore(at(midnight), 1, zone)).toBe(hours * hourMs);
      // A week that has that day in it is as much longer or shorter, and the day after is a plain one.
      expect(at(midnight) - daysBefore(at(midnight), 7, zone)).toBe((6 * 24 + hours) * hourMs);
      const dayAfter = at(midnight) + 24 * hourMs;
      expect(daysBefore(dayAfter, 1, zone)).toBe(at(midnight));
    },
  );

  test('what the clock showed twice → the first time; what it never showed → as without the change', () => {
    expect(text(daysBefore(at('2026-10-26T01:30Z'), 1, 'Europe/Zagreb'))).toBe('2026-10-25T00:30');
    expect(text(daysBefore(at('2026-03-30T00:30Z'), 1, 'Europe/Zagreb'))).toBe('2026-03-29T01:30');
  });

  test('any moment by the clock of UTC → as many times 24 hours, to the millisecond', () => {
    const moment = fc.integer({ min: at('1971-01-01T00:00Z'), max: at('2100-01-01T00:00Z') });
    fc.assert(
      fc.property(moment, fc.constantFrom(1, 7), (one, days) => {
        expect(daysBefore(one, days, 'UTC')).toBe(one - days * 24 * hourMs);
      }),
    );
  });

  test('any moment by any clock → what the clock shows then, the day before, unless it never did', () => {
    const zones = ['Europe/Zagreb', 'America/New_York', 'Australia/Lord_Howe', 'Africa/Casablanca', 'Asia/Kathmandu'];
    const moment = fc.integer({ min: at('2020-01-01T00:00Z'), max: at('2027-01-01T00:00Z') });
    fc.assert(
      fc.property(moment, fc.constantFrom(...zones), (one, timeZone) => {
        const clock = new Intl.DateTimeFormat('en-GB', { timeZone, timeStyle: 'medium' });
        const before = daysBefore(one, 1, timeZone);
        const apartMs = one - before - 24 * hourMs;
        expect([-hourMs, -hourMs / 2, 0, hourMs / 2, hourMs]).toContain(apartMs);
        if (clock.format(before) !== clock.format(one)) expect(Math.abs(apartMs)).toBeLessThanOrEqual(hourMs);
        else expect(before % 1000).toBe(one % 1000);
      }),
    );
  });
});

test.each([
  ['Europe/Zagreb', true],
  ['Asia/Calcutta', true],
  ['UTC', true],
  ['', false],
  ['Europe/Zagreb ', false],
  ['Mars/Olympus', false],
  ['x'.repeat(10_000), false],
])('%s → a time zone: %s', (name, isOne) => {
  expect(isTimeZone(name)).toBe(isOne);
});
