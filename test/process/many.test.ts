import { existsSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { EventStream } from '../support/event-stream.ts';
import {
  type Answer,
  errorAnswer,
  eventually,
  LogCalls,
  logsPath,
  numbered,
  numberedFrom,
} from '../support/log-calls.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { type Lane, Ledger, Load } from '../support/recording-load.ts';
import { ServerHome, type ServerProcess } from '../support/server-process.ts';

let postgres: PostgresServer;
let url: string;
let home: ServerHome;

beforeAll(async () => {
  postgres = await PostgresServer.start(['wal_writer_delay=10s']);
  return () => postgres.remove();
});

beforeEach(async () => {
  url = await postgres.database();
  home = new ServerHome(undefined, { SENTLOG_STORE: url });
});
afterEach(() => home.remove());

const processes = 3;
const query = (text: string) => postgres.query(text, url);

/** Few enough for a small machine, and still several at a time on each server. */
const lanes: readonly Lane[] = [
  { kind: 'messages', form: 'ndjson', recordsPerRequest: 100 },
  { kind: 'messages', form: 'json', recordsPerRequest: 1 },
  { kind: 'reports', form: 'ndjson', recordsPerRequest: 50 },
  { kind: 'reports', form: 'json', recordsPerRequest: 1 },
];

function pick<T>(among: readonly T[], i: number): T {
  const one = among[i % among.length];
  if (one === undefined) throw new Error('nothing to pick from');
  return one;
}

async function json(answer: Promise<Answer>): Promise<Readonly<Record<string, unknown>>> {
  const { status, text } = await answer;
  if (status !== 200) throw new Error(`answered ${status}: ${text}`);
  return JSON.parse(text);
}

/** A 503 as the contract has it. */
function expectUnavailable(answer: Answer): void {
  expect(errorAnswer(answer).errorCode).toBe('E503');
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
}

test('three started at once on an empty database → one account, one key, printed by one of them; all serve one log', async () => {
  const servers = await home.serveSeveral(processes);
  expect(servers.filter(server => server.firstAuthorization !== undefined)).toHaveLength(1);
  expect(await query('SELECT name FROM sentlog.account')).toEqual([{ name: 'default' }]);
  expect(await query('SELECT id FROM sentlog.api_key')).toHaveLength(1);
  const calls = servers.map(server => home.calls(server));
  await Promise.all(calls.map((one, i) => one.record(numberedFrom(i * 100, 100))));
  for (const one of calls) expect(await one.walk('', 70)).toHaveLength(300);
  const begun = await pick(calls, 0).page('limit=200&useCursor=true');
  const rest = await pick(calls, 1).page(`limit=200&cursor=${encodeURIComponent(begun.nextCursor ?? '')}`);
  expect(new Set([...begun.logs, ...rest.logs].map(log => log.messageId)).size).toBe(300);
  expect(existsSync(home.dataDir)).toBe(false);
});

test('sessions and tokens made on one → good on the others, and ended everywhere', async () => {
  const servers = await home.serveSeveral(2);
  const calls = servers.map(server => home.calls(server));
  const addresses = servers.map(server => server.address);
  const password = (await home.command('users', 'create', 'ann', '--account', 'default')).stdout.trim();
  const login = { method: 'POST', headers: { 'content-type': 'application/json' } };
  const body = JSON.stringify({ username: 'ann', password });
  const { token } = await json(pick(calls, 0).call('/auth/1/session', { ...login, body }));
  const [, id = '', secret = ''] = /^App sentlog_([^_]+)_(.+)$/.exec(pick(calls, 0).authorization) ?? [];
  const form = new URLSearchParams({ client_id: id, client_secret: secret, grant_type: 'client_credentials' });
  const { access_token } = await json(pick(calls, 1).call('/auth/1/oauth2/token', { method: 'POST', body: form }));
  const by = (authorization: string) => addresses.map(address => new LogCalls(address, authorization));
  for (const authorization of [`IBSSO ${token}`, `Bearer ${access_token}`, `Basic ${btoa(`ann:${password}`)}`])
    for (const one of by(authorization)) expect((await one.call(logsPath)).status).toBe(200);
  const session = by(`IBSSO ${token}`);
  expect((await pick(session, 1).call('/auth/1/session', { method: 'DELETE' })).status).toBe(200);
  for (const one of session)
    await eventually('the session has ended', async () => (await one.call(logsPath)).status === 401);
  for (const one of session) expect((await one.call(logsPath)).status).toBe(401);
});

test('a key revoked by a command → refused by every process, though it is in use all the time', async () => {
  const servers = await home.serveSeveral(2, { settings: { SENTLOG_AUTH_FAILURE_LIMIT: '1000000' } });
  const key = await home.createKey('default');
  const calls = servers.map(server => new LogCalls(server.address, key));
  for (const one of calls) expect((await one.call(logsPath)).status).toBe(200);
  // In use all the time, so that none has to look anew for want of use.
  let using = true;
  const use = calls.map(async one => {
    let last = 200;
    while (using && last === 200) last = (await one.call(logsPath)).status;
    return last;
  });
  try {
    const revoked = home.command('keys', 'revoke', /sentlog_[^_]+/.exec(key)?.[0] ?? '');
    expect(await revoked).toMatchObject({ code: 0 });
    // One that took no notice would be asked until the test's time is over.
    expect(await Promise.all(use)).toEqual([401, 401]);
  } finally {
    using = false;
  }
  for (const one of calls) expect((await one.call(logsPath)).status).toBe(401);
});

test('rate limits → shared exactly: 120 in all, each counted once; failed authentications too', async () => {
  const limits = { SENTLOG_RATE_LIMIT: '120', SENTLOG_AUTH_FAILURE_LIMIT: '10' };
  const servers = await home.serveSeveral(2, { settings: limits });
  const calls = servers.map(server => home.calls(server));
  const answers = await Promise.all(Array.from({ length: 180 }, (_, i) => pick(calls, i).call(`${logsPath}?limit=1`)));
  const admitted = answers.filter(({ status }) => status === 200);
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(60);
  const remaining = admitted.map(({ headers }) => Number(headers.get('ratelimit-remaining')));
  expect(remaining.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 120 }, (_, i) => i));
  for (const answer of answers.filter(({ status }) => status === 429)) {
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(60);
  }
  const wrong = servers.map(server => new LogCalls(server.address, `App sentlog_${'A'.repeat(12)}_${'A'.repeat(32)}`));
  const refused = await Promise.all(Array.from({ length: 30 }, (_, i) => pick(wrong, i).call(logsPath)));
  expect(refused.filter(({ status }) => status === 401)).toHaveLength(10);
  expect(refused.filter(({ status }) => status === 429)).toHaveLength(20);
  // What is spent for reading is not spent for recording.
  for (const one of calls) await one.record([numbered(1)]);
});

