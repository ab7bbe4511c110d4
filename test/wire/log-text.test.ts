import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LogRecord } from '../../src/domain/message.ts';
import { noError, type Status, statuses } from '../../src/domain/registry.ts';
import { csvHeader } from '../../src/wire/text/log-csv.ts';
import { historyJson, logJson, renderLogs } from '../../src/wire/text/log-text.ts';
import { anyText } from '../support/any-text.ts';

function status(name: string): Status {
  const found = statuses.find(one => one.name === name);
  if (found === undefined) throw new Error(`no status ${name}`);
  return found;
}

const delivered: LogRecord = {
  sender: '44113496000',
  destination: '66855538125',
  bulkId: '1688025180464000013',
  messageId: '1688025180464000014',
  sentAt: Date.UTC(2023, 1, 1, 23, 15, 3, 379),
  doneAt: Date.UTC(2023, 1, 1, 23, 16, 34, 582),
  at: Date.UTC(2023, 1, 1, 23, 16, 34, 582),
  messageCount: 1,
  price: { pricePerMessage: 0.15, currency: 'EUR' },
  status: status('DELIVERED_TO_HANDSET'),
  error: noError,
  entityId: 'promotional-traffic-entity',
  applicationId: 'marketing-automation-application',
  contentJson: '{"text":"Sent text","type":"TEXT"}',
  campaignReferenceId: 'summersale',
};

const bare: LogRecord = {
  sender: 's',
  destination: 'd',
  messageId: 'm',
  sentAt: 0,
  at: 0,
  messageCount: 3,
  status: status('PENDING_ACCEPTED'),
  error: noError,
  contentJson: '{"type":"TEXT"}',
};

const vendorExample =
  '{"sender":"44113496000","destination":"66855538125","bulkId":"1688025180464000013","messageId":"1688025180464000014",' +
  '"sentAt":"2023-02-01T23:15:03.379+0000","doneAt":"2023-02-01T23:16:34.582+0000","messageCount":1,' +
  '"price":{"pricePerMessage":0.15,"currency":"EUR"},' +
  '"status":{"groupId":3,"groupName":"DELIVERED","id":5,"name":"DELIVERED_TO_HANDSET","description":"Message delivered to handset"},' +
  '"error":{"groupId":0,"groupName":"OK","id":0,"name":"NO_ERROR","description":"No Error","permanent":false},' +
  '"platform":{"entityId":"promotional-traffic-entity","applicationId":"marketing-automation-application"},' +
  '"content":{"text":"Sent text","type":"TEXT"},"campaignReferenceId":"summersale"}';

describe('logJson', () => {
  test("the vendor's example → its bytes", () => {
    expect(logJson(delivered)).toBe(vendorExample);
  });

  test('fields without a value → absent', () => {
    expect(JSON.parse(logJson(bare))).toEqual({
      sender: 's',
      destination: 'd',
      messageId: 'm',
      sentAt: '1970-01-01T00:00:00.000+0000',
      messageCount: 3,
      status: { groupId: 1, groupName: 'PENDING', id: 26, name: 'PENDING_ACCEPTED', description: expect.any(String) },
      error: { groupId: 0, groupName: 'OK', id: 0, name: 'NO_ERROR', description: 'No Error', permanent: false },
      content: { type: 'TEXT' },
    });
  });

  test.each([
    [{ entityId: 'e' }, { entityId: 'e' }],
    [{ applicationId: 'a' }, { applicationId: 'a' }],
  ])('only %o → a platform with only that', (fields, platform) => {
    expect(JSON.parse(logJson({ ...bare, ...fields })).platform).toEqual(platform);
  });

  test("a sender's own words for a status and an error → shown", () => {
    const worded = {
      ...bare,
      status: { ...bare.status, description: 'said "so"', action: 'retry' },
      error: { ...noError, description: 'fine' },
    };
    const { status, error } = JSON.parse(logJson(worded));
    expect(Object.entries(status).slice(-2)).toEqual([
      ['description', 'said "so"'],
      ['action', 'retry'],
    ]);
    expect(error.description).toBe('fine');
  });

  test('any texts → JSON that reads back to them', () => {
    const text = anyText;
    fc.assert(
      fc.property(text, text, text, text, (sender, destination, bulkId, entityId) => {
        const read = JSON.parse(
          logJson({ ...bare, sender, destination, bulkId, entityId, campaignReferenceId: sender }),
        );
        expect(read).toMatchObject({
          sender,
          destination,
          bulkId,
          platform: { entityId },
          campaignReferenceId: sender,
        });
      }),
    );
  });
});

