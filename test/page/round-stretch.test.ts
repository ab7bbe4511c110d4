import fc from 'fast-check';
import { expect, test } from 'vitest';
import { roundStretch } from '../../web/src/view/round-stretch.ts';
import { wallMs } from '../../web/src/view/zone.ts';

const minuteMs = 60_000;
const iso = (ms: number) => new Date(ms).toISOString();
const between = (from: string, until: string, bucketMinutes: number, zone: string) =>
  roundStretch(Date.parse(from), Date.parse(until), bucketMinutes * minuteMs, zone).map(iso);

test.each([
  [
    '24-minute bars of a day',
    '2026-11-28T23:08:11Z',
    '2026-11-29T01:56:03Z',
    24,
    'Europe/Oslo',
    ['2026-11-28T23:00:00.000Z', '2026-11-29T02:00:00.000Z'],
  ],
  [
    'bars of a minute',
    '2026-11-28T14:04:50Z',
    '2026-11-28T14:07:20Z',
    1,
    'UTC',
    ['2026-11-28T14:05:00.000Z', '2026-11-28T14:07:00.000Z'],
  ],
  [
    'less than a bar',
    '2026-11-28T14:04:50Z',
    '2026-11-28T14:04:59Z',
    6,
    'UTC',
    ['2026-11-28T14:00:00.000Z', '2026-11-28T14:10:00.000Z'],
  ],
  [
    'days, by the clock of the zone',
    '2026-11-20T20:00:00Z',
    '2026-11-27T01:00:00Z',
    1000,
    'Asia/Kathmandu',
    ['2026-11-20T18:15:00.000Z', '2026-11-26T18:15:00.000Z'],
  ],
  [
    'the hour that clocks show for the second time',
    '2026-10-25T01:02:00Z',
    '2026-10-25T01:28:00Z',
    10,
    'Europe/Zagreb',
    ['2026-10-25T01:00:00.000Z', '2026-10-25T01:30:00.000Z'],
  ],
  [
    'the half hour that clocks show for the second time',
    '2026-04-04T15:04:00Z',
    '2026-04-04T15:22:00Z',
    10,
    'Australia/Lord_Howe',
    ['2026-04-04T15:00:00.000Z', '2026-04-04T15:20:00.000Z'],
  ],
])('a drag over %s → ends on round times', (_, from, until, minutes, zone, ends) => {
  expect(between(from, until, minutes, zone)).toEqual(ends);
});

test('any drag in any zone → each end within a step of where it was, on a round time, and the later one later', () => {
  const names = [
    'UTC',
    'Europe/Zagreb',
    'America/New_York',
    'Asia/Kathmandu',
    'Australia/Lord_Howe',
    'Africa/Casablanca',
  ];
  const zone = fc.constantFrom(...names);
  const changes = ['2026-10-25T01:00Z', '2026-11-01T06:00Z', '2026-04-04T15:00Z', '2026-02-15T02:00Z'].map(Date.parse);
  const nearChange = fc
    .tuple(fc.constantFrom(...changes), fc.integer({ min: -7_200_000, max: 7_200_000 }))
    .map(([ms, apart]) => ms + apart);
  const moment = fc.oneof(fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2027, 0, 1) }), nearChange);
  const minutes = fc.integer({ min: 1, max: 60 });
  fc.assert(
    fc.property(moment, fc.integer({ min: 0, max: 86_400_000 }), minutes, zone, (fromMs, spanMs, bucket, zone) => {
      const [from, until] = roundStretch(fromMs, fromMs + spanMs, bucket * minuteMs, zone);
      expect(until).toBeGreaterThan(from);
      // A step is at most twice and a half a bar; where clocks are put back by half an hour, that is more.
      const slackMs = zone === 'Australia/Lord_Howe' && bucket > 30 ? 30 * minuteMs : 0;
      expect(Math.abs(from - fromMs)).toBeLessThanOrEqual((2.5 * bucket * minuteMs) / 2 + slackMs);
      expect(wallMs(from, zone) % minuteMs).toBe(0);
    }),
  );
});
