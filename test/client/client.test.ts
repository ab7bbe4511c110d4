import { describe, expect, test } from 'vitest';
import {
  type Authorization,
  ConnectionError,
  type LogsFilter,
  SentlogClient,
  SentlogError,
  UnexpectedAnswer,
} from '../../src/client/index.ts';

type Call = { readonly url: URL; readonly method: string; readonly headers: Headers; readonly body: string };
type Answer = Response | Error | ((call: Call) => Response | Error);

/** A client whose requests are answered from a list; the last answer is given again and again. */
function scripted(answers: readonly Answer[], authorization: Authorization = { app: 'key' }) {
  const calls: Call[] = [];
  const pausesMs: number[] = [];
  const client = new SentlogClient({
    baseUrl: 'https://log.example/base/',
    authorization,
    fetch: async (input, init) => {
      const request = new Request(input, init);
      const body = await request.text();
      const call = { url: new URL(request.url), method: request.method, headers: request.headers, body };
      calls.push(call);
      const given = answers[Math.min(calls.length, answers.length) - 1];
      const answer = typeof given === 'function' ? given(call) : given;
      if (answer === undefined) throw new TypeError('no answer is left');
      if (answer instanceof Error) throw answer;
      return answer.clone();
    },
    retry: {
      attemptsMax: 3,
      pauseMaxMs: 60_000,
      wait: async ms => {
        pausesMs.push(ms);
      },
    },
  });
  return { client, calls, pausesMs };
}

const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });

const log = (messageId: string) => ({ messageId, sender: 's', destination: 'd' });
const refused = (status: number, headers: Record<string, string> = {}) =>
  json({ errorCode: `E${status}`, description: 'No.', action: 'Do.', violations: [], resources: [] }, status, headers);
const outcome = (recorded: number, rejected: readonly unknown[] = []) =>
  json({ recorded, updated: 0, unchanged: 0, rejected });

async function gather<T>(source: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const one of source) all.push(one);
  return all;
}

describe('logs', () => {
  test('every filter → its parameter, lists repeated, dates in the form of the API', async () => {
    const { client, calls } = scripted([json({ results: [] })]);
    await client.logs({
      sender: '+44 1',
      destination: 'd',
      bulkId: ['a,b', 'c'],
      messageId: 'm',
      generalStatus: 'DELIVERED',
      sentSince: new Date('2026-03-01T12:00:00.005Z'),
      sentUntil: '2026-03-02T12:00:00.005+01:00',
      entityId: 'e',
      applicationId: undefined,
      campaignReferenceId: ['x'],
      limit: 7,
      useCursor: true,
      cursor: 'c',
    });
    expect(calls[0]?.url.href).toBe(
      'https://log.example/base/messenger/1/logs?sender=%2B44+1&destination=d&bulkId=a%5C%2Cb&bulkId=c&messageId=m' +
        '&generalStatus=DELIVERED&sentSince=2026-03-01T12%3A00%3A00.005%2B0000' +
        '&sentUntil=2026-03-02T12%3A00%3A00.005%2B01%3A00&entityId=e&campaignReferenceId=x&limit=7&useCursor=true&cursor=c',
    );
    expect(calls[0]?.headers.get('accept')).toBe('application/json');
  });

  test('an empty list → no logs, and nothing asked', async () => {
    const { client, calls } = scripted([]);
    const filter: LogsFilter = { messageId: [] };
    expect(await client.logs(filter)).toEqual({ results: [] });
    expect(await gather(client.allLogs(filter))).toEqual([]);
    expect(await new Response(await client.exportLogs(filter)).text()).toBe('');
    expect(calls).toEqual([]);
  });

  test('answer → its logs and cursor', async () => {
    const page = { results: [log('1')], cursor: { limit: 1, nextCursor: 'n' } };
    expect(await scripted([json(page)]).client.logs()).toEqual(page);
    expect(await scripted([json({ results: [] })]).client.logs()).toEqual({ results: [] });
  });

  test.each([
    [{ app: 'k' }, 'App k'],
    [{ basic: { username: 'ann', password: 'pä:ss' } }, 'Basic YW5uOnDDpDpzcw=='],
    [{ bearer: 't' }, 'Bearer t'],
    [{ bearer: async () => 'renewed' }, 'Bearer renewed'],
    [{ ibsso: 's' }, 'IBSSO s'],
  ] satisfies readonly (readonly [Authorization, string])[])('authorization %j → %s', async (authorization, header) => {
    const { client, calls } = scripted([json({ results: [] })], authorization);
    await client.logs();
    expect(calls[0]?.headers.get('authorization')).toBe(header);
  });

  test('refusal → an error with everything the API said, after one request', async () => {
    const violations = [{ property: 'limit', violation: 'is not a number' }];
    const body = { errorCode: 'E400', description: 'Bad.', action: 'Mend.', violations, resources: [] };
    const { client, calls } = scripted([json(body, 400)]);
    const error = await client.logs().catch((one: unknown) => one);
    expect(error).toBeInstanceOf(SentlogError);
    expect(error).toMatchObject({ status: 400, errorCode: 'E400', description: 'Bad.', violations });
    expect(error).toHaveProperty('message', 'E400 Bad.; limit: is not a number');
    expect(calls).toHaveLength(1);
  });

  test.each([
    ['7', 7000],
    ['soon', undefined],
  ])('Retry-After %s → %s ms', async (header, retryAfterMs) => {
    const { client } = scripted([refused(429, { 'retry-after': header })]);
    const error = await client.logs().catch((one: unknown) => one);
    expect(error instanceof SentlogError && error.retryAfterMs).toBe(retryAfterMs);
  });

  test('refusal by something else on the way → an error with the HTTP status', async () => {
    const { client } = scripted([new Response('<h1>Bad gateway</h1>', { status: 502, statusText: 'Bad Gateway' })]);
    await expect(client.logs()).rejects.toMatchObject({ status: 502, errorCode: 'E502', description: 'Bad Gateway' });
  });

  test.each(['<html>', '{}', '{"results":{}}', '{"results":[1]}', '{"results":[],"cursor":{}}'])(
    'answer %s → not understood',
    async text => {
      await expect(scripted([new Response(text)]).client.logs()).rejects.toBeInstanceOf(UnexpectedAnswer);
    },
  );

  test('no connection → an error that says why', async () => {
    const failure = new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 127.0.0.1:1') });
    const error = await scripted([failure])
      .client.logs()
      .catch((one: unknown) => one);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toHaveProperty(
      'message',
      'no answer from https://log.example/base: connect ECONNREFUSED 127.0.0.1:1',
    );
  });

  test('aborted → the reason of the signal', async () => {
    const { client } = scripted([new TypeError('aborted')]);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(client.logs({}, { signal })).rejects.toThrow('enough');
  });
});

