import { expect, test } from 'vitest';
import { NumberedNames } from '../../src/http/metrics/numbered-names.ts';
import { limits } from '../../src/limits.ts';

test('more names than are kept → those that are told of keep their numbers, no number has two names', () => {
  const numbered = new NumberedNames();
  const told = (from: number, to: number) =>
    numbered
      .in(Array.from({ length: to - from }, (_, i) => `m{mirror="n${from + i}"} 1`).join('\n'))
      .match(/\d+(?="\})/g)
      ?.map(Number);
  const max = limits.numberedNamesMax;
  expect(told(0, max + 2)?.slice(-2)).toEqual([max + 1, max + 2]);
  expect(told(max, max + 3)).toEqual([max + 1, max + 2, max + 3]);
  // The oldest was let go.
  expect(told(0, 1)).toEqual([max + 4]);
});
