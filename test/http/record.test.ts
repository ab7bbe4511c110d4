import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { limits } from '../../src/limits.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import { errorAnswer, logsPath, message, startOfTest, TestServer } from '../support/http-server.ts';

let server: TestServer;
beforeEach(() => {
  server = new TestServer();
});
afterEach(() => server.app.close());

const ndjson = (records: readonly unknown[]) => records.map(record => `${JSON.stringify(record)}\n`).join('');

describe('what came of the records', () => {
  test('new messages, reports, repetitions and bad ones → counted, the bad ones with their reasons', async () => {
    await server.record([message('known')]);
    const answer = await server.post({
      results: [
        message('new'),
        { messageId: 'known', status: 'DELIVERED_TO_HANDSET', doneAt: '2023-02-02T11:00:00Z' },
        message('known'),
        { messageId: 'unknown', status: 5 },
        message('bad', { price: { pricePerMessage: 1, currency: 'euro' } }),
        { messageId: 'new', sender: 'another' },
        5,
      ],
    });
    expect(answer.statusCode).toBe(200);
    const { rejected, ...counts } = answer.json();
    expect(counts).toEqual({ recorded: 1, updated: 1, unchanged: 1, waiting: 1 });
    const reasons = rejected.map(({ index, messageId, violations }: Rejected) => [
      index,
      messageId,
      violations.map(({ property }) => property).join(),
    ]);
    expect(reasons).toEqual([
      [4, 'bad', 'price.currency'],
      [5, 'new', 'sender'],
      [6, undefined, 'record'],
    ]);
  });

  test('a report, then its message → waits, and is on it; nothing waits → nothing is said of it', async () => {
    const report = { messageId: 'm', status: 5, doneAt: '2023-02-02T11:00:00Z' };
    const first = await server.post({ results: [report] });
    expect([first.statusCode, first.json()]).toEqual([
      200,
      { recorded: 0, updated: 0, unchanged: 0, waiting: 1, rejected: [] },
    ]);
    const then = await server.post({ results: [message('m')] });
    expect(then.json()).toEqual({ recorded: 1, updated: 0, unchanged: 0, rejected: [] });
    const { status, doneAt, timeline } = (await server.call('/messenger/1/messages/m')).json();
    expect([status.id, doneAt, timeline.length]).toEqual([5, '2023-02-02T11:00:00.000+0000', 2]);
    expect((await server.post({ results: [{ messageId: 'n', sender: 's', status: 5 }] })).statusCode).toBe(400);
  });

  test('few records in JSON → each is parsed once; many, which are parsed again when they are recorded → the same', async () => {
    const parse = vi.spyOn(JSON, 'parse');
    const timesParsed = (text: string) => parse.mock.calls.filter(([given]) => given === text).length;
    const few = [message('one'), message('two', { sentAt: null })].map(one => JSON.stringify(one));
    const answer = await server.post(`{"results": [${few.join()}]}`);
    expect(answer.json()).toEqual({ recorded: 2, updated: 0, unchanged: 0, rejected: [] });
    expect(few.map(timesParsed)).toEqual([1, 1]);
    parse.mockRestore();
    const many = Array.from({ length: 100 }, (_, i) => message(`many ${i}`));
    expect((await server.post({ results: many })).json()).toMatchObject({ recorded: 100 });
  });

  test('the same as NDJSON → the same outcome', async () => {
    const records = [message('m1'), message('m1'), message('m2', { sentAt: 'never' }), { messageId: 'm3' }];
    const json = (await server.post({ results: records })).json();
    const lines = (await server.post(ndjson(records), 'App two', 'application/x-ndjson')).json();
    expect(lines).toEqual(json);
    expect(lines.rejected.map(({ index }: Rejected) => index)).toEqual([2, 3]);
  });

  test('what is read → can be posted as it was read, and changes nothing', async () => {
    await server.record([
      message('m1', {
        sentAt: '2023-02-02T11:58:00Z',
        price: { pricePerMessage: 0.15, currency: 'EUR' },
        platform: { entityId: 'e' },
      }),
      message('m2', { status: { id: 5, description: 'arrived' }, doneAt: '2023-02-02T11:59:00Z' }),
    ]);
    const read = await server.call(`${logsPath}?useCursor=true`);
    expect((await server.post(read.body)).json()).toEqual({ recorded: 0, updated: 0, unchanged: 2, rejected: [] });
    expect((await server.post(read.body, 'App two')).json()).toMatchObject({ recorded: 2 });
    expect((await server.call(logsPath, { headers: { authorization: 'App two' } })).body).toBe(
      (await server.call(logsPath)).body,
    );
    const lines = await server.call(`${logsPath}/export`);
    expect((await server.post(lines.body, 'App one', 'application/x-ndjson')).json()).toMatchObject({ unchanged: 2 });
  });

  test('sentAt past retention or far ahead → rejected with the reason; without one → now', async () => {
    const at = (moment: number) => new Date(moment).toISOString();
    const answer = await server.post({
      results: [
        message('now'),
        message('old', { sentAt: at(startOfTest - 48 * 3_600_000 - 1) }),
        message('oldest', { sentAt: at(startOfTest - 48 * 3_600_000) }),
        message('ahead', { sentAt: at(startOfTest + 5 * 60_000 + 1) }),
      ],
    });
    expect(answer.json().rejected.map(({ messageId }: Rejected) => messageId)).toEqual(['old', 'ahead']);
    const logs = (await server.call(logsPath)).json().results;
    expect(logs[0]).toMatchObject({ messageId: 'now', sentAt: '2023-02-02T12:00:00.000+0000', messageCount: 1 });
    expect(logs[0].status.name).toBe('PENDING_ACCEPTED');
    expect(logs[0].error.name).toBe('NO_ERROR');
  });

  test('all rejected → 400 with the place of every violation', async () => {
    const answer = await server.post({ results: [message('m1', { sentAt: 'x', bulkId: 5 }), 5, { messageId: 'm2' }] });
    expect(errorAnswer(answer)).toEqual({
      code: 'E400',
      properties: [
        'results[0].bulkId',
        'results[0].sentAt',
        'results[1]',
        'results[2].sender',
        'results[2].destination',
        'results[2].content',
      ],
    });
  });

  test('thousands, all rejected → a bounded 400', async () => {
    const answer = await server.post(ndjson(Array.from({ length: 3000 }, () => 5)), 'App one', 'application/x-ndjson');
    expect(errorAnswer(answer).properties).toHaveLength(1000);
  });

  test('more rejections than are listed → the rest only counted', async () => {
    const lines = `${'5\n'.repeat(limits.rejectionsListedMax + 7)}${ndjson([message('m1')])}`;
    const outcome = (await server.post(lines, 'App one', 'application/x-ndjson')).json();
    expect(outcome.recorded).toBe(1);
    expect(outcome.rejected).toHaveLength(limits.rejectionsListedMax);
    expect(outcome.rejectedCount).toBe(limits.rejectionsListedMax + 7);
  });

  test('more records than a batch holds → the index counts over the whole body', async () => {
    const records = Array.from({ length: 2500 }, (_, index) => (index % 1000 === 999 ? 5 : message(`m${index}`)));
    records[2400] = { messageId: 'unknown' };
    for (const type of ['application/json', 'application/x-ndjson']) {
      const body = type === 'application/json' ? { results: records } : ndjson(records);
      const outcome = (await server.post(body, 'App one', type)).json();
      expect(outcome.rejected.map(({ index }: Rejected) => index)).toEqual([999, 1999, 2400]);
      expect(outcome.recorded + outcome.unchanged).toBe(2497);
    }
    expect(server.store.calls.record).toBe(6);
  });
});