describe('allLogs', () => {
  const pages = (call: Call) => {
    const at = Number(call.url.searchParams.get('cursor') ?? 0);
    const cursor = at < 2 ? { limit: 2, nextCursor: String(at + 1) } : { limit: 2 };
    return json({ results: [log(`${at}a`), log(`${at}b`)], cursor });
  };

  test('several pages → every log once, in order, a thousand a page unless told', async () => {
    const { client, calls } = scripted([pages]);
    const logs = await gather(client.allLogs({ sender: 's' }));
    expect(logs.map(({ messageId }) => messageId)).toEqual(['0a', '0b', '1a', '1b', '2a', '2b']);
    expect(calls.map(({ url }) => url.search)).toEqual([
      '?sender=s&limit=1000&useCursor=true',
      '?sender=s&limit=1000&useCursor=true&cursor=1',
      '?sender=s&limit=1000&useCursor=true&cursor=2',
    ]);
    await gather(client.allLogs({ limit: 5 }));
    expect(calls.at(-1)?.url.searchParams.get('limit')).toBe('5');
  });

  test('429, 503 and a lost connection in between → waited out, nothing lost or twice', async () => {
    const answers = [
      pages,
      refused(429, { 'retry-after': '42' }),
      new TypeError('reset'),
      pages,
      refused(503, { 'retry-after': '1' }),
      pages,
    ];
    const { client, pausesMs } = scripted(answers);
    expect(await gather(client.allLogs())).toHaveLength(6);
    expect(pausesMs).toHaveLength(3);
    expect(pausesMs[0]).toBe(42_000);
    expect(pausesMs[2]).toBe(1000);
  });

  test('429 without an end → given up after so many attempts', async () => {
    const { client, calls } = scripted([refused(429, { 'retry-after': '0' })]);
    await expect(gather(client.allLogs())).rejects.toMatchObject({ errorCode: 'E429' });
    expect(calls).toHaveLength(3);
  });

  test('a pause longer than bearable, or a refusal for good → given up at once', async () => {
    for (const answer of [refused(429, { 'retry-after': '61' }), refused(401), refused(500), json([])]) {
      const { client, calls } = scripted([answer]);
      await expect(gather(client.allLogs())).rejects.toThrow();
      expect(calls).toHaveLength(1);
    }
  });

  test('left early → no further page is asked for', async () => {
    const { client, calls } = scripted([pages]);
    for await (const one of client.allLogs()) if (one.messageId === '0b') break;
    expect(calls).toHaveLength(1);
  });

  test('aborted during a pause → the reason of the signal', async () => {
    const client = new SentlogClient({
      baseUrl: 'https://log.example',
      fetch: async () => refused(429, { 'retry-after': '60' }),
    });
    const abort = new AbortController();
    const walk = gather(client.allLogs({}, { signal: abort.signal }));
    setTimeout(() => abort.abort(new Error('enough')), 20);
    await expect(walk).rejects.toThrow('enough');
  });
});

