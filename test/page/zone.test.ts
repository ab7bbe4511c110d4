import { describe, expect, test } from 'vitest';
import { inputMoment, inputText } from '../../web/src/view/format.ts';
import { momentOf, momentsOf, turnText, wallMs, zoneNames } from '../../web/src/view/zone.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const year = Date.UTC(2026, 0, 1);

describe.each(['Europe/Zagreb', 'America/New_York', 'Australia/Lord_Howe', 'Africa/Casablanca', 'UTC'])('%s', zone => {
  test('every day of a year, and each half hour of days when clocks change → its wall time names it, or the same time the hour before', () => {
    const ahead = (ms: number) => wallMs(ms, zone) - ms;
    for (let day = year; day < year + 366 * dayMs; day += dayMs) {
      const changes = ahead(day - dayMs) !== ahead(day + 2 * dayMs);
      for (let ms = day; ms < day + dayMs; ms += changes ? hourMs / 2 : dayMs) {
        const wall = wallMs(ms, zone);
        const again = momentOf(wall, zone);
        expect(wallMs(again, zone)).toBe(wall);
        const all = momentsOf(wall, zone);
        expect(all).toContain(ms);
        expect(turnText(ms, zone) === '').toBe(all.length === 1);
        // The first of two: an hour, or half of one, before.
        expect(ms - again === 0 || (ms - again > 0 && ms - again <= hourMs)).toBe(true);
      }
    }
  });

  test('what a form shows of a moment → is read as it', () => {
    const ms = Date.UTC(2026, 6, 1, 14, 5, 7);
    expect(inputMoment(inputText(ms, zone), zone)).toBe(ms);
    expect(inputMoment('', zone)).toBeUndefined();
  });
});

test('zones to choose from → also by their newer names, and whatever a link has chosen', () => {
  const names = zoneNames('Etc/GMT-3');
  for (const name of ['Asia/Kolkata', 'Asia/Kathmandu', 'Europe/Kyiv', 'Europe/Zagreb', 'Etc/GMT-3'])
    expect(names.filter(one => one === name)).toHaveLength(1);
  expect(zoneNames('local')).not.toContain('local');
});

test('a moment of an hour that clocks show twice → told which one', () => {
  const turns = ['2026-10-25T00:30Z', '2026-10-25T01:30Z', '2026-10-25T02:30Z'].map(Date.parse);
  expect(turns.map(ms => turnText(ms, 'Europe/Zagreb'))).toEqual([' (UTC+02:00)', ' (UTC+01:00)', '']);
  expect(turnText(Date.parse('2026-04-04T15:10Z'), 'Australia/Lord_Howe')).toBe(' (UTC+10:30)');
});

test('a wall time that clocks leave out → the moment that it would have been', () => {
  const left = Date.UTC(2026, 2, 29, 2, 30);
  expect(new Date(momentOf(left, 'Europe/Zagreb')).toISOString()).toBe('2026-03-29T01:30:00.000Z');
});
