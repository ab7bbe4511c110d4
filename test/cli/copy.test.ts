import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { Accounts } from '../../src/accounts/accounts.ts';
import { Credentials } from '../../src/accounts/credentials.ts';
import { PostgresAccountRows } from '../../src/accounts/postgres/account-rows.ts';
import { PostgresCredentialRows } from '../../src/accounts/postgres/credential-rows.ts';
import { SqliteAccountRows } from '../../src/accounts/sqlite/account-rows.ts';
import { Connections } from '../../src/postgres/connections.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { seedOf } from '../../src/store/embedded/log/log-file.ts';
import { PostgresDatabase } from '../store/postgres/database.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { recordNumbered, SqliteLog, submission, until, walkIds } from '../support/sqlite-log.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { launcher, oneLine, onTerminal, run } from './run.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start(['fsync=off', 'full_page_writes=off']);
  return () => server.remove();
});

/** A closed log of so many messages, a second apart from now on back, 1000 a segment. */
async function logOf(messages: number): Promise<SqliteLog> {
  const log = new SqliteLog({ segmentMessagesMax: 1000 });
  onTestFinished(() => log.remove());
  const store = await log.open();
  await recordNumbered(store, 0, messages, Date.now());
  await store.close();
  const rows = new SqliteAccountRows(accountsPath(log));
  await rows.addAccount({ id: 1, name: 'shop', createdAt: Date.now() });
  rows.noteLog(seedOf(log.dataDir) ?? 0);
  await rows.close();
  return log;
}

function accountsPath({ dataDir }: SqliteLog): string {
  return join(dataDir, 'accounts.db');
}

function accountsOf(log: SqliteLog): Accounts {
  return new Accounts(new SqliteAccountRows(accountsPath(log)), Date.now);
}

/** The accounts of the target, and who is let in there. */
function accountsIn({ url }: PostgresDatabase) {
  const connections = new Connections({ url, schema: 'sentlog', statementTimeoutMs: 5000, max: 1, note: () => {} });
  onTestFinished(() => connections.close());
  const credentials = new PostgresCredentialRows(connections);
  return {
    accounts: new Accounts(new PostgresAccountRows(connections), Date.now),
    authenticator: new Credentials(credentials, { now: Date.now, tokenTtlMs: 60_000, sessionTtlMs: 60_000 }),
  };
}

async function emptyDatabase(): Promise<PostgresDatabase> {
  const database = await PostgresDatabase.create(server);
  onTestFinished(() => database.close());
  return database;
}

async function copiedIds(database: PostgresDatabase): Promise<readonly string[]> {
  const [account] = await database.query(`SELECT id FROM sentlog.account WHERE name = 'shop'`);
  return walkIds(await database.open(), 1000, Number(account?.id));
}

const copy = (from: string, to: string, ...more: string[]) => run(['copy', '--from', from, '--to', to, ...more]);

const rowsOf = (stdout: string): readonly unknown[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));

test('log → copied and compared by segment, exit code 0', async () => {
  const log = await logOf(2500);
  const database = await emptyDatabase();
  const { code, stdout, stderr } = await copy(log.dataDir, database.url);
  expect(oneLine(stderr)).toMatch(
    /^2500 messages copied, 0 completed, 0 there already, 0 past retention in \d+\.\d s \(\d+ a second\)$/,
  );
  expect(rowsOf(stdout)).toEqual(
    [1000, 1000, 500].map((messages, i) => ({
      segment: `00000000${i + 1}.journal`,
      messages,
      reports: 0,
      copy: 'same',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    })),
  );
  expect(code).toBe(0);
  expect(await copiedIds(database)).toHaveLength(2500);
});

test('on a terminal → bars for copying and for comparing, with rate and time left', async () => {
  const log = await logOf(5000);
  const { url } = await emptyDatabase();
  const { code, stderr } = await run(['copy', '--from', log.dataDir, '--to', url], { env: onTerminal });
  expect(stderr).toMatch(/ 0 %, 0 messages copied, 0 a second, .+ left/);
  expect(stderr).toMatch(/ 100 %, 5000 messages copied, \d+ a second, .+ left/);
  expect(stderr).toMatch(/ 100 %, 5000 messages compared, \d+ a second, .+ left/);
  expect(code).toBe(0);
});

