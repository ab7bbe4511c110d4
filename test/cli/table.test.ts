import { describe, expect, test } from 'vitest';
import { tableText } from '../../src/cli/table.ts';

type Row = { readonly a: string; readonly b?: number };
const columns: readonly (readonly [string, (row: Row) => string | number | undefined])[] = [
  ['A', row => row.a],
  ['LONG', row => row.b],
];

describe('tableText', () => {
  test('rows → columns as wide as their widest cell, absent cells empty', async () => {
    expect(await tableText([{ a: 'xyz', b: 12 }, { a: '' }], columns, 80)).toBe('A    LONG\nxyz  12\n\n');
  });

  test('more rows than a function takes arguments → all of them', async () => {
    const rows = Array.from({ length: 150_000 }, () => ({ a: 'x' }));
    expect(await tableText(rows, columns, 80)).toHaveLength('A  LONG\n'.length + rows.length * 2);
  });

  test('wide characters → counted as wide as they are shown', async () => {
    expect(
      await tableText(
        [
          { a: '日本', b: 1 },
          { a: 'abcd', b: 2 },
          { a: '👍🏽', b: 3 },
        ],
        columns,
        80,
      ),
    ).toBe('A     LONG\n日本  1\nabcd  2\n👍🏽    3\n');
  });

  test('a line wider than the terminal → cut to it, never in the middle of a character', async () => {
    const text = await tableText([{ a: 'abcdef日本語', b: 1 }], columns, 10);
    expect(text.split('\n')[1]).toBe('abcdef日…');
  });

  test('control characters and turns of direction → shown as spaces', async () => {
    const text = await tableText([{ a: 'a\u001b[31mb\nc\u202ed' }], columns, 80);
    expect(text.split('\n')[1]).toBe('a [31mb c d');
  });
});