test('one killed with -9 during recording → nothing answered is lost, nothing is there twice, the others go on', async () => {
  const servers = await home.serveSeveral(processes);
  const ledger = new Ledger(Date.now() - 600_000);
  const loads = servers.map(server => new Load(ledger, home.calls(server), lanes));
  await Promise.all(loads.map(load => load.confirmed(1500)));
  await pick(servers, 1).end('SIGKILL');
  await pick(loads, 1).finished();
  const before = ledger.confirmedRecords;
  await eventually('the others record on', () => ledger.confirmedRecords > before + 1000);
  for (const load of loads) await load.stop();
  expect(loads.flatMap(load => load.refusals)).toEqual([]);
  const survivors = [pick(servers, 0), pick(servers, 2)].map(server => home.calls(server));
  expect(ledger.faults(await pick(survivors, 0).walk())).toEqual([]);
  await Load.repeatUnanswered(ledger, pick(survivors, 1));
  for (const calls of survivors) expect(ledger.faults(await calls.walk())).toEqual([]);
  expect(await ledger.timelineFaults(pick(survivors, 0), 10)).toEqual([]);
  expect(ledger.wrongAnswers).toEqual([]);
});

test('the database restarted in the middle → 503 with Retry-After meanwhile, then healthy by itself, nothing lost', async () => {
  const servers = await home.serveSeveral(2);
  const calls = servers.map(server => home.calls(server));
  const ledger = new Ledger(Date.now() - 600_000);
  const load = new Load(ledger, pick(calls, 0), lanes);
  await load.confirmed(1000);
  await postgres.halt('fast');
  await load.finished();
  for (const refusal of load.refusals) expectUnavailable(refusal);
  await wait(500);
  for (const one of calls) {
    for (const answer of [
      await one.call(logsPath),
      await one.call(`${logsPath}/export`),
      await one.call('/messenger/1/messages/message-1'),
      await one.postJson([numbered(1)]),
      await one.call('/auth/1/session', { method: 'DELETE', headers: { authorization: `IBSSO ${'A'.repeat(43)}` } }),
      await one.call('/health/ready'),
      await one.call(logsPath, { headers: { authorization: `App sentlog_${'A'.repeat(12)}_${'A'.repeat(32)}` } }),
    ])
      expectUnavailable(answer);
    expect((await one.call('/health/live')).status).toBe(200);
  }
  await postgres.resume();
  for (const one of calls)
    await eventually('it serves again', async () => (await one.call(`${logsPath}?limit=1`)).status === 200);
  for (const one of calls)
    await eventually('it is ready again', async () => (await one.call('/health/ready')).status === 200);
  await Load.repeatUnanswered(ledger, pick(calls, 1));
  for (const one of calls) expect(ledger.faults(await one.walk())).toEqual([]);
  for (const server of servers) expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
});

