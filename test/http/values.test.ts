import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { filterFields } from '../../src/domain/filter-fields.ts';
import { plainText } from '../../src/wire/log-schemas.ts';
import { listValue } from '../../src/wire/query/list-text.ts';
import { anyText } from '../support/any-text.ts';
import { EventStream } from '../support/event-stream.ts';
import { logsPath, TestServer } from '../support/http-server.ts';

let server: TestServer;
beforeEach(() => {
  server = new TestServer();
});
afterEach(() => server.app.close());

type Form = 'application/json' | 'application/x-ndjson';

function bodyOf(records: readonly string[], form: Form): string {
  return form === 'application/json' ? `{"results":[${records.join(',')}]}` : `${records.join('\n')}\n`;
}

const oneLine = (text: string) => text.replaceAll(/[\r\n]/g, ' ');
const cellOf = (text: string) => `"${text.replaceAll('"', '""')}"`;

/** Posts records and expects each of these texts of theirs in every place where the log is read. */
async function expectKept(records: readonly string[], texts: readonly string[], form: Form): Promise<void> {
  const stream = await (await EventStream.open(await server.listen())).opened();
  try {
    const posted = await server.post(bodyOf(records, form), 'App one', form);
    expect(posted.json()).toMatchObject({ recorded: records.length, rejected: [] });
    const page = (await server.call(`${logsPath}?limit=1000`)).body;
    const lines = (await server.call(`${logsPath}/export`)).body;
    // What a spreadsheet would run is escaped there.
    const csv = (await server.call(`${logsPath}/export?format=csv`)).body.replaceAll('\\u003b', ';');
    await stream.until(({ messageIds }) => messageIds.length === records.length);
    const events = stream.blocks.map(({ data }) => `${data}\n`).join('');
    for (const [i, text] of texts.entries()) {
      const message = (await server.call(`/messenger/1/messages/m${i}`)).body;
      for (const shown of [page, message]) expect(shown).toContain(text);
      for (const shown of [lines, events]) expect(shown).toContain(oneLine(text));
      expect(csv).toContain(cellOf(text));
    }
    expect(lines.trimEnd().split('\n')).toHaveLength(records.length);
  } finally {
    await stream.close();
  }
}

/** As no program writes it that parsed it before. */
const withZeros = (double: number) => String(Number.isFinite(double) ? double : 0).replace(/(\.\d+)$/, '$100');

const recordOf = (content: string, i: number) =>
  `{"messageId":"m${i}","sender":"s","destination":"d","content":${content}}`;

describe('content', () => {
  // Made before there is a server: it takes seconds on a busy machine, in which no connection would come to stand.
  const anyContent = fc
    .tuple(fc.jsonValue({ maxDepth: 3 }), fc.string({ unit: 'binary', maxLength: 30 }), fc.double({ noNaN: true }))
    .map(
      ([value, text, double]) =>
        `{"type" : "TEXT","value":${JSON.stringify(value)},"text":${JSON.stringify(text)},"n":${withZeros(double)}}`,
    )
    .filter(content => !content.includes('null00') && !/e[+-]\d+00/.test(content));
  const anyContents = fc.sample(anyContent, 150);

  const contents = [
    '{"type":"TEXT","text":"x","recipientId":10150098461530577,"orderId":781250306873012345}',
    '{"type":"TEXT","n":[1e-400,-1e-400,-0,0.10,1.0E+2,1e999,123456789012345678901234567890]}',
    '{"type":"TEXT","a":1,"a":2,"2":"two","1":"one"}',
    '{"type":"TEXT","text":"\\u0000\\u001f\\ud800 \\/ \\ud83c\\udf88 é \u2028 \u007f"}',
    '{"type":"A_TYPE_TO_COME","further":{"fields":[null]}}',
    '{"type":"TEXT","__proto__":{"content":{}},"content":{"content":"\\"content\\""}}',
  ];

  test.each(['application/json', 'application/x-ndjson'] as const)('as %s → comes back to the byte', async form => {
    const spaced = form === 'application/json' ? '{ "type":\r\n\t"TEXT" ,\n\n"a" : [ 1 ,2] }' : '{ "type":\t"TEXT" }';
    const all = [...contents, spaced];
    await expectKept(all.map(recordOf), all, form);
  });

  test.each(['application/json', 'application/x-ndjson'] as const)(
    'any, as %s → comes back to the byte',
    async form => {
      await expectKept(anyContents.map(recordOf), anyContents, form);
    },
  );

  test('a repeat in other words → the same; with another digit → refused', async () => {
    const record = (content: string) => server.post(`{"results":[${recordOf(content, 0)}]}`);
    await record('{"type":"TEXT","n":10150098461530577}');
    expect((await record('{"n": 1.0150098461530577e16,"type":"TEXT"}')).json()).toMatchObject({ unchanged: 1 });
    const other = await record('{"type":"TEXT","n":10150098461530576}');
    expect([other.statusCode, other.json().violations]).toEqual([
      400,
      [{ property: 'results[0].content', violation: expect.any(String) }],
    ]);
  });
});

