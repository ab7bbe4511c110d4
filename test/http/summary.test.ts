import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StoreUnavailable } from '../../src/store/store.ts';
import { errorAnswer, message, startOfTest, summaryPath, TestServer } from '../support/http-server.ts';

let server: TestServer;
beforeEach(() => {
  server = new TestServer();
});
afterEach(() => server.app.close());

const at = (moment: number) => new Date(moment).toISOString();
const none = { ACCEPTED: 0, PENDING: 0, UNDELIVERABLE: 0, DELIVERED: 0, EXPIRED: 0, REJECTED: 0 };
const hourMs = 3_600_000;

describe('GET /messenger/1/logs/summary', () => {
  test('messages of all kinds → their figures, in the form of the document', async () => {
    const price = { pricePerMessage: 0.15, currency: 'EUR' };
    const failed = { status: 'UNDELIVERABLE_NOT_DELIVERED', error: 'EC_ABSENT_SUBSCRIBER', campaignReferenceId: 'c' };
    await server.record([
      message('m1', { sentAt: at(startOfTest - 90_000), price, messageCount: 2 }),
      message('m2', { sentAt: at(startOfTest - 30_000), price, status: 5, doneAt: at(startOfTest - 29_900) }),
      message('m3', { sentAt: at(startOfTest - 20_000), ...failed }),
      message('m4', { sentAt: at(startOfTest - hourMs), ...failed }),
    ]);
    const answer = await server.call(`${summaryPath}?sentSince=${at(startOfTest - 120_000)}&buckets=2`);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    const all = { ...none, PENDING: 1, DELIVERED: 1, UNDELIVERABLE: 1 };
    expect(answer.json()).toEqual({
      from: '2023-02-02T11:58:00.000+0000',
      to: '2023-02-02T12:00:00.000+0000',
      bucketMs: 60_000,
      complete: true,
      total: 3,
      groups: all,
      buckets: [
        { from: '2023-02-02T11:58:00.000+0000', groups: { ...none, PENDING: 1 } },
        { from: '2023-02-02T11:59:00.000+0000', groups: { ...all, PENDING: 0 } },
      ],
      deliveryMs: { p50: 100, p95: 100, count: 1 },
      prices: [{ currency: 'EUR', sum: 0.45, count: 2 }],
      failures: {
        errors: [{ name: 'EC_ABSENT_SUBSCRIBER', count: 1 }],
        senders: [{ sender: '44113496000', count: 1 }],
        campaigns: [{ campaignReferenceId: 'c', count: 1 }],
      },
    });
    const { Summary } = (await server.call('/openapi.json')).json().components.schemas;
    // Gaps are of what is mirrored, and nothing is compared or broken down unasked.
    const isTold = (name: string) => !['gaps', 'compared', 'breakdown'].includes(name);
    expect(Object.keys(answer.json())).toEqual(Object.keys(Summary.properties).filter(isTold));
  });

  test.each([
    ['previous', 2 * hourMs],
    ['yesterday', 24 * hourMs],
  ] as const)('compare=%s → the same figures of that range, as if it had been asked for', async (compare, backMs) => {
    const since = startOfTest - 2 * hourMs;
    const price = { pricePerMessage: 0.15, currency: 'EUR' };
    await server.record([
      message('now', { sentAt: at(since), price }),
      message('end', { sentAt: at(startOfTest - 1) }),
      message('then', { sentAt: at(since - backMs), sender: 's', status: 'REJECTED_NETWORK', price }),
      message('next', { sentAt: at(since - backMs + 60_000), status: 5, doneAt: at(since - backMs + 61_000) }),
      message('before', { sentAt: at(since - backMs - 1) }),
    ]);
    const ask = async (query: string) => (await server.call(`${summaryPath}?buckets=4&${query}`)).json();
    const { compared, ...own } = await ask(`sentSince=${at(since)}&compare=${compare}`);
    expect(own).toEqual(await ask(`sentSince=${at(since)}`));
    expect(own.total).toBe(2);
    expect(compared).toEqual(await ask(`sentSince=${at(since - backMs)}&sentUntil=${at(startOfTest - backMs)}`));
    expect(compared).toMatchObject({ total: 2, complete: true, failures: { senders: [{ sender: 's', count: 1 }] } });
  });

  test.each([
    ['Europe/Zagreb', '2026-03-29T22:00Z', 23],
    ['Europe/Zagreb', '2026-10-25T23:00Z', 25],
    ['America/New_York', '2026-03-09T04:00Z', 23],
    ['America/New_York', '2026-11-02T05:00Z', 25],
    ['Australia/Lord_Howe', '2026-10-04T13:00Z', 23.5],
    ['Australia/Lord_Howe', '2026-04-05T13:30Z', 24.5],
  ])(
    'today beside yesterday in %s, where yesterday began at %s minus %s h → by the clock of that zone',
    async (...row) => {
      const [timeZone, midnightText, hours] = row;
      const midnight = Date.parse(midnightText);
      server.now = midnight + 9 * hourMs;
      const yesterday = midnight - hours * hourMs;
      await server.record([
        message('before', { sentAt: at(yesterday - 1) }),
        message('first', { sentAt: at(yesterday) }),
        message('last', { sentAt: at(midnight + 9 * hourMs - 24 * hourMs - 1) }),
        message('too late', { sentAt: at(midnight + 9 * hourMs - 24 * hourMs) }),
      ]);
      const query = `sentSince=${at(midnight)}&compare=yesterday`;
      const whole = async (more: string) => (await server.call(`${summaryPath}?${query}${more}`)).json();
      const ask = async (more: string) => (await whole(more)).compared;
      const moment = (ms: number) => at(ms).replace('Z', '+0000');
      expect(await ask(`&timeZone=${timeZone}`)).toMatchObject({
        from: moment(yesterday),
        to: moment(midnight + 9 * hourMs - 24 * hourMs),
        total: 2,
      });
      expect(await ask('')).toMatchObject({ from: moment(midnight - 24 * hourMs) });
      for (const buckets of [1, 7, 36, 60, 200]) {
        const { bucketMs, compared } = await whole(`&timeZone=${timeZone}&buckets=${buckets}`);
        expect(compared.bucketMs).toBe(bucketMs);
        expect(compared.buckets).toHaveLength(Math.ceil(((hours - 15) * hourMs) / bucketMs));
        const all = compared.buckets.flatMap((one: { groups: object }) => Object.values(one.groups));
        expect(all.reduce((sum: number, count: number) => sum + count, 0)).toBe(2);
      }
    },
  );

  test('a time zone that there is not → 400 that says so', async () => {
    const answer = await server.call(`${summaryPath}?compare=week&timeZone=Mars/Olympus`);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().violations).toEqual([
      { property: 'timeZone', violation: 'must be the name of a time zone, such as Europe/Zagreb' },
    ]);
  });

  test('by=error,campaignReferenceId with compare → what failed most in which campaign, beside the same of then', async () => {
    const failed = { status: 'UNDELIVERABLE_NOT_DELIVERED', error: 'EC_ABSENT_SUBSCRIBER' };
    const price = { pricePerMessage: 0.15, currency: 'EUR' };
    const since = startOfTest - hourMs;
    await server.record([
      message('m1', { sentAt: at(since), ...failed, campaignReferenceId: 'a', price }),
      message('m2', { sentAt: at(since), ...failed, campaignReferenceId: 'a', price }),
      message('m3', { sentAt: at(since), ...failed }),
      message('m4', { sentAt: at(since), campaignReferenceId: 'a', status: 5, doneAt: at(since + 100) }),
      message('m5', { sentAt: at(since - 1), ...failed, campaignReferenceId: 'a' }),
      message('m6', { sentAt: at(since - 1), ...failed, campaignReferenceId: 'b' }),
    ]);
    const ask = async (query: string) =>
      (await server.call(`${summaryPath}?sentSince=${at(since)}&by=error,campaignReferenceId&${query}`)).json();
    const row = (fields: object) => ({ failed: 0, deliveryMs: { count: 0 }, prices: [], ...fields });
    const [absent, none] = ['EC_ABSENT_SUBSCRIBER', 'NO_ERROR'];
    const cost = [{ currency: 'EUR', sum: 0.3, count: 2 }];
    const { breakdown, compared } = await ask('compare=previous');
    expect(breakdown).toEqual({
      by: ['error', 'campaignReferenceId'],
      rows: [
        row({ error: absent, campaignReferenceId: 'a', messages: 2, failed: 2, prices: cost }),
        row({ error: absent, messages: 1, failed: 1 }),
        row({ error: none, campaignReferenceId: 'a', messages: 1, deliveryMs: { p50: 100, p95: 100, count: 1 } }),
      ],
      more: 0,
    });
    expect(compared.breakdown.rows).toEqual([
      row({ error: absent, campaignReferenceId: 'a', messages: 1, failed: 1 }),
      row({ error: absent, messages: 0 }),
      row({ error: none, campaignReferenceId: 'a', messages: 0 }),
    ]);
    const first = await ask('first=1&sender=44113496000');
    expect(first.breakdown).toMatchObject({ rows: [{ messages: 2 }], more: 2 });
    expect(first).not.toHaveProperty('compared');
  });

  test('a breakdown that could not be finished → absent, beside what is known', async () => {
    const summarize = server.store.summarize.bind(server.store);
    server.store.summarize = async query => {
      const { breakdown, ...figures } = await summarize(query);
      expect(breakdown).toEqual({ rows: [], more: 0 });
      return { ...figures, complete: false };
    };
    const summary = (
      await server.call(`${summaryPath}?by=sender&compare=previous&sentSince=${at(startOfTest - 1)}`)
    ).json();
    expect(summary).toMatchObject({ complete: false, total: 0, compared: { complete: false, total: 0 } });
    for (const one of [summary, summary.compared]) expect(one).not.toHaveProperty('breakdown');
  });

  test.each(['compare=week', 'compare=previous'])(
    '%s, further back than the log keeps → no figures, not complete',
    async query => {
      await server.record([message('m1', { sentAt: at(startOfTest - 1000) })]);
      const { compared, total } = (await server.call(`${summaryPath}?${query}`)).json();
      expect(total).toBe(1);
      expect(Object.keys(compared)).toEqual(['from', 'to', 'bucketMs', 'complete', 'buckets']);
      expect(compared).toMatchObject({ complete: false, buckets: [] });
    },
  );

  test('nothing at all → zeros over what is kept, 60 buckets', async () => {
    const summary = (await server.call(summaryPath)).json();
    expect(summary).toMatchObject({ complete: true, total: 0, groups: none, deliveryMs: { count: 0 }, prices: [] });
    expect(summary.from).toBe('2023-01-31T12:00:00.000+0000');
    expect(summary.buckets).toHaveLength(60);
    expect(summary.deliveryMs).toEqual({ count: 0 });
  });

  test('what could not be finished → absent, never 0', async () => {
    const summarize = server.store.summarize.bind(server.store);
    server.store.summarize = async query => {
      const { range, buckets } = await summarize(query);
      return { range, complete: false, buckets: buckets.slice(-1) };
    };
    const summary = (await server.call(`${summaryPath}?sender=a`)).json();
    expect(Object.keys(summary)).toEqual(['from', 'to', 'bucketMs', 'complete', 'buckets']);
    expect(summary.buckets).toHaveLength(1);
  });

  test.each(['sender=a', 'bulkId=b1,b2', 'generalStatus=DELIVERED', 'campaignReferenceId[]=c&sender=a'])(
    'the filter %s → counts what logs shows',
    async query => {
      await server.record([
        message('m1', { sender: 'a', bulkId: 'b1' }),
        message('m2', { sender: 'b', bulkId: 'b2', status: 5 }),
        message('m3', { sender: 'a', campaignReferenceId: 'c', status: 5 }),
      ]);
      const { total } = (await server.call(`${summaryPath}?${query}`)).json();
      expect(total).toBe((await server.messageIds(query)).length);
    },
  );

  test('a bound key → counts its own; another application → an empty summary without store work', async () => {
    server.callers.add('bound', 1, ['messenger:logs:read'], { applicationId: 'a1' });
    const of = (applicationId: string) => ({ platform: { applicationId } });
    await server.record([message('m1', of('a1')), message('m2', of('a2'))]);
    const headers = { authorization: 'App bound' };
    expect((await server.call(summaryPath, { headers })).json().total).toBe(1);
    const { summarize } = server.store.calls;
    const other = (await server.call(`${summaryPath}?applicationId=a2`, { headers })).json();
    expect(other).toMatchObject({ complete: true, total: 0, groups: none, prices: [] });
    expect(other.buckets).toHaveLength(60);
    expect(server.store.calls.summarize).toBe(summarize);
  });

  test.each([
    'sentUntil=2020-01-01T00:00:00Z',
    'sentSince=2023-02-02T11:00:00Z&sentUntil=2023-02-02T10:00:00Z',
    'sentSince=9999-12-31T23:59:59.999Z',
    'sentSince=0001-01-01T00:00:00Z&sentUntil=9999-12-31T23:59:59.999Z&buckets=200',
  ])('the range %s → an answer that ends no earlier than it begins', async query => {
    const answer = await server.call(`${summaryPath}?${query}`);
    expect(answer.statusCode).toBe(200);
    const { from, to } = answer.json();
    expect(Date.parse(to)).toBeGreaterThanOrEqual(Date.parse(from));
  });

  test('several bad parameters → 400 with each, and no store work', async () => {
    const answer = await server.call(`${summaryPath}?buckets=201&limit=1&sentSince=now&format=csv&by=status&first=0`);
    const properties = ['buckets', 'by', 'first', 'format', 'limit', 'sentSince'];
    expect(errorAnswer(answer).properties.toSorted()).toEqual(properties);
    expect(server.store.callCount).toBe(0);
  });

  test.each(['by=', 'by=sender,error,entityId', 'by=sender&by=x', 'by=destination', 'by=Sender'])(
    '%s → refused with what may be given',
    async query => {
      const answer = await server.call(`${summaryPath}?${query}`);
      expect(errorAnswer(answer).properties).toEqual(['by']);
      expect(answer.json().violations[0].violation).toMatch(
        /must (be one of sender, .*error, or 2 of them|not be empty)/,
      );
    },
  );

  test('a store that cannot serve → 503', async () => {
    server.store.failWith(new StoreUnavailable('busy', 2000));
    const answer = await server.call(summaryPath);
    expect(errorAnswer(answer).code).toBe('E503');
    expect(answer.headers['retry-after']).toBe('2');
  });
});
