import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rowsOfNext } from '../../../src/store/embedded/read/reader.ts';

const rows = (count: number, chars: number) =>
  Array.from({ length: count }, () => ({ contentJson: 'x'.repeat(chars) }));

test('contents of any length → a step of a page holds a megabyte at most, and many rows where they are short', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 0, max: 65_536 }), (count, chars) => {
      const next = rowsOfNext(rows(count, chars));
      expect(next * chars).toBeLessThanOrEqual(1024 * 1024);
      if (chars <= 5000) expect(next).toBe(100);
      expect(next).toBeGreaterThanOrEqual(8);
    }),
  );
});

test('nothing found among candidates → the next step looks at many', () => expect(rowsOfNext([])).toBe(100));