test('killed again and again, and started again → all is there once', async () => {
  const log = await logOf(12_000);
  const database = await emptyDatabase();
  const counted = async () => {
    const [row] = await database.query(`SELECT to_regclass('sentlog.message') IS NOT NULL AS made`);
    if (row?.made !== true) return 0;
    return Number((await database.query('SELECT count(*) FROM sentlog.message'))[0]?.count);
  };
  for (const stop of [1, 4000, 8000]) {
    const child = spawn(process.execPath, [launcher, 'copy', '--from', log.dataDir, '--to', database.url]);
    const exited = once(child, 'exit');
    await until(async () => (await counted()) >= stop);
    child.kill('SIGKILL');
    await exited;
  }
  const before = await counted();
  const { code, stderr } = await copy(log.dataDir, database.url);
  const [, copied, there] = /^(\d+) messages copied, 0 completed, (\d+) there already/.exec(oneLine(stderr)) ?? [];
  expect(Number(there)).toBeGreaterThanOrEqual(before);
  expect(Number(copied) + Number(there)).toBe(12_000);
  expect(code).toBe(0);
  const ids = await copiedIds(database);
  expect(new Set(ids).size).toBe(12_000);
  expect(ids).toHaveLength(12_000);
});

test('target with another message under an id → its segment is named, exit code 1', async () => {
  const log = await logOf(1500);
  const database = await emptyDatabase();
  expect((await copy(log.dataDir, database.url)).code).toBe(0);
  await database.query(`UPDATE sentlog.message SET sender = 'other' WHERE message_id = 'message-1200'`);
  await database.query(`DELETE FROM sentlog.message_key WHERE message_id = 'message-1300'`);
  const { code, stdout, stderr } = await copy(log.dataDir, database.url);
  expect(code).toBe(1);
  expect(rowsOf(stdout)).toMatchObject([{ copy: 'same' }, { copy: 'differs' }]);
  expect(stderr.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^1 messages copied, 0 completed, 1499 there already/),
    '000000002.journal differs: of 500 messages 0 are missing and 1 are other ones (message-1200)',
  ]);
});

test('damaged segment → named and left out, exit code 1; after a server has mended it → what it lost, exit code 0', async () => {
  const log = await logOf(2500);
  truncateSync(join(log.dataDir, 'segments', '000000002.journal'), 64);
  const database = await emptyDatabase();
  const first = await copy(log.dataDir, database.url);
  expect(first.code).toBe(1);
  expect(first.stderr.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^1500 messages copied/),
    expect.stringMatching(/^000000002\.journal is damaged \(.+\): left out/),
  ]);
  await (await log.open()).close();
  const second = await copy(log.dataDir, database.url);
  expect(second.code).toBe(0);
  expect(second.stderr).toMatch(/^0 messages copied, 0 completed, 1500 there already, 0 past retention/);
  expect(second.stderr).toContain('000000002.journal lost 1000 messages and 0 reports to damage, which are left out\n');
});

test('messages past --retention → left out', async () => {
  const log = await logOf(1000);
  const database = await emptyDatabase();
  const { code, stderr } = await copy(log.dataDir, database.url, '--retention', '500s');
  const [, copied, past] =
    /^(\d+) messages copied, 0 completed, 0 there already, (\d+) past/.exec(oneLine(stderr)) ?? [];
  expect(Number(copied) + Number(past)).toBe(1000);
  expect(Number(copied)).toBeLessThanOrEqual(500);
  expect(Number(copied)).toBeGreaterThan(0);
  expect(code).toBe(0);
});

test('accounts, keys and users → let in as before, with the messages of their account', async () => {
  const log = await logOf(10);
  const from = accountsOf(log);
  const second = await from.createAccount('second', 7);
  const bound = { account: 'second', binding: { entityId: 'e' }, scopes: ['messenger:logs:read'] as const };
  const { key } = await from.createKey(bound);
  const revoked = await from.createKey({ account: 'shop' });
  const { password } = await from.createUser({ account: 'shop', name: 'ann' });
  await from.revokeKey(revoked.info.id);
  await from.close();
  const store = await log.open();
  const submissions = [submission(1, { sentAt: Date.now() })];
  await store.record({ account: second.id, binding: {}, receivedAt: Date.now(), sentSince: 0, submissions });
  await store.close();
  const database = await emptyDatabase();
  await migrate({ url: database.url, schema: 'sentlog' }, () => {});
  const { accounts, authenticator } = accountsIn(database);
  await accounts.createAccount('other');
  const again = async () => (await copy(log.dataDir, database.url)).code;
  expect([await again(), await again()]).toEqual([0, 0]);
  expect(await accounts.accounts()).toMatchObject([
    { name: 'shop' },
    { name: 'second', requestsPerMinute: 7 },
    { name: 'other' },
  ]);
  const reader = await authenticator.authenticate(`App ${key}`);
  expect(reader).toMatchObject({
    account: { name: 'second' },
    binding: { entityId: 'e' },
    scopes: ['messenger:logs:read'],
  });
  expect(await authenticator.authenticate(`App ${revoked.key}`)).toBeUndefined();
  const basic = Buffer.from(`ann:${password}`).toString('base64');
  const shop = await authenticator.authenticate(`Basic ${basic}`);
  expect(shop).toMatchObject({ account: { name: 'shop' } });
  const copied = await database.open();
  const idsOf = async (account = 0) =>
    (await copied.find({ account, filter: {}, sentSince: 0, limit: 99, walk: false })).logs.map(one => one.messageId);
  expect(await idsOf(shop?.account.id)).toHaveLength(10);
  expect(await idsOf(reader?.account.id)).toEqual(['message-1']);
});

