import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { filterFields } from '../../src/domain/filter-fields.ts';
import { Unavailable } from '../../src/failures.ts';
import { createMetrics } from '../../src/http/metrics/metrics.ts';
import type { Sending, SendingFigures } from '../../src/http/parts.ts';
import { type StoreObserver, StoreUnavailable } from '../../src/store/store.ts';
import { errorAnswer, logsPath, message, TestServer } from '../support/http-server.ts';

let server: TestServer;
const metrics = () => createMetrics(new Registry());
beforeEach(() => {
  server = new TestServer({ metrics: metrics(), metricsTokens: [token] });
});
afterEach(() => server.app.close());

function breakStats(fields: object): void {
  const stats = server.store.stats.bind(server.store);
  server.store.stats = async () => ({ ...(await stats()), ...fields });
}

const token = 't'.repeat(32);
/** `/metrics` as who runs the server reads it. */
const lines = async () => {
  const { body } = await server.app.inject({ url: '/metrics', headers: { authorization: `Bearer ${token}` } });
  return body.split('\n');
};
const anonymous = (url: string) => server.app.inject({ url });
const ready = (headers: Record<string, string>) => server.app.inject({ url: '/health/ready', headers });

describe('health', () => {
  test('live → 200, whatever the store does', async () => {
    server.store.failWith(new StoreUnavailable('closed'));
    expect((await anonymous('/health/live')).json()).toEqual({ status: 'live' });
  });

  test('ready → 200, with how much is damaged', async () => {
    expect((await anonymous('/health/ready')).json()).toEqual({ status: 'ready', damaged: 0 });
    breakStats({ damaged: [{ name: 'segment-7', reason: 'checksum' }] });
    const answer = await anonymous('/health/ready');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({ status: 'ready', damaged: 1 });
  });

  test('all that can be amiss → names for who shows the token, numbers for everybody else', async () => {
    const held = { leapMs: 1, past: 5, all: 7, until: 0 };
    const open = (metricsTokens: readonly string[]) =>
      new TestServer({ metrics: metrics(), sending: new SendingToday(), heldSweep: () => held, metricsTokens });
    const damaged = { name: 'segment-7', reason: 'checksum' };
    const away = { name: 'worker-2:5432', reason: 'it does not answer', accounts: 3 };
    const until = '1970-01-01T00:00:00.000Z';
    const told = { status: 'ready', damaged: 1, away: 1, pausedSenders: 1, heldSweep: { until } };
    for (const metricsTokens of [[], [token]]) {
      await server.app.close();
      server = open(metricsTokens);
      breakStats({ damaged: [damaged], away: [away] });
      for (const authorization of [undefined, 'App one', 'Basic b25lOm9uZQ==', `Bearer ${'b'.repeat(32)}`, 'Bearer'])
        expect((await ready({ ...(authorization !== undefined && { authorization }) })).json()).toEqual(told);
    }
    expect((await ready({ authorization: `Bearer ${token}` })).json()).toEqual({
      ...told,
      details: {
        damaged: [damaged],
        away: [{ name: away.name, accounts: 3 }],
        heldSweep: { ...held, until },
        pausedSenders: [{ sender: 'page-1', reason: 'Graph error 190' }],
        outbox: { scheduled: 1, queued: 2, claimed: 3, unknown: 4, parkedEvents: 6 },
      },
    });
  });

  test.each<[what: string, property: string, violation: string, fail: (reason: string) => Promise<void> | void]>([
    ['records that cannot be stored', 'store', 'cannot record: ', reason => breakStats({ writeFailure: reason })],
    [
      'a store that does not answer',
      'store',
      'cannot serve: ',
      reason => server.store.failWith(new StoreUnavailable(reason)),
    ],
    [
      'an outbox that takes nothing',
      'outbox',
      'cannot send: ',
      async reason => {
        await server.app.close();
        const sending = new SendingToday();
        sending.failure = new Unavailable(reason);
        server = new TestServer({ metrics: metrics(), sending });
      },
    ],
  ])('%s → not ready, and of which kind; why is for the log alone', async (_, property, violation, fail) => {
    const reason = 'password of "joanna" is wrong at db.internal:5432';
    await fail(reason);
    const answer = await anonymous('/health/ready');
    expect(errorAnswer(answer)).toEqual({ code: 'E503', properties: [property] });
    expect(answer.json().violations[0].violation).toContain(violation);
    expect(answer.body).not.toMatch(/joanna|internal|5432/);
    expect(answer.headers['retry-after']).toBeTypeOf('string');
    expect(server.logged.map(line => JSON.parse(line))).toContainEqual(expect.objectContaining({ reason }));
  });

  test('a server that a part of the log lies on is away → ready all the same; /metrics tell whom it holds up', async () => {
    const away = [{ name: 'worker-2:5432', reason: 'it does not answer', accounts: 3 }];
    breakStats({ away });
    expect((await anonymous('/health/ready')).json()).toEqual({ status: 'ready', damaged: 0, away: 1 });
    expect(await lines()).toContain('sentlog_store_away_accounts{name="worker-2:5432"} 3');
    breakStats({ away: [] });
    expect((await lines()).join()).not.toContain('worker-2');
  });
});