describe('codes', () => {
  const posted = [
    ['{"id":26,"name":"MESSAGE_ACCEPTED","groupId":1,"groupName":"PENDING"}', { id: 26, name: 'PENDING_ACCEPTED' }],
    ['{"id":5,"groupName":"Delivered","description":"there"}', { id: 5, groupName: 'DELIVERED', description: 'there' }],
    ['{"id":777,"name":"IN_REVIEW","groupId":1}', { id: 777, name: 'IN_REVIEW', groupId: 1, groupName: 'PENDING' }],
    ['{"id":9007199254740991,"groupName":"EXPIRED"}', { groupId: 4, groupName: 'EXPIRED', id: 9007199254740991 }],
    ['{"name":"TOO_LATE","groupName":"rejected"}', { groupId: 5, groupName: 'REJECTED', name: 'TOO_LATE' }],
    ['{"id":5,"permanent":false,"since":null}', { groupId: 3, id: 5, permanent: false, since: null }],
  ] as const;

  test.each(['application/json', 'application/x-ndjson'] as const)(
    'statuses of every kind, as %s → shown everywhere',
    async form => {
      const record = (status: string, i: number) =>
        recordOf('{"type":"TEXT"}', i).replace(
          '{',
          `{"status":${status},"error":{"id":1234567,"name":"EC_TO_COME","groupId":1},`,
        );
      const error = '"error":{"groupId":1,"groupName":"HANDSET_ERRORS","id":1234567,"name":"EC_TO_COME"}';
      await expectKept(
        posted.map(([status], i) => record(status, i)),
        [],
        form,
      );
      const page = await server.call(logsPath);
      expect(page.body.split(error)).toHaveLength(posted.length + 1);
      for (const [i, [, status]] of posted.entries()) {
        const message = (await server.call(`/messenger/1/messages/m${i}`)).json();
        expect(message).toMatchObject({ status, timeline: [{ status, error: { name: 'EC_TO_COME' } }] });
      }
      const statuses = page
        .json()
        .results.toReversed()
        .map(({ status }: { status: object }) => status);
      expect(statuses[1]).toEqual({ ...posted[1][1], groupId: 3, name: 'DELIVERED_TO_HANDSET' });
      expect(statuses[3]).toEqual(posted[3][1]);
      const expired = await server.call(`${logsPath}?generalStatus=EXPIRED`);
      expect(expired.json().results.map(({ messageId }: { messageId: string }) => messageId)).toEqual(['m3']);
      const summary = (await server.call(`${logsPath}/summary`)).json();
      expect(summary.failures.errors).toEqual([{ name: 'EC_TO_COME', count: 2 }]);
      const again = await server.post(
        bodyOf(
          posted.map(([status], i) => record(status, i)),
          form,
        ),
        'App one',
        form,
      );
      expect(again.json()).toMatchObject({ unchanged: posted.length });
      const read = await server.post(page.body);
      expect(read.json()).toMatchObject({ unchanged: posted.length, rejected: [] });
    },
  );

  test('what is not registered → counted in the metrics by its kind', async () => {
    await server.post(
      `{"results":[${recordOf('{"type":"TO_COME"}', 0)},{"messageId":"m0","status":{"id":777,"groupId":3}},` +
        '{"messageId":"m0","status":{"id":5,"permanent":true},"error":{"id":0,"further":1}}]}',
    );
    const metrics = (await server.call('/metrics')).body;
    expect(metrics).toContain('sentlog_unregistered_total{kind="content type"} 1');
    expect(metrics).toContain('sentlog_unregistered_total{kind="status"} 1');
    expect(metrics).toContain('sentlog_unregistered_total{kind="further field"} 1');
    expect(metrics).not.toContain('sentlog_unregistered_total{kind="error"}');
  });
});

