import fc from 'fast-check';
import { readXlsx } from 'hucre/xlsx';
import { expect, test } from 'vitest';
import { sheetColumns, spreadsheetOf } from '../../web/src/log/spreadsheet.ts';

const log = {
  messageId: '10150098461530577123',
  sender: '105873492110234',
  destination: '447700900123',
  sentAt: '2026-07-01T12:05:07.120+0000',
  doneAt: '2026-07-01T12:05:09.620+0000',
  messageCount: 1,
  price: { pricePerMessage: 0.0063, currency: 'EUR' },
  status: { groupId: 3, groupName: 'DELIVERED', id: 5, name: 'DELIVERED_TO_HANDSET', description: 'Delivered' },
  error: { groupId: 0, groupName: 'OK', id: 0, name: 'NO_ERROR' },
  content: { type: 'TEXT', text: 'Hello' },
};

/** The sheet of an export of these lines, as a spreadsheet program reads it. */
async function sheetOf(lines: readonly string[], names: readonly string[] | 'all', zone: string) {
  const bytes = new TextEncoder().encode(lines.map(line => `${line}\n`).join(''));
  // In pieces that end anywhere.
  const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, at) => bytes.subarray(at * 7, at * 7 + 7));
  let rows = 0;
  const terms = { columns: sheetColumns(names), zone, onRows: (count: number) => (rows = count) };
  const file = spreadsheetOf(ReadableStream.from(pieces), terms);
  const [sheet] = (await readXlsx(new Uint8Array(await new Response(file).arrayBuffer()))).sheets;
  expect(rows).toBe(lines.length);
  return sheet?.rows ?? [];
}

test('columns of the table → ids are texts, times are times of the zone, prices are numbers', async () => {
  const names = ['time', 'sender', 'status', 'delivery', 'price', 'messageId'];
  const rows = await sheetOf([JSON.stringify(log)], names, 'Europe/Berlin');
  expect(rows).toEqual([
    [
      'Sent (Europe/Berlin)',
      'Sender',
      'Status group',
      'Status',
      'Done (Europe/Berlin)',
      'Took, seconds',
      'Price',
      'Currency',
      'Message id',
    ],
    [
      new Date('2026-07-01T14:05:07.120Z'),
      '105873492110234',
      'DELIVERED',
      'DELIVERED_TO_HANDSET',
      new Date('2026-07-01T14:05:09.620Z'),
      2.5,
      0.0063,
      'EUR',
      '10150098461530577123',
    ],
  ]);
});

test('all columns → the content as it came, to the last digit; nothing that is run', async () => {
  const content = '{"type":"TEXT","text":"=1+1 _x0041_ \\u0001","orderId":781250306873012345,"a":1,"a":2}';
  const line = JSON.stringify({ ...log, content: 0 }).replace('"content":0', `"content":${content}`);
  const [heads = [], row = []] = await sheetOf([line], 'all', 'UTC');
  const cell = (head: string) => row[heads.indexOf(head)];
  expect(cell('Content')).toBe(content);
  expect(String(cell('Text'))).toContain('=1+1 _x0041_');
  expect(cell('Parts')).toBe(1);
});

test('what a message says → whole and as it is in a cell; a head → whole above it', async () => {
  const said = `one\n${'long '.repeat(300)}\u202eend`;
  const line = JSON.stringify({ ...log, content: { type: 'TEXT', text: said } });
  const [heads = [], row = []] = await sheetOf([line], ['content'], 'UTC');
  expect(row[heads.indexOf('Text')]).toBe(said);
  const zone = 'America/Argentina/ComodRivadavia';
  const terms = { columns: sheetColumns(['time']), zone, onRows: () => {} };
  const file = spreadsheetOf(ReadableStream.from([]), terms);
  const [sheet] = (await readXlsx(new Uint8Array(await new Response(file).arrayBuffer()))).sheets;
  const [head] = sheet?.rows[0] ?? [];
  expect(sheet?.columns?.[0]?.width).toBeGreaterThan(String(head).length);
});