describe('recording', () => {
  test('record → one JSON request, its outcome back', async () => {
    const rejected = [{ index: 1, messageId: 'b', violations: [{ property: 'sender', violation: 'is missing' }] }];
    const { client, calls } = scripted([outcome(1, rejected)]);
    const result = await client.record([{ messageId: 'a' }, { messageId: 'b', status: { id: 5 } }]);
    expect(result).toEqual({ recorded: 1, updated: 0, unchanged: 0, rejected });
    expect(calls[0]).toMatchObject({
      method: 'POST',
      body: '{"results":[{"messageId":"a"},{"messageId":"b","status":{"id":5}}]}',
    });
    expect(calls[0]?.headers.get('content-type')).toBe('application/json');
  });

  test('recordStream → chunks of NDJSON, indexes counted over the whole stream', async () => {
    const rejected = [{ index: 1, violations: [] }];
    const { client, calls } = scripted([outcome(2), outcome(1, rejected), outcome(1)]);
    const source = [{ messageId: 'a' }, '{"messageId":"b"}', '{"messageId":"c"}', 'not json', { messageId: 'e' }];
    const chunks = await gather(client.recordStream(source, { chunkRecords: 2 }));
    expect(calls.map(({ body }) => body)).toEqual([
      '{"messageId":"a"}\n{"messageId":"b"}',
      '{"messageId":"c"}\nnot json',
      '{"messageId":"e"}',
    ]);
    expect(calls[0]?.headers.get('content-type')).toBe('application/x-ndjson');
    expect(chunks.map(({ first, records, recorded }) => [first, records, recorded])).toEqual([
      [0, 2, 2],
      [2, 2, 1],
      [4, 1, 1],
    ]);
    expect(chunks[1]?.rejected).toEqual([{ index: 3, violations: [] }]);
  });

  test('a chunk that did not get through → sent again as it was', async () => {
    const { client, calls } = scripted([new TypeError('reset'), refused(503, { 'retry-after': '0' }), outcome(1)]);
    expect(await gather(client.recordStream(['{}']))).toHaveLength(1);
    expect(calls.map(({ body }) => body)).toEqual(['{}', '{}', '{}']);
  });

  test('a chunk whose records are all bad → its rejections, and the next chunk goes on', async () => {
    const violations = [
      { property: 'results[0].sender', violation: 'is missing' },
      { property: 'results[0].content.type', violation: 'is unknown' },
      { property: 'results[1]', violation: 'is not JSON' },
    ];
    const bad = json({ errorCode: 'E400', description: 'Bad.', action: '', violations, resources: [] }, 400);
    const { client } = scripted([outcome(2), bad, outcome(1)]);
    const chunks = await gather(client.recordStream(['1', '2', '3', '4', '5'], { chunkRecords: 2 }));
    expect(chunks[1]).toMatchObject({ first: 2, records: 2, recorded: 0, rejectedCount: 2 });
    expect(chunks[1]?.rejected).toEqual([
      {
        index: 2,
        violations: [
          { property: 'sender', violation: 'is missing' },
          { property: 'content.type', violation: 'is unknown' },
        ],
      },
      { index: 3, violations: [{ property: '', violation: 'is not JSON' }] },
    ]);
    expect(chunks).toHaveLength(3);
  });

  test('a body that is refused as a whole → an error', async () => {
    for (const answer of [refused(413), refused(403), refused(400)])
      await expect(gather(scripted([answer]).client.recordStream(['1']))).rejects.toBeInstanceOf(SentlogError);
  });

  test('records too large for one body → sent in several', async () => {
    const { client, calls } = scripted([outcome(1)]);
    const large = 'x'.repeat(3 * 1024 * 1024);
    await gather(client.recordStream([large, large, large]));
    expect(calls.map(({ body }) => body.length)).toEqual([large.length * 2 + 1, large.length]);
  });
});