test('janitors racing while one of them is killed → what is past is dropped, once, and nobody complains', async () => {
  const settings = { SENTLOG_RETENTION: '3s', SENTLOG_PARTITION: '1s' };
  const servers = await home.serveSeveral(processes, { settings });
  const calls = servers.map(server => home.calls(server));
  const partitions = async () =>
    (await query(`SELECT 1 FROM pg_inherits WHERE inhparent = 'sentlog.message'::regclass`)).length;
  let number = 0;
  /** For so long, and so many messages at least: a slow machine records a few a second. */
  const record = async (among: readonly LogCalls[], forMs: number) => {
    const enough = number + 10;
    for (const end = Date.now() + forMs; Date.now() < end || number < enough; await wait(100))
      await pick(among, number).record([numbered(number++)]);
  };
  await record(calls, 6000);
  await pick(servers, 2).end('SIGKILL');
  const left = calls.slice(0, 2);
  await record(left, 5000);
  expect((await pick(left, 0).walk()).length).toBeLessThan(50);
  await eventually('old partitions are gone', async () => (await partitions()) < 12);
  // Another janitor, whose connection is then lost, holds nobody up for longer than it lives.
  const hung = await postgres.connect(url);
  await hung.query('SELECT pg_advisory_lock(98660614, 3)');
  await record(left, 3000);
  await hung.end();
  await eventually('old partitions are gone again', async () => (await partitions()) < 12);
  for (const server of servers) expect(server.stderr).not.toContain('could not be dropped');
});

test('the counts of requests held by somebody → reading is refused for now, recording goes on', async () => {
  const server = await home.serve();
  const calls = home.calls(server);
  expect((await calls.call(logsPath)).status).toBe(200);
  const holder = await postgres.connect(url);
  await holder.query('BEGIN; LOCK TABLE sentlog.request_count');
  const reading = Promise.all(Array.from({ length: 20 }, () => calls.call(logsPath)));
  for (let i = 0; i < 20; i++) await calls.record([numbered(i)]);
  for (const answer of await reading) expectUnavailable(answer);
  await holder.end();
  await eventually('it reads again', async () => (await calls.call(logsPath)).status === 200);
  expect((await calls.page('limit=100')).logs).toHaveLength(20);
});

test('told to stop while the database is away → exits 0 all the same', async () => {
  const server = await home.serve();
  const calls = home.calls(server);
  await calls.record([numbered(1)]);
  await postgres.halt('fast');
  expectUnavailable(await calls.postJson([numbered(2)]));
  expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
  await postgres.resume();
});

test('a stream of one process, which is killed, resumed on another → every change once, whoever recorded it', async () => {
  const servers = await home.serveSeveral(processes);
  const calls = servers.map(server => home.calls(server));
  const name = pick(calls, 0).authorization.slice('App '.length);
  await pick(calls, 1).record([numbered(999)]);
  const first = await (await EventStream.open(pick(servers, 0).address, '', { name })).opened();
  let recording = true;
  const recorded: string[] = [];
  const record = async (one: LogCalls, lane: number) => {
    for (let i = 0; recording; i++) {
      const ids = [0, 1, 2].map(j => lane * 100_000 + 3 * i + j);
      await one.record(ids.map(id => numbered(id)));
      await one.record(ids.map(id => ({ messageId: `message-${id}`, status: { name: 'DELIVERED_TO_HANDSET' } })));
      for (const id of ids) recorded.push(`message-${id} PENDING_ACCEPTED`, `message-${id} DELIVERED_TO_HANDSET`);
    }
  };
  const lanes = Promise.all([record(pick(calls, 1), 1), record(pick(calls, 2), 2)]);
  await first.until(({ logs }) => logs.length > 60);
  await pick(servers, 0).end('SIGKILL');
  await first.over;
  await eventually('more is recorded', () => recorded.length > first.logs.length + 60);
  const headers = { 'last-event-id': first.lastId };
  const second = await (await EventStream.open(pick(servers, 1).address, '', { name, headers })).opened();
  await second.until(({ logs }) => logs.length > 30);
  recording = false;
  await lanes;
  await second.until(({ logs }) => first.logs.length + logs.length >= recorded.length);
  await second.close();
  const seen = [...first.logs, ...second.logs].map(({ messageId, status }) => `${messageId} ${status.name}`);
  expect(seen.toSorted()).toEqual(recorded.toSorted());
});

test('the database away at the start → waited for, and then served', async () => {
  await postgres.halt('fast');
  const server = home.launch();
  await eventually('it says what it waits for', () => server.stderr.includes('PostgreSQL cannot be reached'));
  const stopped = home.launch();
  await eventually('the other waits too', () => stopped.stderr.includes('trying again'));
  expect(await stopped.end('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(server.ended).toBe(false);
  await postgres.resume();
  await server.listening();
  expect(server.firstAuthorization).toBeDefined();
});

test.each<[string, () => string, string]>([
  ['a database that is not there', () => postgres.url('nowhere'), 'database "nowhere" does not exist'],
  ['a user that is not there', () => postgres.url('postgres', 'nobody:hunter2'), 'role "nobody" does not exist'],
])('%s → one line without the password, exit code 1', async (_condition, address, line) => {
  const server: ServerProcess = home.launch({ settings: { SENTLOG_STORE: address() } });
  expect(await server.exited).toEqual({ code: 1, signal: null });
  expect(server.stderr.trim().split('\n')).toHaveLength(1);
  expect(server.stderr).toContain(line);
  expect(server.stderr).not.toContain('hunter2');
});