/** Whatever is counted has a number of its own. */
class SendingToday implements Sending {
  outbox: SendingFigures['outbox'] = {
    ...{ scheduled: 1, queued: 2, sending: 3, unknown: 4, untold: 5, parked: 6, openReports: 7, pushes: 8 },
  };
  failure: Unavailable | undefined;
  readonly accept = async () => [];
  readonly paused = () => [{ account: 1, sender: 'page-1', reason: 'Graph error 190' }];
  readonly outage = () => this.failure;
  readonly figures = async () => ({
    paused: this.paused(),
    ...(this.outbox !== undefined && { outbox: this.outbox }),
    sends: { sent: 11, failed: 12, again: 13, unknown: 14 },
    pushes: { pushed: 15, failed: 16, dropped: 17 },
    lostEvents: { 'too large': 18, 'not kept': 19 },
  });
}

describe('/metrics', () => {
  test('read replicas → reads by place, and how recent each replica is; without them no such series', async () => {
    expect((await lines()).some(line => line.startsWith('sentlog_store_re') && line.includes('{'))).toBe(false);
    const away = { name: 'b:5432/log', reads: 0, isUsed: false };
    breakStats({ reads: { primary: 3, replicas: [{ name: 'a/log', reads: 7, isUsed: true, behindMs: 250 }, away] } });
    for (let i = 0; i < 2; i++)
      expect(await lines()).toEqual(
        expect.arrayContaining([
          'sentlog_store_reads_total{place="primary"} 3',
          'sentlog_store_reads_total{place="a/log"} 7',
          'sentlog_store_reads_total{place="b:5432/log"} 0',
          'sentlog_store_replica_used{replica="a/log"} 1',
          'sentlog_store_replica_used{replica="b:5432/log"} 0',
          'sentlog_store_replica_lag_seconds{replica="a/log"} 0.25',
        ]),
      );
  });

  test('requests and records → counted by route, method, status and outcome; no id in a label', async () => {
    await server.record([message('m1'), message('m2')]);
    await server.record([{ messageId: 'm1', status: 5 }]);
    await server.post({ results: [message('m1'), 5] });
    await server.call('/messenger/1/messages/m1');
    await server.call('/nowhere/else');
    await server.call(`${logsPath}?limit=0`);
    const told = await lines();
    expect(told).toEqual(
      expect.arrayContaining([
        'sentlog_http_requests_total{route="/messenger/1/logs",method="POST",status="200"} 3',
        'sentlog_http_requests_total{route="/messenger/1/logs",method="GET",status="400"} 1',
        'sentlog_http_requests_total{route="/messenger/1/messages/:messageId",method="GET",status="200"} 1',
        'sentlog_http_requests_total{route="unknown",method="GET",status="404"} 1',
        'sentlog_records_total{outcome="recorded"} 2',
        'sentlog_records_total{outcome="updated"} 1',
        'sentlog_records_total{outcome="unchanged"} 1',
        'sentlog_records_total{outcome="rejected"} 1',
        'sentlog_store_up 1',
        'sentlog_store_writable 1',
        'sentlog_store_messages 2',
        'sentlog_store_reports 1',
        'sentlog_store_segments 1',
        'sentlog_store_queued_records 0',
        'sentlog_store_free_bytes 0',
        'sentlog_store_oldest_message_timestamp_seconds 1675339200',
      ]),
    );
    expect(told.join()).not.toMatch(/m1"|nowhere/);
  });

  test('what the store commits and sets aside → told', async () => {
    const own = metrics();
    await server.app.close();
    server = new TestServer({ metrics: own, metricsTokens: [token] });
    const heard: unknown[] = [];
    const observer: StoreObserver = own.storeObserver({
      damaged: part => heard.push(part),
      note: event => heard.push(event),
    });
    const cameTo = (groups: object, errors: object) => ({
      groups: new Map(Object.entries(groups)),
      errors: new Map(Object.entries(errors)),
    });
    const both = cameTo({ PENDING: 900, REJECTED: 2 }, { NO_ERROR: 2 });
    observer.committed({ durationMs: 4, messages: 900, reports: 100, outcomes: both });
    observer.committed({ durationMs: 8, messages: 1, reports: 0, outcomes: cameTo({ PENDING: 1 }, {}) });
    observer.damaged({ name: 'segment-7', reason: 'checksum' });
    observer.note({ message: 'sealed', level: 'info' });
    breakStats({ damaged: [{ name: 'segment-7', reason: 'checksum' }], writeFailure: 'full' });
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'sentlog_store_committed_messages_total 901',
        'sentlog_store_committed_reports_total 100',
        'sentlog_deliveries_total{group="PENDING"} 901',
        'sentlog_deliveries_total{group="REJECTED"} 2',
        'sentlog_deliveries_total{group="DELIVERED"} 0',
        'sentlog_failures_total{error="NO_ERROR"} 2',
        'sentlog_store_commit_duration_seconds_count 2',
        'sentlog_store_commit_duration_seconds_bucket{le="0.005"} 1',
        'sentlog_store_damaged{name="segment-7"} 1',
        'sentlog_store_writable 0',
      ]),
    );
    expect(heard).toHaveLength(2);
  });

  test('what is on its way, pages that pause, reports → told; where nothing is sent no such series', async () => {
    const name = /^sentlog_(?:outbox|sender|sends|report_pushes|meta_events)_?\w*[{ ]/;
    expect((await lines()).filter(line => name.test(line))).toEqual([]);
    await server.app.close();
    const sending = new SendingToday();
    server = new TestServer({ metrics: metrics(), sending, metricsTokens: [token] });
    const told = [
      'sentlog_outbox_messages{state="scheduled"} 1',
      'sentlog_outbox_messages{state="queued"} 2',
      'sentlog_outbox_messages{state="claimed"} 3',
      'sentlog_outbox_messages{state="unknown"} 4',
      'sentlog_outbox_parked_events{of="meta"} 6',
      'sentlog_outbox_untold_changes{of="log"} 5',
      'sentlog_outbox_reports{to="fetch"} 7',
      'sentlog_outbox_reports{to="push"} 8',
      'sentlog_sender_paused{sender="page-1",reason="Graph error 190"} 1',
      'sentlog_sends_total{outcome="sent"} 11',
      'sentlog_sends_total{outcome="failed"} 12',
      'sentlog_sends_total{outcome="again"} 13',
      'sentlog_sends_total{outcome="unknown"} 14',
      'sentlog_report_pushes_total{outcome="pushed"} 15',
      'sentlog_report_pushes_total{outcome="failed"} 16',
      'sentlog_report_pushes_total{outcome="dropped"} 17',
      'sentlog_meta_events_lost_total{reason="too large"} 18',
      'sentlog_meta_events_lost_total{reason="not kept"} 19',
    ];
    for (let i = 0; i < 2; i++)
      expect((await lines()).filter(line => name.test(line)).toSorted()).toEqual(told.toSorted());
    sending.outbox = undefined;
    expect((await lines()).filter(line => name.test(line))).toHaveLength(10);
  });

  test('a store that does not answer → everything else is told', async () => {
    server.store.failWith(new StoreUnavailable('closed'));
    expect(await lines()).toContain('sentlog_store_up 0');
  });
});