describe('historyJson', () => {
  test('a history → its log, then seenAt and the timeline', () => {
    const at = Date.UTC(2023, 1, 1);
    const text = historyJson({
      log: { ...delivered, seenAt: at },
      timeline: [{ at, status: bare.status, error: noError, receivedAt: at + 5 }],
      omitted: 0,
    });
    expect(text.startsWith(vendorExample.slice(0, -1))).toBe(true);
    const read = JSON.parse(text);
    expect(Object.keys(read).slice(-2)).toEqual(['seenAt', 'timeline']);
    expect(read.seenAt).toBe('2023-02-01T00:00:00.000+0000');
    expect(read.timeline).toEqual([
      {
        at: '2023-02-01T00:00:00.000+0000',
        status: expect.objectContaining({ name: 'PENDING_ACCEPTED' }),
        error: expect.objectContaining({ name: 'NO_ERROR' }),
        receivedAt: '2023-02-01T00:00:00.005+0000',
      },
    ]);
  });
});

test('a history of very many reports → how many its timeline leaves out', () => {
  const read = JSON.parse(historyJson({ log: delivered, timeline: [], omitted: 7 }));
  expect(Object.entries(read).slice(-2)).toEqual([
    ['timeline', []],
    ['omitted', 7],
  ]);
});