describe('bodies that cannot be taken', () => {
  test.each<[string, string | Buffer, string]>([
    ['no body', '', 'body'],
    ['text', 'hello', 'body'],
    ['a list', '[]', 'body'],
    ['null', 'null', 'body'],
    ['half a body', '{"results":[{"messageId":"m1"', 'body'],
    ['half a record', '{"results":[{"messageId":}]}', 'results[0]'],
    ['a wrong word', '{"results":[{"messageId":"m"},nul]}', 'results[1]'],
    ['a comma too many', '{"results":[{"messageId":"m"},]}', 'body'],
    ['something after the end', '{"results":[]}x', 'body'],
    ['brackets that do not fit', '{"results":[{"messageId":"m"]]}', 'results[0]'],
    ['a name that is not JSON', '{"re\\qsults":[]}', 'body'],
    ['no results', '{}', 'results'],
    ['results that are no list', '{"results":{}}', 'results'],
    ['results that are null', '{"results":null}', 'results'],
    ['results twice', '{"results":[],"results":[]}', 'results'],
    ['empty results', '{"results":[]}', 'results'],
    ['a field of no meaning', '{"result":[]}', 'result'],
    ['a cursor that is not JSON', '{"cursor":{a},"results":[]}', 'cursor'],
    ['bytes that are not UTF-8', Buffer.from('{"results":["\xff"]}', 'latin1'), 'body'],
  ])('%s → 400 that says where, and nothing recorded', async (_what, body, property) => {
    expect(errorAnswer(await server.post(body))).toEqual({ code: 'E400', properties: [property] });
    expect(server.store.callCount).toBe(0);
  });

  test('a broken body whose first records are sound → 400, and nothing recorded', async () => {
    const sound = Array.from({ length: 3000 }, (_, index) => JSON.stringify(message(`m${index}`))).join();
    expect(errorAnswer(await server.post(`{"results":[${sound},{"a" 1}]}`)).properties).toEqual(['results[3000]']);
    expect(errorAnswer(await server.post(`{"results":[${sound}`)).properties).toEqual(['body']);
    expect(server.store.callCount).toBe(0);
  });

  test('a byte order mark, and space wherever JSON allows it → taken', async () => {
    const body = `\ufeff \r\n{ "cursor" : {"limit":1} , "results" : [ ${JSON.stringify(message('m1'), null, 2)} ] } \n`;
    expect((await server.post(body)).json()).toMatchObject({ recorded: 1 });
  });

  test('a record longer than a line may be → rejected, the others taken', async () => {
    const long = message('long', { content: { type: 'TEXT', text: 'x'.repeat(limits.ndjsonLineBytesMax) } });
    for (const [type, body] of [
      ['application/json', JSON.stringify({ results: [long, message('m1')] })],
      ['application/x-ndjson', ndjson([long, message('m1')])],
    ] as const) {
      const outcome = (await server.post(body, 'App one', type)).json();
      expect(outcome.rejected).toEqual([
        { index: 0, violations: [{ property: 'record', violation: expect.stringContaining('longer') }] },
      ]);
      expect(outcome.recorded + outcome.unchanged).toBe(1);
    }
  });

  test('deep nesting → one record rejected, the others taken', async () => {
    const nested = `{"messageId":"deep","content":{"type":"TEXT","deep":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`;
    const answer = await server.post(`{"results":[${nested},${JSON.stringify(message('m1'))}]}`);
    expect(answer.json()).toMatchObject({ recorded: 1, rejected: [{ index: 0, messageId: 'deep' }] });
    expect(errorAnswer(await server.post('['.repeat(5_000_000))).properties).toEqual(['body']);
    expect(errorAnswer(await server.post(`{"results":${'['.repeat(5_000_000)}`)).properties).toEqual(['body']);
  });

  test('JSON of 10 MiB → taken; a byte more → 413', async () => {
    const body = JSON.stringify({ results: [message('m1')] });
    const padded = (bytes: number) => body + ' '.repeat(bytes - body.length);
    expect((await server.post(padded(limits.jsonBodyBytesMax))).statusCode).toBe(200);
    expect(errorAnswer(await server.post(padded(limits.jsonBodyBytesMax + 1))).code).toBe('E413');
  });

  test.each([
    'text/plain',
    'application/xml',
    'multipart/form-data',
    'nonsense',
    'application/json; charset=latin1',
    '',
  ])('Content-Type %j → 415', async type => {
    expect(errorAnswer(await server.post('{"results":[]}', 'App one', type)).code).toBe('E415');
  });

  test.each(['application/json; charset=UTF-8', 'Application/JSON;charset="utf-8"', 'application/json;profile=x'])(
    'Content-Type %s → taken',
    async type => {
      expect((await server.post({ results: [message('m1')] }, 'App one', type)).statusCode).toBe(200);
    },
  );

  test('a Content-Type of any length → read in a time that follows from it', async () => {
    // A pattern that may share the blanks out in many ways takes a minute for these.
    const type = `application/json;profile=${' '.repeat(3000)}""x; charset=${' '.repeat(3000)}"utf-8" `;
    const before = process.threadCpuUsage();
    expect((await server.post({ results: [message('m1')] }, 'App one', type)).statusCode).toBe(200);
    expect(process.threadCpuUsage(before).user).toBeLessThan(5_000_000);
  });

  test('a query → 400', async () => {
    const answer = await server.call(`${logsPath}?dryRun=true`, { method: 'POST', payload: '{"results":[]}' });
    expect(errorAnswer(answer)).toEqual({ code: 'E400', properties: ['dryRun'] });
  });
});

