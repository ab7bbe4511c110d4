import fc from 'fast-check';
import type { LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anyText } from '../support/any-text.ts';
import { errorAnswer, logsPath, message, streamPath, summaryPath, TestServer } from '../support/http-server.ts';
import { runs } from '../support/properties.ts';

let server: TestServer;
beforeAll(async () => {
  server = new TestServer({
    rateLimits: { logsPerMinute: 1e9, readsPerMinute: 1e9, pagePerMinute: 1e9, failedAuthPerMinute: 1e9 },
  });
  await server.record([message('m1'), message('m2', { status: 5 })]);
});
afterAll(() => server.app.close());

const parameters = [
  'sender',
  'destination',
  'bulkId',
  'messageId',
  'generalStatus',
  'sentSince',
  'sentUntil',
  'sentBefore',
  'limit',
  'entityId',
  'applicationId',
  'campaignReferenceId',
  'useCursor',
  'cursor',
  'format',
  'buckets',
  'lastEventId',
  'bulkId[]',
  'nonsense',
] as const;

const values = fc.oneof(
  anyText,
  fc.constantFrom(
    '',
    '0',
    '1',
    '50',
    '1000',
    '-1',
    '1e3',
    'true',
    'false',
    'DELIVERED',
    'm1,m2',
    'csv',
    '2023-02-01T00:00:00Z',
    '9999-12-31T23:59:59.999Z',
    '%',
    '%00',
    '%ff',
    '+',
    'x'.repeat(3000),
  ),
);

/** What every answer must be: served, or refused in the body of every error; never a 500. */
function expectSane(answer: LightMyRequestResponse): void {
  if (answer.statusCode >= 200 && answer.statusCode < 300) return;
  expect(answer.statusCode).toBeGreaterThanOrEqual(400);
  expect(answer.statusCode).toBeLessThan(500);
  errorAnswer(answer);
}

