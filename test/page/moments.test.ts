import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shortMomentText, spanText } from '../../web/src/view/format.ts';
import { momentOf } from '../../web/src/view/zone.ts';

const nowMs = Date.UTC(2026, 10, 30, 7, 30);
const dayMs = 86_400_000;

test.each([
  ['2026-11-30T07:20:56.000+0000', '30 Nov 08:20:56'],
  ['2026-01-15T00:00:00.000+0000', '15 Jan 01:00:00'],
  ['2025-11-30T07:20:56.000+0000', '30 Nov 2025 08:20'],
  ['2025-12-01T07:20:56.000+0000', '01 Dec 2025 08:20'],
])('%s → %s', (moment, text) => {
  expect(shortMomentText(moment, 'Europe/Zagreb', nowMs)).toBe(text);
});

test('two days of two years → never the same text', () => {
  const day = fc.integer({ min: 0, max: 800 });
  fc.assert(
    fc.property(day, day, (one, other) => {
      fc.pre(one !== other);
      const [first, second] = [one, other].map(days => shortMomentText(nowMs - days * dayMs, 'UTC', nowMs));
      expect(first).not.toBe(second);
    }),
  );
});

const inZagreb = (text: string) => momentOf(Date.parse(`${text}Z`), 'Europe/Zagreb');

test.each([
  ['2026-11-28T14:00', '2026-11-28T15:00', '28 Nov 14:00 – 15:00'],
  ['2026-11-28T14:00:00', '2026-11-28T14:00:10', '28 Nov 14:00:00 – 14:00:10'],
  ['2026-11-28T23:00', '2026-11-29T00:00', '28 Nov 23:00 – 00:00'],
  ['2026-11-28T22:00', '2026-11-29T02:00', '28 Nov 22:00 – 29 Nov 02:00'],
  ['2026-11-28T00:00', '2026-11-29T00:00', '28 Nov'],
  ['2026-11-26T00:00', '2026-12-01T00:00', '26 Nov – 30 Nov'],
  ['2025-11-26T00:00', '2025-12-01T00:00', '26 Nov 2025 – 30 Nov 2025'],
  ['2026-10-25T02:00', '2026-10-25T03:00', '25 Oct 02:00 (UTC+02:00) – 03:00'],
])('from %s to %s → %s', (from, until, text) => {
  expect(spanText(inZagreb(from), inZagreb(until), 'Europe/Zagreb', nowMs)).toBe(text);
});