describe('compressed bodies', () => {
  const zipped = (body: string | Buffer, type: string, encoding = 'gzip') =>
    server.call(logsPath, {
      method: 'POST',
      payload: body,
      headers: { 'content-type': type, 'content-encoding': encoding },
    });

  test('gzip → taken, as JSON and as NDJSON', async () => {
    const records = [message('m1'), message('m2')];
    const json = await zipped(gzipSync(JSON.stringify({ results: records })), 'application/json');
    expect(json.json()).toMatchObject({ recorded: 2 });
    expect((await zipped(gzipSync(ndjson(records)), 'application/x-ndjson')).json()).toMatchObject({ unchanged: 2 });
  });

  test('a small body that grows beyond 10 MiB → 413', async () => {
    const bomb = gzipSync(Buffer.alloc(50 * 1024 * 1024, ' '));
    expect(bomb.length).toBeLessThan(100_000);
    expect(errorAnswer(await zipped(bomb, 'application/json')).code).toBe('E413');
  });

  test('what is not gzip, or only half of it → 400', async () => {
    const body = gzipSync(JSON.stringify({ results: [message('m1')] }));
    for (const broken of ['hello', body.subarray(0, -9), Buffer.concat([body.subarray(0, 20), Buffer.alloc(50)])])
      for (const type of ['application/json', 'application/x-ndjson'])
        expect(errorAnswer(await zipped(broken, type))).toEqual({ code: 'E400', properties: ['body'] });
  });

  test.each(['br', 'deflate', 'zstd', 'gzip, gzip'])('Content-Encoding %s → 415', async encoding => {
    expect(errorAnswer(await zipped('x', 'application/json', encoding)).code).toBe('E415');
  });
});