describe('filters', () => {
  const plain = new RegExp(plainText, 'u');
  const odd = [
    ' ',
    '  ',
    '.',
    '..',
    '%2F',
    '/',
    '?a=b&c#',
    '\ufeff',
    '\u200b',
    '\u3000x\u3000',
    '\u2028',
    "'",
    '%',
    '_',
  ];
  const alike = ['a', ' a', 'a ', ' a ', 'A', '49', ' 49', '+49', '  49', 'é', 'e\u0301', 'a,b', ' a, b ', 'b', ','];
  const escaped = ['\\', '\\\\', 'a\\', '\\ a', 'a\\ ', '\\,', 'a\\,b', ' \\', '\\ '];
  const long = [' '.repeat(200), '中'.repeat(200), '😀'.repeat(200), `${' '.repeat(198)}x `];
  const any = fc.sample(
    anyText.filter(text => plain.test(text) && text !== '' && text.length <= 200),
    { numRuns: 30, seed: 10 },
  );
  const values = [...new Set([...odd, ...alike, ...escaped, ...long, ...any])];
  const bare = (text: string) => text.replace(/^ *\+?/, '').replace(/ *$/, '');
  const fields = filterFields.filter(({ kind }) => kind === 'text' || kind === 'number');

  test('any text in any field → found by what was recorded, and by nothing else but blanks around it', async () => {
    const records = values.map(value => ({
      messageId: value,
      sender: value,
      destination: value,
      bulkId: value,
      campaignReferenceId: value,
      platform: { entityId: value, applicationId: value },
      error: { name: value, groupId: 1 },
      content: { type: 'TEXT' },
    }));
    await server.record(records);
    const idsOf = async (query: string): Promise<readonly string[]> => {
      const answer = await server.call(`${logsPath}?limit=1000&${query}`);
      expect([query, answer.statusCode]).toEqual([query, 200]);
      return answer.json().results.map(({ messageId }: { messageId: string }) => messageId);
    };
    for (const value of values) {
      // As who knows of commas alone writes it, unless a backslash means something where it stands.
      const written = [listValue(value), ...(value.includes('\\') ? [] : [value.replaceAll(',', '\\,')])];
      for (const text of written) {
        const queries = fields.map(({ name, many }) => `${name}=${encodeURIComponent(many ? text : value)}`);
        for (const query of [...queries, queries.join('&')]) {
          const found = await idsOf(query);
          expect([query, found]).toEqual([query, expect.arrayContaining([value])]);
          for (const id of found) expect(bare(id)).toBe(bare(value));
        }
      }
      // What takes a URL apart by the book takes these for folders.
      if (value === '.' || value === '..') continue;
      const one = await server.call(`/messenger/1/messages/${encodeURIComponent(value)}`);
      expect(one.json()).toMatchObject({ messageId: value, error: { name: value } });
    }
  });
});

describe('prices', () => {
  test.each(['application/json', 'application/x-ndjson'] as const)(
    'any double, as %s → read as written',
    async form => {
      const texts = [
        '0',
        '-0',
        '-0.0',
        '-1e-400',
        '1e-400',
        '5e-324',
        '0.10',
        '1E+3',
        '0.1000000000000000055511',
        '1e7',
      ];
      const doubles = fc.sample(fc.double({ min: 0, max: 10_000_000, noNaN: true }), 60).map(String);
      const all = [...texts, ...doubles];
      const priced = (price: string, i: number) =>
        recordOf('{"type":"TEXT"}', i).replace('{', `{"price":{"pricePerMessage":${price},"currency":"EUR"},`);
      await expectKept(all.map(priced), [], form);
      const { results } = (await server.call(`${logsPath}?limit=1000`)).json();
      expect(results).toHaveLength(all.length);
      for (const { messageId, price } of results)
        expect(price.pricePerMessage).toBe(Number(all[Number(messageId.slice(1))]) + 0);
      const summary = (await server.call(`${logsPath}/summary`)).json();
      expect(summary).toMatchObject({ complete: true, prices: [{ currency: 'EUR', count: all.length }] });
      const sum = all.reduce((total, price) => total + Number(price), 0);
      expect(Math.abs(summary.prices[0].sum - sum)).toBeLessThan(1e-6);
    },
  );
});