describe('message and export', () => {
  test('message → asked for by its escaped id', async () => {
    const message = { ...log('a/b ?'), timeline: [] };
    const { client, calls } = scripted([json(message), refused(404)]);
    expect(await client.message('a/b ?')).toEqual(message);
    expect(calls[0]?.url.pathname).toBe('/base/messenger/1/messages/a%2Fb%20%3F');
    await expect(client.message('x')).rejects.toMatchObject({ errorCode: 'E404' });
  });

  test('export → the bytes as they come', async () => {
    const { client, calls } = scripted([new Response('a,b\n1,2\n')]);
    const stream = await client.exportLogs({ sender: 's' }, { format: 'csv' });
    expect(await new Response(stream).text()).toBe('a,b\n1,2\n');
    expect(calls[0]?.url.pathname + (calls[0]?.url.search ?? '')).toBe(
      '/base/messenger/1/logs/export?sender=s&format=csv',
    );
  });
});

describe('summary', () => {
  const summary = {
    from: '2023-02-02T11:00:00.000+0000',
    to: '2023-02-02T12:00:00.000+0000',
    bucketMs: 60_000,
    complete: false,
    buckets: [{ from: '2023-02-02T11:00:00.000+0000', groups: { DELIVERED: 1 } }],
    deliveryMs: { count: 0 },
  };

  test('a filter and buckets → the request, and the figures as they came', async () => {
    const { client, calls } = scripted([json(summary)]);
    expect(await client.summary({ sender: 's' }, { buckets: 5 })).toEqual(summary);
    expect(calls[0]?.url.href).toBe('https://log.example/base/messenger/1/logs/summary?sender=s&buckets=5');
  });

  test('by, first and compare → the request, and the breakdown as it came', async () => {
    const row = { sender: 's', messages: 2, failed: 1, deliveryMs: { count: 0 }, prices: [] };
    const told = { ...summary, breakdown: { by: ['sender', 'error'], rows: [row], more: 3 } };
    const { client, calls } = scripted([json(told)]);
    const options = { by: ['sender', 'error'], first: 1, compare: 'week' } as const;
    expect(await client.summary({ not: { sender: 't' } }, options)).toEqual(told);
    expect(calls[0]?.url.search).toBe('?sender%5Bnot%5D=t&by=sender%2Cerror&first=1&compare=week');
  });

  test.each([
    { ...summary, complete: undefined },
    { ...summary, breakdown: { by: ['sender'], rows: [] } },
    { ...summary, breakdown: { by: ['sender'], rows: [{ messages: 1, failed: 0, prices: [] }], more: 0 } },
    { ...summary, total: '5' },
    { ...summary, groups: { DELIVERED: null } },
    { ...summary, buckets: [{ groups: {} }] },
    { ...summary, prices: [{ sum: 1 }] },
    { ...summary, failures: { errors: [{ name: 'x' }] } },
    [],
  ])('%j → not taken for a summary', async body => {
    await expect(scripted([json(body)]).client.summary()).rejects.toThrow(UnexpectedAnswer);
  });

  test('a list of no values → refused without a request', async () => {
    const { client, calls } = scripted([json(summary)]);
    await expect(client.summary({ messageId: [] })).rejects.toThrow(RangeError);
    expect(calls).toEqual([]);
  });
});

describe('sessions and tokens', () => {
  test('a user name and a password → a session, without any other credential', async () => {
    const { client, calls } = scripted([json({ token: 't' })]);
    expect(await client.createSession('ada', 'secret')).toBe('t');
    expect(calls[0]).toMatchObject({ method: 'POST', body: '{"username":"ada","password":"secret"}' });
    expect(calls[0]?.headers.has('authorization')).toBe(false);
  });

  test('the end of a session → told in its name', async () => {
    const { client, calls } = scripted([new Response(null, { status: 204 })], { ibsso: 't' });
    await client.endSession();
    expect([calls[0]?.method, calls[0]?.headers.get('authorization')]).toEqual(['DELETE', 'IBSSO t']);
  });

  test('the parts of a key → an access token', async () => {
    const { client, calls } = scripted([json({ access_token: 'a', token_type: 'Bearer', expires_in: 60 })]);
    expect(await client.issueToken('id', 's&t')).toEqual({ accessToken: 'a', expiresInMs: 60_000 });
    expect(calls[0]?.body).toBe('client_id=id&client_secret=s%26t&grant_type=client_credentials');
    expect(calls[0]?.headers.get('content-type')).toBe('application/x-www-form-urlencoded');
  });

  test.each([{}, { token: 5 }, { access_token: 'a' }])('%j → not taken for either', async body => {
    await expect(scripted([json(body)]).client.createSession('a', 'b')).rejects.toThrow(UnexpectedAnswer);
    await expect(scripted([json(body)]).client.issueToken('a', 'b')).rejects.toThrow(UnexpectedAnswer);
  });
});
