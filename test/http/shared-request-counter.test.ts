import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { Unavailable } from '../../src/failures.ts';
import { SharedRequestCounter } from '../../src/http/rate-limit/shared-request-counter.ts';
import { Connections } from '../../src/postgres/connections.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { PostgresServer } from '../support/postgres-server.ts';

let server: PostgresServer;
let url: string;

beforeAll(async () => {
  server = await PostgresServer.start(['fsync=off']);
  return () => server.remove();
});
beforeEach(async () => {
  url = await server.database();
  await migrate({ url, schema: 'sentlog' }, () => {});
});

/** As one process has it. */
function counter(monotonicMs?: () => number): SharedRequestCounter {
  // What a statement may take is none of its rules, and a busy machine takes long.
  const options = { url, schema: 'sentlog', statementTimeoutMs: 60_000, max: 3, note: () => {} };
  const made = new SharedRequestCounter(new Connections(options), monotonicMs);
  onTestFinished(() => made.close());
  return made;
}

const rows = () => server.query('SELECT key, requests::int AS requests FROM sentlog.request_count ORDER BY key', url);
const many = 1_000_000;

test('counted by several processes at once → each request once', async () => {
  const processes = [counter(), counter(), counter()];
  const counted = await Promise.all(
    Array.from({ length: 90 }, (_, i) => processes[i % 3]?.add(i % 2 === 0 ? 'even' : 'odd', many)),
  );
  const numbers = counted.map(one => one?.requests ?? 0).toSorted((a, b) => a - b);
  expect(numbers).toEqual(Array.from({ length: 90 }, (_, i) => Math.floor(i / 2) + 1));
  expect(await counter().look('odd')).toMatchObject({ requests: 45 });
  expect(await counter().look('none')).toBeUndefined();
});

test('a minute from the first request on → begun anew, by one of those who come at once', async () => {
  const [one, two] = [counter(), counter()];
  const first = await one.add('key', many);
  expect(first.resetMs).toBeGreaterThan(59_000);
  expect(first.resetMs).toBeLessThanOrEqual(60_000);
  await one.add('key', many);
  await server.query(`UPDATE sentlog.request_count SET ends_at = now() - interval '1 ms'`, url);
  expect(await two.look('key')).toBeUndefined();
  const anew = await Promise.all([one.add('key', many), two.add('key', many), one.add('key', many)]);
  expect(anew.map(({ requests }) => requests).toSorted()).toEqual([1, 2, 3]);
});

test('the clock of the database set back → the minute is no longer than one', async () => {
  await counter().add('key', many);
  await server.query(`UPDATE sentlog.request_count SET ends_at = now() + interval '5 hours'`, url);
  expect((await counter().look('key'))?.resetMs).toBeLessThanOrEqual(60_000);
  expect(await counter().add('key', many)).toMatchObject({ requests: 2 });
  const [{ soon } = {}] = await server.query(
    `SELECT ends_at <= now() + interval '60 s' AS soon FROM sentlog.request_count`,
    url,
  );
  expect(soon).toBe(true);
});

test('a budget that is spent → answered from memory until its minute ends, and its row left alone', async () => {
  let nowMs = 0;
  const one = counter(() => nowMs);
  for (let i = 0; i < 3; i++) await one.add('key', 2);
  for (let i = 0; i < 5; i++) expect((await one.add('key', 2)).requests).toBeGreaterThan(2);
  expect((await one.look('key'))?.requests).toBeGreaterThan(2);
  expect(await rows()).toEqual([{ key: 'key', requests: 3 }]);
  // Who may have more than that is not held to it.
  expect(await one.add('key', 10)).toMatchObject({ requests: 4 });
  nowMs += 60_001;
  await server.query(`UPDATE sentlog.request_count SET ends_at = now() - interval '1 ms'`, url);
  expect(await one.add('key', 2)).toMatchObject({ requests: 1 });
});

test('what is past → dropped, by several at once, and nothing else', async () => {
  const processes = [counter(), counter()];
  for (let i = 0; i < 20; i++) await processes[0]?.add(`past ${i}`, many);
  await server.query(`UPDATE sentlog.request_count SET ends_at = now() - interval '1 s'`, url);
  await processes[1]?.add('present', many);
  await Promise.all(processes.map(one => one.dropPast()));
  await processes[0]?.dropPast();
  expect(await rows()).toEqual([{ key: 'present', requests: 1 }]);
});

test('the database away → not counted, and said so; then counted again', async () => {
  const one = counter();
  await one.add('key', many);
  await server.halt();
  await expect(one.add('key', many)).rejects.toThrow(Unavailable);
  await expect(one.look('key')).rejects.toThrow(Unavailable);
  await server.resume();
  expect(await one.add('key', many)).toMatchObject({ requests: 2 });
});
