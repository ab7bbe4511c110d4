import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sliceAt, sliceIndexOf } from '../../../src/store/postgres/rows/slices.ts';

describe('which slice an id is in', () => {
  it('ids of several kinds → the same slice for ever', () => {
    // A log in a database relies on these: were they others, its messages would not be found any more.
    const ids = ['', 'a', 'message-1', 'message-2', '4c9a1c0e-3f0b-4d41-8a53-1d9a2f3f7d10', 'ünïcödé ✓'];
    expect(ids.map(id => sliceIndexOf(id, 64))).toEqual([0, 49, 11, 35, 52, 22]);
    expect(ids.map(id => sliceIndexOf(id, 5))).toEqual([0, 2, 3, 1, 0, 2]);
    expect(ids.map(id => sliceIndexOf(id, 1))).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it.each([
    ['that count up', (i: number) => `${i}`],
    ['that count up behind a long prefix', (i: number) => `campaign/2026-06-01/shop/${String(i).padStart(9, '0')}`],
    ['that count up in steps', (i: number) => `m${i * 16}`],
    ['that count up in base 36', (i: number) => (i * 1000).toString(36)],
    ['at random', () => randomUUID()],
  ])('ids %s → about as many in each slice', (_kind, idOf) => {
    for (const slices of [2, 3, 5, 8, 16, 64]) {
      const counts = new Array<number>(slices).fill(0);
      const ids = 400 * slices;
      for (let i = 0; i < ids; i++) {
        const index = sliceIndexOf(idOf(i), slices);
        counts[index] = (counts[index] ?? 0) + 1;
      }
      expect(Math.min(...counts)).toBeGreaterThan(300);
      expect(Math.max(...counts)).toBeLessThan(500);
    }
  });
});

describe('the number of a slice', () => {
  it('the first → the account itself, whatever it is; others → what no account and no other slice has', () => {
    for (const account of [1, 70_000, 2 ** 40, Number.MAX_SAFE_INTEGER]) expect(sliceAt(account, 0)).toBe(account);
    const numbers = [1, 2, 2 ** 40 - 1].flatMap(account => Array.from({ length: 64 }, (_, i) => sliceAt(account, i)));
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.every(Number.isSafeInteger)).toBe(true);
    expect(numbers.filter(number => number < 2 ** 40)).toEqual([1, 2, 2 ** 40 - 1]);
  });

  it.each([
    [2 ** 40, 1],
    [-1, 1],
    [1, -1],
    [1, 64],
    [1, 1.5],
  ])('account %d, slice %d → there is none', (account, index) => {
    expect(() => sliceAt(account, index)).toThrow(RangeError);
  });
});