test('key that was revoked after a copy → is revoked in the target by the next', async () => {
  const log = await logOf(1);
  const from = accountsOf(log);
  const { key, info } = await from.createKey({ account: 'shop' });
  const database = await emptyDatabase();
  await copy(log.dataDir, database.url);
  expect(await accountsIn(database).authenticator.authenticate(`App ${key}`)).toBeDefined();
  await from.revokeKey(info.id);
  await from.close();
  await copy(log.dataDir, database.url);
  expect(await accountsIn(database).authenticator.authenticate(`App ${key}`)).toBeUndefined();
});

test('user whose name is taken in the target → told, left alone, exit code 1', async () => {
  const log = await logOf(1);
  const from = accountsOf(log);
  await from.createUser({ account: 'shop', name: 'ann' });
  await from.close();
  const database = await emptyDatabase();
  await migrate({ url: database.url, schema: 'sentlog' }, () => {});
  const { accounts, authenticator } = accountsIn(database);
  await accounts.createAccount('shop');
  const { password } = await accounts.createUser({ account: 'shop', name: 'ann' });
  const { code, stderr } = await copy(log.dataDir, database.url);
  expect(code).toBe(1);
  expect(stderr).toContain('user ann has another password, account or scopes in the target\n');
  const basic = Buffer.from(`ann:${password}`).toString('base64');
  expect(await authenticator.authenticate(`Basic ${basic}`)).toBeDefined();
});

test('messages of an account that the folder does not have → left out, told, exit code 1', async () => {
  const log = await logOf(1);
  const store = await log.open();
  const submissions = [submission(1, { sentAt: Date.now() })];
  await store.record({ account: 9, binding: {}, receivedAt: Date.now(), sentSince: 0, submissions });
  await store.close();
  const { code, stderr } = await copy(log.dataDir, (await emptyDatabase()).url);
  expect(code).toBe(1);
  expect(stderr).toContain(`1 messages are of accounts that ${log.dataDir} does not have: left out\n`);
});

test('folder without accounts → one line', async () => {
  const log = await logOf(1);
  rmSync(join(log.dataDir, 'accounts.db'));
  const { code, stderr } = await copy(log.dataDir, 'postgres://localhost/none');
  expect(code).toBe(1);
  expect(oneLine(stderr)).toMatch(/accounts\.db is missing, .* `sentlog accounts adopt NAME`/);
});

test('folder that a server holds → one line', async () => {
  const log = await logOf(1);
  const store = await log.open();
  const { code, stderr } = await copy(log.dataDir, 'postgres://localhost/none');
  await store.close();
  expect(code).toBe(1);
  expect(oneLine(stderr)).toContain('is in use by another sentlog process');
});

test('folder without a log → one line, and nothing is made there', async () => {
  const folder = join(temporaryFolder(), 'data');
  const { code, stderr } = await copy(folder, 'postgres://localhost/none');
  expect(code).toBe(1);
  expect(oneLine(stderr)).toBe(`sentlog: there is no log in ${folder}: --from says where it is`);
});

test.each([
  ['mysql://ann:secret@localhost/log', /^sentlog: --to is not an address like postgres:[^ ]+$/],
  ['', /^sentlog: --to is empty$/],
  ['log', /^sentlog: --to is not an address like postgres:[^ ]+$/],
  ['postgres://127.0.0.1:1/log', /cannot be reached: .*ECONNREFUSED/],
])('target %s → one line', async (url, reason) => {
  const log = await logOf(1);
  const { code, stderr } = await copy(log.dataDir, url);
  expect(code).toBe(1);
  expect(oneLine(stderr)).toMatch(reason);
});

test('database that is not there → one line', async () => {
  const log = await logOf(1);
  const { code, stderr } = await copy(log.dataDir, server.url('nowhere'));
  expect(code).toBe(1);
  expect(oneLine(stderr)).toMatch(/database "nowhere" does not exist/);
});

test('database that goes away in the middle → one line; started again, all is there', async () => {
  const log = await logOf(6000);
  const database = await emptyDatabase();
  await migrate({ url: database.url, schema: 'sentlog' }, () => {});
  const held = await database.hold('LOCK TABLE message_key');
  const running = copy(log.dataDir, database.url);
  let isOver = false;
  const ended = running.finally(() => {
    isOver = true;
  });
  // Upkeep waits for the table, too, gives up and comes again: who waits first need not be who copies.
  await until(async () => {
    await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'`);
    return isOver;
  });
  await held.end();
  const { code, stderr } = await ended;
  expect(code).toBe(1);
  expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^sentlog: PostgreSQL cannot/);
  expect((await copy(log.dataDir, database.url)).code).toBe(0);
  expect(await copiedIds(database)).toHaveLength(6000);
});
