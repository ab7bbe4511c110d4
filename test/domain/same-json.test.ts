import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSameJson } from '../../src/domain/same-json.ts';

test.each([
  ['{"a":1,"b":[2,null,true,"x"]}', ' { "b" : [2,null ,true,"\\u0078"], "a":1 }\n'],
  ['{"n":1}', '{"n":1.0}'],
  ['{"n":100}', '{"n":1e2}'],
  ['{"n":0.0015}', '{"n":15E-4}'],
  ['{"n":0}', '{"n":-0.00e9}'],
  ['{"n":10150098461530577}', '{"n":10150098461530577.000}'],
  ['{"n":1e400}', '{"n":0.01E+402}'],
  ['{"a":1,"a":2}', '{"a":2}'],
  ['{"__proto__":{"a":1}}', '{"__proto__": {"a":1}}'],
])('%s and %s → the same', (a, b) => {
  expect([isSameJson(a, b), isSameJson(b, a)]).toEqual([true, true]);
});

test.each([
  ['{"n":10150098461530577}', '{"n":10150098461530576}'],
  ['{"n":0.1}', '{"n":0.10000000000000001}'],
  ['{"n":1e-400}', '{"n":0}'],
  ['{"n":1e400}', '{"n":1e401}'],
  ['{"n":1}', '{"n":-1}'],
  ['{"n":1}', '{"n":"1"}'],
  ['{"n":1}', '{"n":true}'],
  ['{"n":null}', '{}'],
  ['[1,2]', '[2,1]'],
  ['{"__proto__":{"a":1}}', '{"__proto__":{"a":2}}'],
])('%s and %s → not the same', (a, b) => {
  expect([isSameJson(a, b), isSameJson(b, a)]).toEqual([false, false]);
});

test('any value, written in another way → the same; a digit more anywhere → not', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.integer(), (value, number) => {
      const text = JSON.stringify([value, number]);
      expect(isSameJson(text, JSON.stringify([value, number], null, 3))).toBe(true);
      expect(isSameJson(text, `[${JSON.stringify(value)},${number}.0000000000000000000000001]`)).toBe(false);
    }),
  );
});

test('a number of sixty thousand digits → compared at once', () => {
  const digits = '1'.padEnd(60_000, '0');
  expect(isSameJson(`[${digits}1e${'9'.repeat(2000)}]`, `[${digits}2e${'9'.repeat(2000)}]`)).toBe(false);
  expect(isSameJson(`[${digits}.0]`, '[1e59999]')).toBe(true);
});
