import { expect, test } from 'vitest';
import { limits } from '../../src/limits.ts';
import { parsedChars } from '../../src/wire/json-source.ts';

test('a record of many names, or of many objects → no other is looked at in its turn; a short one counts by its length', () => {
  const names = `{${Array.from({ length: 17_000 }, (_, i) => `"k${i}":0`).join()}}`;
  const objects = `[${Array.from({ length: 5000 }, (_, i) => `{"k${i}":0}`).join()}]`;
  for (const text of [names, objects]) expect(parsedChars(text)).toBeGreaterThan(limits.stretchChars);
  expect(parsedChars('{"a":{"b":1}}')).toBe(13);
});