describe('renderLogs', () => {
  test('no logs → no text, in every form', () => {
    expect(renderLogs([], 'json')).toBe('');
    expect(renderLogs([], 'ndjson')).toBe('');
    expect(renderLogs([], 'csv')).toBe('');
  });

  test('json → logs joined by commas', () => {
    expect(renderLogs([delivered, bare], 'json')).toBe(`${logJson(delivered)},${logJson(bare)}`);
  });

  test('ndjson → a line each', () => {
    expect(renderLogs([delivered, bare], 'ndjson')).toBe(`${logJson(delivered)}\n${logJson(bare)}\n`);
  });

  test('csv → a line each under the header', () => {
    const names = csvHeader.trimEnd().split(',');
    const [line = ''] = renderLogs([bare], 'csv').split('\r\n');
    const cells = Object.fromEntries(names.map((name, at) => [name, csvCells(line)[at]]));
    expect(cells).toEqual({
      sender: 's',
      destination: 'd',
      bulkId: '',
      messageId: 'm',
      sentAt: '1970-01-01T00:00:00.000+0000',
      doneAt: '',
      messageCount: '3',
      'price.pricePerMessage': '',
      'price.currency': '',
      'status.groupId': '1',
      'status.groupName': 'PENDING',
      'status.id': '26',
      'status.name': 'PENDING_ACCEPTED',
      'status.description': bare.status.description,
      'status.action': '',
      'error.groupId': '0',
      'error.groupName': 'OK',
      'error.id': '0',
      'error.name': 'NO_ERROR',
      'error.description': 'No Error',
      'error.permanent': 'false',
      'platform.entityId': '',
      'platform.applicationId': '',
      content: '{"type":"TEXT"}',
      campaignReferenceId: '',
      further: '',
    });
    expect(renderLogs([delivered], 'csv').endsWith(',summersale,\r\n')).toBe(true);
  });

  test.each(['=1+1', '+44', '-1', '@SUM(A1)', '\tx', '\rx', '\nx'])(
    'a cell of %j → begins with an apostrophe',
    sender => {
      const [cell] = csvCells(renderLogs([{ ...bare, sender }], 'csv').slice(0, -2));
      expect(cell).toBe(`'${sender}`);
    },
  );

  test('whatever looks like the beginning of a formula, behind whatever cannot be seen → begins with an apostrophe', () => {
    const all = Array.from({ length: 0xffff }, (_, unit) => String.fromCharCode(unit));
    const begins = all.filter(one => /^[=+\-@\u2212]/u.test(one.normalize('NFKC')));
    const unseen = [...all, '\u{e0100}', '\u{1d173}'].filter(one => /^[\p{DI}\p{Z}\p{Cf}\u2800]$/u.test(one));
    expect([begins.length > 15, unseen.length > 50]).toEqual([true, true]);
    const senders = [...begins.map(one => `${one}1`), ...unseen.map(one => `${one}=1`)];
    const lines = renderLogs(
      senders.map(sender => ({ ...bare, sender })),
      'csv',
    ).split('\r\n');
    for (const [at, sender] of senders.entries()) expect(csvCells(lines[at] ?? '')[0]).toBe(`'${sender}`);
  });

  const units = ['"', ',', ';', '\n', '\r', '\t', '=', '+', '-', '@', '＝', '＋', '－', '＠', 'a', "'", ' '];
  const invisible = ['\u00a0', '\u3000', '\u200b', '\u200e', '\u2060', '\ufeff', '\u00ad', '\u202e'];
  const anyText = fc.string({ unit: fc.constantFrom(...units, ...invisible) });
  /** What a cell begins with once all is dropped that a spreadsheet may look past. */
  const formula = /^[\s\p{Z}\p{Cf}"]*[=+\-@＝＋－＠]/u;

  test('any texts → cells that read back', () => {
    const dropped =
      /(?:^'(?=[\p{Z}\p{Cf}\p{Cc}'"]*[=+\-@＝＋－＠]|'*[\t\r\n])|(?<=[;\t\r\n])'(?=[\p{Z}\p{Cf}\p{Cc}'"]*[=+\-@＝＋－＠]))/gu;
    fc.assert(
      fc.property(anyText, anyText, (sender, campaignReferenceId) => {
        const cells = csvCells(renderLogs([{ ...bare, sender, campaignReferenceId }], 'csv').slice(0, -2));
        expect(cells).toHaveLength(26);
        expect(cells[0]?.replaceAll(dropped, '')).toBe(sender);
      }),
    );
  });

  test('any texts, split at whatever a spreadsheet splits at → no part begins a formula', () => {
    fc.assert(
      fc.property(anyText, anyText, (sender, text) => {
        const contentJson = `{\t"type": "TEXT",\n"n":\t-1, "text":${JSON.stringify(text)}}`;
        const line = renderLogs([{ ...bare, sender, contentJson }], 'csv').slice(0, -2);
        for (const cell of csvCells(line)) expect(cell).not.toMatch(formula);
        for (const separator of [';', '\t'])
          for (const part of line.split(separator)) {
            for (const row of part.split(/[\r\n]/)) expect(row).not.toMatch(formula);
          }
        expect(JSON.parse(csvCells(line)[23] ?? '')).toEqual(JSON.parse(contentJson));
      }),
    );
  });

  test('content of nearly nothing but blanks → a cell in a time that follows from its length', () => {
    const blanks = '\t\r\n '.repeat(16_000);
    const contentJson = `{"type":"TEXT",${blanks}"n":${blanks}-1}`;
    const before = process.threadCpuUsage();
    const line = renderLogs([{ ...bare, contentJson }], 'csv').slice(0, -2);
    expect(process.threadCpuUsage(before).user).toBeLessThan(5_000_000);
    expect(csvCells(line)[23]).toBe(`{"type":"TEXT",${blanks}"n":${blanks.replaceAll(/\s/g, ' ')}-1}`);
  });
});

/** The cells of one CSV record, read as RFC 4180 says. */
function csvCells(record: string): string[] {
  const cells: string[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|$)/gy;
  for (let match = cell.exec(record); match !== null; match = cell.exec(record)) {
    cells.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    if (match[3] === '') return cells;
  }
  throw new Error(`not a CSV record: ${record}`);
}