test('a key that may only write → is told of no field that differs, nor whether one does', async () => {
  server.callers.add('writer', 1, ['messenger:logs:write']);
  await server.record([message('m')]);
  const told = async (fields: object) =>
    (await server.post({ results: [{ messageId: 'm', status: 5, ...fields }] }, 'App writer')).json();
  const [right, wrong] = [
    await told({ sender: '44113496000', seenAt: '2023-02-02T11:00:00Z' }),
    await told({ sender: 'guess', seenAt: '2023-02-02T10:00:00Z' }),
  ];
  expect(wrong).toEqual(right);
  const whole = async (fields: object) => (await server.post({ results: [message('m', fields)] }, 'App writer')).json();
  expect(await whole({ sender: 'guess' })).toEqual(await whole({}));
  const counted = { recorded: 0, updated: 1, unchanged: 0, rejected: [] };
  const [at, price] = ['2023-02-02T09:00:00Z', { pricePerMessage: 1, currency: 'EUR' }];
  await server.record([{ messageId: 'm', price, doneAt: at }]);
  for (const guess of [
    { status: 7 },
    { status: 5 },
    { price },
    { seenAt: at },
    { doneAt: at },
    { error: 0, status: 5 },
  ])
    for (let times = 0; times < 2; times++) expect(await told(guess)).toEqual(counted);
  const reader = await server.post({ results: [message('m', { sender: 'guess' })] });
  expect(errorAnswer(reader)).toEqual({ code: 'E400', properties: ['results[0].sender'] });
});