test('/metrics that everybody may read → numbers in the place of names', async () => {
  const names = ['a "page"', 'b,name="x"', 'c\\', 'd'];
  const [page, segment, worker, replica] = names;
  const sending = new SendingToday();
  Object.assign(sending, { paused: () => [{ account: 1, sender: page, reason: 'r' }] });
  await server.app.close();
  server = new TestServer({ metrics: metrics(), sending });
  breakStats({
    damaged: [{ name: segment, reason: 'r' }],
    away: [{ name: worker, reason: 'r', accounts: 3 }],
    reads: { primary: 3, replicas: [{ name: replica, reads: 7, isUsed: true, behindMs: 250 }] },
  });
  for (let i = 0; i < 2; i++) {
    const { body } = await anonymous('/metrics');
    expect(body.split('\n')).toEqual(
      expect.arrayContaining([
        'sentlog_sender_paused{sender="1",reason="r"} 1',
        'sentlog_store_damaged{name="1"} 1',
        'sentlog_store_away_accounts{name="2"} 3',
        'sentlog_store_reads_total{place="primary"} 3',
        'sentlog_store_reads_total{place="1"} 7',
        'sentlog_store_replica_used{replica="1"} 1',
      ]),
    );
    // Whatever else has a label has values that this program chose.
    const values = [...body.matchAll(/="((?:[^"\\]|\\.)*)"/g)].map(([, value = '']) => value);
    for (const name of names) expect(values).not.toContain(name.replaceAll('\\', '\\\\').replaceAll('"', '\\"'));
  }
});

