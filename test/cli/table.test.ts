import fc from 'fast-check';
import widthOf from 'string-width';
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

  test('a cell wider than the terminal → cut to it, never in the middle of a character', async () => {
    const text = await tableText([{ a: 'abcdef日本語' }], columns.slice(0, 1), 10);
    expect(text.split('\n')[1]).toBe('abcdef日…');
  });

  const five = ['ID', 'AT', 'STATUS', 'FROM', 'TO'].map(
    (name, i) => [name, (row: readonly string[]) => row[i]] as const,
  );
  const row = (id: string) => [
    id,
    '2026-03-01T12:00:00.000+0000',
    'DELIVERED_TO_HANDSET',
    '105873492110234',
    '385911234567',
  ];

  test.each([
    [36, 80, ['ID', 'AT', 'STATUS', '…']],
    [120, 80, ['ID', 'AT', 'STATUS', '…']],
    [120, 120, ['ID', 'AT', 'STATUS', 'FROM', 'TO']],
    [36, 160, ['ID', 'AT', 'STATUS', 'FROM', 'TO']],
  ])(
    'an id of %d characters at %d columns → an id beside, whole up to half of them, and %j',
    async (length, width, shown) => {
      const lines = (await tableText([row('a'.repeat(length)), row('b'.repeat(36))], five, width))
        .trimEnd()
        .split('\n');
      expect(lines[0]?.split(/ +/)).toEqual(shown);
      expect(lines[2]?.startsWith('b'.repeat(36))).toBe(true);
      expect(lines.slice(1).map(line => /DELIVERED_TO_/.test(line))).toEqual([true, true]);
    },
  );

  test.each([
    [36, 80],
    [38, 80],
    [200, 80],
    [36, 90],
    [36, 160],
  ])(
    'an id of %d characters at %d columns → the time beside it is whole, brief where it has to be',
    async (length, width) => {
      const brief = five.map(([name, cell], at) =>
        at === 1 ? ([name, cell, undefined, () => '2026-03-01T12:00:00Z'] as const) : ([name, cell] as const),
      );
      const [head, line] = (await tableText([row('a'.repeat(length))], brief, width)).split('\n');
      expect(head).toMatch(/^ID +AT +STATUS/);
      expect(line).toMatch(
        width === 160
          ? / {2}2026-03-01T12:00:00.000\+0000 {2}DELIVERED_TO_HANDSET/
          : / {2}2026-03-01T12:00:00Z {2}DELIVERED_TO/,
      );
      expect(line?.startsWith('a'.repeat(Math.min(length, 37)))).toBe(true);
    },
  );

  test('a column of which no row has anything, where there is not the room → left out, and the others whole', async () => {
    const lines = (
      await tableText([['id', '2026-03-01T12:00:00.000+0000', 'DELIVERED', '']], five.slice(0, 4), 44)
    ).split('\n');
    expect(lines).toEqual([
      'ID  AT                            STATUS',
      'id  2026-03-01T12:00:00.000+0000  DELIVERED',
      '',
    ]);
  });

  test('any cells at any width → no line wider than that, each column begins where its heading does', async () => {
    const cells = fc.array(fc.tuple(...Array.from({ length: 5 }, () => fc.string({ maxLength: 60 }))), {
      maxLength: 5,
    });
    await fc.assert(
      fc.asyncProperty(cells, fc.integer({ min: 4, max: 300 }), async (rows, width) => {
        const lines = (await tableText(rows, five, width)).split('\n');
        expect(lines).toHaveLength(rows.length + 2);
        for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(Math.max(width, 2));
      }),
    );
  });

  test('control characters and turns of direction → shown as spaces', async () => {
    const text = await tableText([{ a: 'a\u001b[31mb\nc\u202ed' }], columns, 80);
    expect(text.split('\n')[1]).toBe('a [31mb c d');
  });
});
