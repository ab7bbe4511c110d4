import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { recordTexts } from '../../src/http/body/json-records.ts';
import { ApiError } from '../../src/http/errors.ts';
import { runs } from '../support/properties.ts';

const texts = (body: string, bytesMax = 1000) =>
  [...recordTexts(body, bytesMax)].filter(part => typeof part !== 'number').map(({ text, flaw }) => text ?? flaw);

function brokenAt(body: string): string {
  try {
    texts(body);
  } catch (error) {
    if (error instanceof ApiError) return error.violations[0]?.violation ?? '';
    throw error;
  }
  throw new Error('not broken');
}

describe('recordTexts', () => {
  test('records of any kind → their own texts', () => {
    expect(texts('{"results":[{"a":[1,{"b":"]}"}]}, "x,]" ,5,null , [ ] ]}')).toEqual([
      '{"a":[1,{"b":"]}"}]}',
      '"x,]"',
      '5',
      'null',
      '[ ]',
    ]);
  });

  test('brackets and quotes inside texts → not counted', () => {
    expect(texts(String.raw`{"results":[{"a":"\"}]\\"},{"b":"\\\"]"}]}`)).toEqual([
      String.raw`{"a":"\"}]\\"}`,
      String.raw`{"b":"\\\"]"}`,
    ]);
  });

  test('a name with escapes → understood', () => {
    expect(texts('{"\\u0072esults":[1]}')).toEqual(['1']);
  });

  test('a record beyond the bound → its flaw', () => {
    expect(texts('{"results":["abcdefgh","é"]}', 8)).toEqual(['is longer than 8 bytes', '"é"']);
  });

  test.each([
    ['{"results":[1', 'line 1, column 14'],
    ['{\n  "results": [1 2]\n}', 'line 2, column 17'],
    ['{"results":[1]', 'line 1, column 15'],
    ['{"results":["abc', 'line 1, column 13'],
    ['{"results":[{"a":1', 'line 1, column 13'],
    ['{"results" [1]}', 'line 1, column 12'],
    ['{results:[1]}', 'line 1, column 2'],
    ['{"results":[,]}', 'line 1, column 13'],
  ])('%j → broken at %s', (body, place) => {
    expect(brokenAt(body)).toContain(place);
  });

  test.each([[''], ['[]'], ['"results"'], ['null'], ['hello']])(
    '%j → no object, which is said without a place',
    body => {
      expect(brokenAt(body)).toBe('must be a JSON object with results');
    },
  );

  test('any records → the texts that JSON would give', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 1, '\t'), (records, space) => {
        const body = JSON.stringify({ results: records }, null, space);
        expect(texts(body, 1_000_000).map(text => JSON.parse(text ?? ''))).toEqual(JSON.parse(body).results);
      }),
    );
  });

  test('what is longer than a piece, of escapes, quotes, brackets and blanks → the texts that JSON would give', () => {
    const odd = fc.array(fc.constantFrom('"', '\\', '[', ']}', ',', ' ', '\n', 'x', 'é'), { maxLength: 30 });
    const before = fc.constantFrom('\\', '"', 'x', '[');
    fc.assert(
      fc.property(
        before,
        fc.integer({ min: 65_500, max: 65_540 }),
        odd,
        fc.boolean(),
        (long, length, rest, isBlank) => {
          const results = [long.repeat(length) + rest.join(''), { [rest.join('')]: [rest] }, -1e-7];
          const written = results.map(one => JSON.stringify(one));
          const body = `{"results":[${written.join(isBlank ? `,${'\n'.repeat(length)}` : ',')}]}`;
          expect(texts(body, 1_000_000)).toEqual(written);
        },
      ),
      { numRuns: runs(300) },
    );
  });

  test('a body cut or changed anywhere → told so, or records that JSON would give', () => {
    const body = JSON.stringify({ results: [{ a: ['x', 1, { b: null }] }, 'y"\\', -1.5e3] });
    fc.assert(
      fc.property(fc.nat(body.length), fc.constantFrom('', ...'{}[]",:\\ 0a'), fc.nat(3), (at, put, dropped) => {
        const changed = body.slice(0, at) + put + body.slice(at + dropped);
        let read: unknown;
        try {
          read = texts(changed).map(text => JSON.parse(text ?? ''));
        } catch (error) {
          if (!(error instanceof ApiError || error instanceof SyntaxError)) throw error;
          return;
        }
        expect(read).toEqual(JSON.parse(changed).results);
      }),
      { numRuns: 2000 },
    );
  });
});