test('a text longer than a cell can be → cut, and said so; a line that is no message → no file', async () => {
  const long = JSON.stringify({ ...log, content: { type: 'TEXT', text: 'x'.repeat(40_000) } });
  const [heads = [], row = []] = await sheetOf([long], 'all', 'UTC');
  const text = String(row[heads.indexOf('Content')]);
  expect(text).toHaveLength(32_767);
  expect(text.endsWith(' … (cut)')).toBe(true);
  await expect(sheetOf(['{"error":"cut"}'], 'all', 'UTC')).rejects.toThrow('no message');
});

/** What a program reads where a character is written as its number. */
const read = (cell: string) =>
  cell.replace(/_x([0-9A-Fa-f]{4})_/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));

test('any text → cells that XML can hold, or no program would open the file; read as what it was, as far as a cell goes', () => {
  // A return stands in XML for a line feed.
  const writable = /^[\t\n\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u;
  const odd = fc.constantFrom(
    '\ufffe',
    '\uffff',
    '\u0000',
    '\u001f',
    '\ud800',
    '_x000D',
    '_x004',
    '1',
    '_',
    '\r',
    '=1',
    '😀',
  );
  const any = fc.array(fc.oneof(odd, fc.string({ unit: 'binary' })), { minLength: 1 }).map(parts => parts.join(''));
  fc.assert(
    fc.property(any, text => {
      const odd = { ...log, messageId: text, campaignReferenceId: text, content: { type: text, text } };
      const line = { log: odd, source: JSON.stringify(odd) };
      const cells = sheetColumns('all').map(column => column.value(line, 'UTC'));
      for (const cell of cells) expect(String(cell ?? '')).toMatch(writable);
      const [campaign] = sheetColumns(['campaign']).map(column => column.value(line, 'UTC'));
      expect(read(String(campaign))).toBe(text.toWellFormed());
    }),
  );
  // Cut anywhere in what stands for a character, and between the halves of a pair.
  for (const text of ['\u0001', 'ab\u0001', '_x0041_', '😀', 'x😀'].map(part => part.repeat(33_000))) {
    const line = { log: { ...log, campaignReferenceId: text }, source: '' };
    for (const column of sheetColumns(['campaign'])) {
      const cell = String(column.value(line, 'UTC'));
      expect(cell.length).toBeLessThanOrEqual(32_767);
      expect(writable.test(cell)).toBe(true);
      expect(read(cell).endsWith(' … (cut)') && text.startsWith(read(cell).slice(0, -8))).toBe(true);
    }
  }
});

test('a moment that spreadsheets have no number for → its text, by the clock of the zone', async () => {
  const line = JSON.stringify({
    ...log,
    sentAt: '1900-02-28T23:30:00.000+0000',
    doneAt: '9999-12-31T23:59:59.999+0000',
  });
  const moments = async (zone: string) => {
    const [, [sent, done] = []] = await sheetOf([line], ['time', 'delivery'], zone);
    return [sent, done];
  };
  const [sent, done] = ['1900-02-28 23:30:00.000', '9999-12-31 23:59:59.999'];
  expect(await moments('UTC')).toEqual([sent, new Date(`${done}Z`)]);
  expect(await moments('Etc/GMT-1')).toEqual([
    new Date('1900-03-01T00:30:00Z'),
    expect.stringMatching(/^\+010000-01-01 00:59/),
  ]);
});

test('a text of several lines → begins at the top of its row, and wraps there', async () => {
  const terms = { columns: sheetColumns(['time', 'content']), zone: 'UTC', onRows: () => {} };
  const lines = ReadableStream.from([new TextEncoder().encode(JSON.stringify(log))]);
  const file = spreadsheetOf(lines, terms);
  const book = await readXlsx(new Uint8Array(await new Response(file).arrayBuffer()), { readStyles: true });
  const cells = book.sheets[0]?.cells;
  expect(cells?.get('1,0')?.style?.alignment).toEqual({ vertical: 'top' });
  expect(cells?.get('1,2')?.style?.alignment).toEqual({ vertical: 'top', wrapText: true });
});