describe('whatever comes → served or refused with its reasons', () => {
  test.each([
    logsPath,
    `${logsPath}/export`,
    summaryPath,
    // A stream that is let in has no end.
    `${streamPath}?lastEventId=damaged`,
    '/messenger/1/messages/m1',
    '/health/ready',
  ])('queries of %s', async path => {
    const raw = fc.tuple(fc.constantFrom(...parameters), values, fc.boolean());
    await fc.assert(
      fc.asyncProperty(fc.array(raw, { maxLength: 6 }), async given => {
        const query = given.map(([name, value, encoded]) => `${name}=${encoded ? safeEncode(value) : rawValue(value)}`);
        expectSane(await server.call(`${path}${path.includes('?') ? '&' : '?'}${query.join('&')}`));
      }),
      { numRuns: runs(300) },
    );
  });

  test.each(['damaged', ''])('the event id %j with all else wrong → 400 with each', async id => {
    const answer = await server.call(`${streamPath}?lastEventId=${id}&limit=1&generalStatus=x&sender=`);
    expect(errorAnswer(answer).properties.toSorted()).toEqual(['generalStatus', 'limit', 'sender']);
  });

  test('each parameter wrong → its violation, however many are wrong', async () => {
    const wrong: Record<string, string> = {
      sender: '',
      destination: '%00',
      bulkId: ',',
      messageId: 'x'.repeat(2049),
      generalStatus: 'x',
      sentSince: 'x',
      sentUntil: 'x',
      sentBefore: 'x',
      limit: 'x',
      entityId: '',
      applicationId: '%0a',
      campaignReferenceId: '',
      useCursor: 'x',
      cursor: '',
      nonsense: 'x',
    };
    await fc.assert(
      fc.asyncProperty(fc.subarray(Object.keys(wrong), { minLength: 1 }), async names => {
        const answer = await server.call(`${logsPath}?${names.map(name => `${name}=${wrong[name]}`).join('&')}`);
        expect(errorAnswer(answer).properties.toSorted()).toEqual(names.toSorted());
      }),
    );
  });

  test('paths', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('/', '/messenger/1/messages/', '/auth/1/'),
        values,
        fc.boolean(),
        async (path, text, encoded) => {
          expectSane(await server.call(path + (encoded ? safeEncode(text) : rawValue(text))));
        },
      ),
      { numRuns: runs(300) },
    );
  });

  test('headers', async () => {
    const names = [
      'authorization',
      'x-request-id',
      'accept-encoding',
      'origin',
      'accept',
      'if-none-match',
      'accept-version',
    ];
    const header = fc.tuple(fc.constantFrom(...names), anyText.map(rawValue));
    await fc.assert(
      fc.asyncProperty(fc.array(header), async headers => {
        expectSane(await server.call(logsPath, { headers: Object.fromEntries(headers) }));
      }),
      { numRuns: runs(300) },
    );
  });

  const fields = [
    'messageId',
    'sender',
    'destination',
    'sentAt',
    'doneAt',
    'at',
    'messageCount',
    'price',
    'status',
    'error',
    'platform',
    'content',
    'type',
    'id',
    'name',
    '__proto__',
  ] as const;
  const leaf = fc.oneof(fc.jsonValue({ maxDepth: 2 }), values, fc.constantFrom(5, 87, 'NO_ERROR', 'TEXT', 'm1'));
  const record = fc.dictionary(
    fc.constantFrom(...fields),
    fc.oneof(leaf, fc.dictionary(fc.constantFrom(...fields), leaf)),
  );

  test.each(['application/json', 'application/x-ndjson'])('bodies of %s', async type => {
    const records = fc.array(fc.oneof(record, fc.jsonValue()), { maxLength: 5 });
    const texts = records.map(list =>
      type === 'application/json' ? JSON.stringify({ results: list }) : list.map(one => JSON.stringify(one)).join('\n'),
    );
    const damaged = fc.tuple(texts, fc.nat(), anyText).map(([text, at, put]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + put + text.slice(place + put.length);
    });
    const bytes = fc.uint8Array({ maxLength: 60 }).map(array => Buffer.from(array));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          texts,
          damaged,
          bytes,
          fc.jsonValue().map(value => JSON.stringify(value)),
        ),
        async body => {
          expectSane(await server.post(body, 'App one', type));
        },
      ),
      { numRuns: runs(500) },
    );
  });

  test.each([
    ['/auth/1/session', 'application/json'],
    ['/auth/1/oauth2/token', 'application/x-www-form-urlencoded'],
  ])('bodies of %s', async (url, type) => {
    const fieldsOf = fc.dictionary(
      fc.constantFrom('username', 'password', 'client_id', 'client_secret', 'grant_type'),
      leaf,
    );
    const body = fc.oneof(
      anyText,
      fieldsOf.map(object => JSON.stringify(object)),
      fieldsOf.map(object => formOf(object)),
    );
    await fc.assert(
      fc.asyncProperty(body, async payload => {
        expectSane(await server.call(url, { method: 'POST', payload, headers: { 'content-type': type } }));
      }),
      { numRuns: runs(300) },
    );
  });

  test('content types and encodings', async () => {
    await fc.assert(
      fc.asyncProperty(anyText.map(rawValue), anyText.map(rawValue), async (type, encoding) => {
        expectSane(
          await server.call(logsPath, {
            method: 'POST',
            payload: '{"results":[]}',
            headers: { 'content-type': type, 'content-encoding': encoding },
          }),
        );
      }),
      { numRuns: runs(300) },
    );
  });
});

/** Percent-encoded where UTF-8 can say it. */
function safeEncode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** As a client that does not encode would send it, but for what no request line or header can carry. */
function rawValue(text: string): string {
  return text.replaceAll(/[^\u0021-\u007e\u00a1-\u00ff]|[#\\]/g, '');
}

function formOf(object: Readonly<Record<string, unknown>>): string {
  return new URLSearchParams(
    Object.entries(object).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  ).toString();
}