test('a name goes from the open /metrics → the others keep their numbers, a new one has one of its own', async () => {
  await server.app.close();
  server = new TestServer({ metrics: metrics() });
  const numbersOf = async (...names: string[]) => {
    breakStats({ damaged: names.map(name => ({ name, reason: 'r' })) });
    const { body } = await anonymous('/metrics');
    return [...body.matchAll(/^sentlog_store_damaged\{name="(\d+)"\} 1$/gm)].map(([, number]) => Number(number));
  };
  expect(await numbersOf('a', 'b', 'c')).toEqual([1, 2, 3]);
  expect(await numbersOf('b', 'c')).toEqual([2, 3]);
  expect(await numbersOf('c', 'd', 'a')).toEqual([3, 4, 1]);
});

test('/metrics with tokens → for whoever has one of them, and nobody else', async () => {
  const [one, other] = ['a'.repeat(32), 'b'.repeat(32)];
  const closed = new TestServer({ metricsTokens: [one, other] });
  const status = async (headers: Record<string, string>) =>
    (await closed.app.inject({ url: '/metrics', headers })).statusCode;
  expect(await status({ authorization: `Bearer ${one}` })).toBe(200);
  expect(await status({ authorization: `bearer ${other}` })).toBe(200);
  for (const authorization of ['', 'Bearer', `Bearer ${one}x`, `App ${one}`, 'App one', `Bearer ${one},${other}`])
    expect(await status({ authorization })).toBe(401);
  expect(await status({})).toBe(401);
  expect((await closed.app.inject({ url: '/health/live' })).statusCode).toBe(200);
  await closed.app.close();
});

describe('/openapi.json', () => {
  test('every route with its parameters and errors → described, and every reference leads somewhere', async () => {
    const answer = await anonymous('/openapi.json');
    const document = answer.json();
    expect(document.openapi).toMatch(/^3\.1\./);
    const operations = Object.entries<object>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map(method => `${method} ${path}`),
    );
    expect(operations).toEqual([
      'get /messenger/1/logs',
      'post /messenger/1/logs',
      'get /messenger/1/logs/export',
      'get /messenger/1/logs/summary',
      'get /messenger/1/logs/stream',
      'post /messenger/1/messages',
      'get /messenger/1/reports',
      'get /messenger/1/messages/{messageId}',
      'post /auth/1/oauth2/token',
      'post /auth/1/session',
      'delete /auth/1/session',
      'get /manage/1/account',
      'get /manage/1/accounts',
      'post /manage/1/accounts',
      'post /manage/1/keys',
      'delete /manage/1/keys/{id}',
      'post /manage/1/keys/{id}/binding',
      'post /manage/1/users',
      'delete /manage/1/users/{name}',
      'get /manage/1/mirrors',
      'post /manage/1/mirrors',
      'delete /manage/1/mirrors/{name}',
      'post /manage/1/mirrors/{name}/pause',
      'post /manage/1/mirrors/{name}/check',
      'post /manage/1/mirrors/{name}/resume',
      'get /manage/1/senders',
      'post /manage/1/senders',
      'delete /manage/1/senders/{page}',
      'post /manage/1/senders/{page}/check',
      'post /emulator/reset',
      'get /emulator/clock',
      'post /emulator/clock',
      'post /emulator/receipts',
      'post /emulator/faults',
      'get /emulator/sent',
      'get /emulator/destinations',
      'post /webhooks/infobip/{mirror}',
      'post /webhooks/infobip/{mirror}/{secret}',
      'get /webhooks/meta',
      'post /webhooks/meta',
      'get /health/live',
      'get /health/ready',
      'get /metrics',
      'get /openapi.json',
    ]);
    const names = document.paths[logsPath].get.parameters.map(({ name }: { name: string }) => name);
    expect(names).toEqual([
      ...filterFields.map(field => field.name),
      ...filterFields.map(field => `${field.name}[not]`),
      ...'sentSince sentUntil limit useCursor cursor'.split(' '),
    ]);
    for (const [, name] of answer.body.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g))
      expect(document.components.schemas).toHaveProperty(name ?? '');
  });

  test('what it says a log is → what a log is', async () => {
    const { Log } = (await anonymous('/openapi.json')).json().components.schemas;
    await server.record([
      message('m1', {
        bulkId: 'b',
        doneAt: '2023-02-02T11:00:00Z',
        price: { pricePerMessage: 1, currency: 'EUR' },
        platform: { entityId: 'e', applicationId: 'a' },
        campaignReferenceId: 'c',
      }),
      message('m2'),
    ]);
    const [bare, whole] = (await server.call(logsPath)).json().results;
    expect(Object.keys(whole)).toEqual(Object.keys(Log.properties));
    expect(Object.keys(bare)).toEqual(Log.required);
  });
});