describe('a bound key', () => {
  beforeEach(() => server.callers.add('bound', 1, ['messenger:manage'], { applicationId: 'a1', entityId: 'e1' }));

  test('new messages → get its ids; another id → a violation', async () => {
    const answer = await server.post(
      {
        results: [
          message('m1'),
          message('m2', { platform: { applicationId: 'a1' } }),
          message('m3', { platform: { applicationId: 'a2', entityId: 'e2' } }),
        ],
      },
      'App bound',
    );
    expect(answer.json()).toMatchObject({ recorded: 2, rejected: [{ index: 2, messageId: 'm3' }] });
    const [{ violations }] = answer.json().rejected;
    expect(violations.map(({ property }: { property: string }) => property)).toEqual([
      'platform.entityId',
      'platform.applicationId',
    ]);
    for (const log of (await server.call(logsPath)).json().results)
      expect(log.platform).toEqual({ entityId: 'e1', applicationId: 'a1' });
  });

  test("a report on another application's message → as on one that nobody has", async () => {
    await server.record([message('other', { platform: { applicationId: 'a2' } })]);
    const report = { messageId: 'other', status: 5 };
    const answer = await server.post({ results: [message('mine'), report] }, 'App bound');
    expect(answer.json()).toEqual({ recorded: 1, updated: 0, unchanged: 0, waiting: 1, rejected: [] });
    const nobodys = await server.post({ results: [message('mine too'), { ...report, messageId: 'x' }] }, 'App bound');
    expect(nobodys.body).toBe(answer.body);
  });
});

describe('a store that cannot keep it', () => {
  test('from the start → 503 with Retry-After', async () => {
    server.store.failWith(new StoreUnavailable('disk full', 9000));
    const answer = await server.post({ results: [message('m1')] });
    expect(errorAnswer(answer).code).toBe('E503');
    expect(answer.headers['retry-after']).toBe('9');
  });

  test('in the middle of a long body → 503, and no more of it is tried', async () => {
    const record = server.store.record.bind(server.store);
    let calls = 0;
    server.store.record = batch => {
      if (++calls === 3) server.store.failWith(new StoreUnavailable('disk full'));
      return record(batch);
    };
    const records = Array.from({ length: 30_000 }, (_, index) => message(`m${index}`));
    expect(errorAnswer(await server.post(ndjson(records), 'App one', 'application/x-ndjson')).code).toBe('E503');
    expect(calls).toBeLessThan(12);
  });

  test('a defect → 500 in fixed words', async () => {
    server.store.record = () => Promise.reject(new TypeError('secret detail'));
    const answer = await server.post({ results: [message('m1')] });
    expect(errorAnswer(answer)).toEqual({ code: 'E500', properties: [] });
    expect(answer.body).not.toContain('secret');
  });
});

type Rejected = {
  readonly index: number;
  readonly messageId?: string;
  readonly violations: readonly { readonly property: string }[];
};
