import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DateTimeWriter,
  dateTimePattern,
  earliestMs,
  formatDateTime,
  latestMs,
  parseDateTime,
} from '../../src/wire/date-time.ts';
import { anyText } from '../support/any-text.ts';

const anyMoment = fc.integer({ min: earliestMs, max: latestMs });

describe('parseDateTime', () => {
  const moment = Date.UTC(2020, 1, 22, 16, 42, 5, 390);

  test.each([
    '2020-02-22T17:42:05.390+01:00',
    '2020-02-22T17:42:05.390+0100',
    '2020-02-22T17:42:05.390+01',
    '2020-02-22T17:42:05.390 01:00',
    '2020-02-22T17:42:05.390 0100',
    '2020-02-22T17:42:05.390 01',
    '2020-02-22T16:42:05.390Z',
    '2020-02-22T16:42:05.390+00:00',
    '2020-02-22T16:42:05.390-0000',
    '2020-02-22T11:12:05.390-05:30',
    '2020-02-22T16:42:05.39Z',
    '2020-02-22T16:42:05.3909Z',
    '2020-02-22T16:42:05.390999999Z',
    '2020-02-22t16:42:05.390z',
  ])('%s → the moment', text => {
    expect(parseDateTime(text)).toBe(moment);
  });

  test.each([
    ['2020-02-22T16:42:05Z', 0],
    ['2020-02-22T16:42:05.1Z', 100],
    ['2020-02-22T16:42:05.12Z', 120],
    ['2020-02-22T16:42:05.1239Z', 123],
    ['2020-02-22T16:42:05.000999999Z', 0],
  ])('%s → %i ms after the second', (text, milliseconds) => {
    expect(parseDateTime(text)).toBe(Date.UTC(2020, 1, 22, 16, 42, 5, milliseconds));
  });

  test.each(['2026-11-28T21:00Z', '2026-11-28t22:00+01:00', '2026-11-28T22:00 0100', '2026-11-28T20:00-01'])(
    '%s → seconds of 0',
    text => {
      expect(parseDateTime(text)).toBe(Date.UTC(2026, 10, 28, 21));
    },
  );

  test.each([
    ['no offset', '2020-02-22T17:42:05.390'],
    ['ten fraction digits', '2020-02-22T17:42:05.1234567890Z'],
    ['a leap day of a common year', '2021-02-29T00:00:00Z'],
    ['a leap day of a century', '1900-02-29T00:00:00Z'],
    ['the thirty-first of April', '2020-04-31T00:00:00Z'],
    ['month 13', '2020-13-01T00:00:00Z'],
    ['month 0', '2020-00-01T00:00:00Z'],
    ['day 0', '2020-01-00T00:00:00Z'],
    ['hour 24', '2020-01-01T24:00:00Z'],
    ['minute 60', '2020-01-01T00:60:00Z'],
    ['a leap second', '2016-12-31T23:59:60Z'],
    ['an offset beyond 18 hours', '2020-01-01T00:00:00+19:00'],
    ['an offset of 60 minutes', '2020-01-01T00:00:00+01:60'],
    ['an offset of one digit', '2020-01-01T00:00:00+1'],
    ['an offset with half its minutes', '2020-01-01T00:00:00+01:0'],
    ['something after the offset', '2020-01-01T00:00:00Z '],
    ['something before the year', ' 2020-01-01T00:00:00Z'],
    ['a space between date and time', '2020-01-01 00:00:00Z'],
    ['a comma before the fraction', '2020-01-01T00:00:00,5Z'],
    ['no seconds, but their colon', '2020-01-01T00:00:Z'],
    ['a fraction without seconds', '2020-01-01T00:00.5Z'],
    ['no minutes', '2020-01-01T00Z'],
    ['the year 0', '0000-12-31T23:59:59Z'],
    ['epoch milliseconds', '1582389725390'],
    ['nothing', ''],
    ['digits of another script', '２０２０-01-01T00:00:00Z'],
  ])('%s → undefined', (_what, text) => {
    expect(parseDateTime(text)).toBeUndefined();
  });

  test('leap days of leap years → real days', () => {
    expect(parseDateTime('2000-02-29T00:00:00Z')).toBe(Date.UTC(2000, 1, 29));
    expect(parseDateTime('2024-02-29T00:00:00Z')).toBe(Date.UTC(2024, 1, 29));
  });

  test('any moment in any offset → what Date understands', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: earliestMs + 86_400_000, max: latestMs - 86_400_000 }),
        fc.integer({ min: -18 * 60, max: 18 * 60 }),
        (moment, offsetMinutes) => {
          const local = new Date(moment + offsetMinutes * 60_000).toISOString().slice(0, 23);
          const size = Math.abs(offsetMinutes);
          const pad = (value: number) => String(value).padStart(2, '0');
          const offset = `${offsetMinutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
          expect(parseDateTime(local + offset)).toBe(moment);
        },
      ),
    );
  });

  test('years 0 and 10000 in UTC → the first moment and the last', () => {
    expect(parseDateTime('0001-01-01T00:00:00+00:01')).toBe(earliestMs);
    expect(parseDateTime('9999-12-31T23:59:59-00:01')).toBe(latestMs);
  });

  test('any text of the pattern, and any near it → a moment where the pattern says so', () => {
    const pattern = new RegExp(dateTimePattern);
    const dates = fc.stringMatching(pattern);
    const near = fc
      .tuple(dates, fc.nat({ max: 34 }), fc.constantFrom(...'0123459-:+.TtZz ', ''))
      .map(([text, at, put]) => text.slice(0, at) + put + text.slice(at + 1));
    const borders = fc.constantFrom(
      '0000-02-29T00:00Z',
      '0000-01-01T00:00Z',
      '0001-01-01T00:00+18',
      '9999-12-31T23:59-18',
    );
    fc.assert(
      fc.property(fc.oneof(dates, near, near, borders), text => {
        expect(parseDateTime(text) !== undefined, text).toBe(pattern.test(text));
      }),
      { numRuns: 500 },
    );
  });

  test('any text → a moment or undefined, never an exception', () => {
    fc.assert(
      fc.property(anyText, text => {
        const moment = parseDateTime(text);
        expect(moment === undefined || Number.isInteger(moment)).toBe(true);
      }),
    );
  });
});

describe('formatDateTime', () => {
  test('a moment → UTC with three fraction digits and an offset without a colon', () => {
    expect(formatDateTime(Date.UTC(2023, 1, 1, 23, 15, 3, 379))).toBe('2023-02-01T23:15:03.379+0000');
    expect(formatDateTime(0)).toBe('1970-01-01T00:00:00.000+0000');
    expect(formatDateTime(-1)).toBe('1969-12-31T23:59:59.999+0000');
    expect(formatDateTime(earliestMs)).toBe('0001-01-01T00:00:00.000+0000');
    expect(formatDateTime(latestMs)).toBe('9999-12-31T23:59:59.999+0000');
  });

  test('any moment → what Date writes, and parses back', () => {
    fc.assert(
      fc.property(anyMoment, moment => {
        const text = formatDateTime(moment);
        expect(text).toBe(`${new Date(moment).toISOString().slice(0, 23)}+0000`);
        expect(parseDateTime(text)).toBe(moment);
      }),
    );
  });

  test('a moment beyond four-digit years → a RangeError', () => {
    expect(() => formatDateTime(earliestMs - 1)).toThrow(RangeError);
    expect(() => formatDateTime(latestMs + 1)).toThrow(RangeError);
    expect(() => formatDateTime(Number.NaN)).toThrow(RangeError);
  });

  test('one writer for moments near and far → the same texts as one each', () => {
    const near = fc.integer({ min: 1_700_000_000_000, max: 1_700_000_200_000 });
    fc.assert(
      fc.property(fc.array(fc.oneof(near, anyMoment)), moments => {
        const writer = new DateTimeWriter();
        expect(moments.map(moment => writer.write(moment))).toEqual(moments.map(formatDateTime));
      }),
    );
  });
});
