import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { Accounts } from '../../src/accounts/accounts.ts';
import { SqliteAccountRows } from '../../src/accounts/sqlite/account-rows.ts';
import { LogFile } from '../../src/store/embedded/log/log-file.ts';
import { LogCalls, logsPath, numberedFrom } from '../support/log-calls.ts';
import { changeLogFields } from '../support/log-json.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { ServerHome } from '../support/server-process.ts';

/** What may befall the accounts of a folder. */
const losses: Readonly<Record<string, (path: string) => void>> = {
  deleted: path => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  },
  'deleted, its write-ahead log left': path => rmSync(path),
  emptied: path => truncateSync(path),
  zeroed: path => writeFileSync(path, Buffer.alloc(statSync(path).size)),
  'emptied of accounts': path => {
    const db = new DatabaseSync(path);
    db.exec('DELETE FROM api_key; DELETE FROM account');
    db.close();
  },
};

let original: ServerHome;
let acme = '';
const copies: ServerHome[] = [];

/** A log of two accounts, of whose segments one is sealed. */
beforeAll(async () => {
  original = new ServerHome();
  const server = await original.serve({ settings: { SENTLOG_SEGMENT_MESSAGES: '1000' } });
  await original.createAccount('acme');
  acme = await original.createKey('acme');
  await original.calls(server).record(numberedFrom(0, 1500));
  await new LogCalls(server.address, acme).record(numberedFrom(0, 7));
  await server.end('SIGTERM');
});
afterAll(() => original.remove());
afterEach(async () => {
  for (const copy of copies.splice(0)) await copy.remove();
});

function copyOf(home: ServerHome): ServerHome {
  const copy = home.copy();
  copies.push(copy);
  return copy;
}

const accountsIn = ({ dataDir }: ServerHome) => join(dataDir, 'accounts.db');

async function refusedStart(home: ServerHome): Promise<string> {
  const server = home.launch();
  expect((await server.exited).code).toBe(1);
  const line = server.stderr.trimEnd();
  expect(line).toMatch(/^sentlog: [^\n]+$/);
  return line;
}

function fingerprint({ dataDir }: ServerHome): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(join(dataDir, 'segments')).sort())
    if (!name.endsWith('-shm')) hash.update(name).update(readFileSync(join(dataDir, 'segments', name)));
  return hash.digest('hex');
}

async function idsSeenBy(home: ServerHome, authorization: string): Promise<readonly string[]> {
  const server = await home.serve();
  const logs = await new LogCalls(server.address, authorization).walk();
  await server.end('SIGTERM');
  return logs.map(log => log.messageId).sort();
}

const ids = (count: number) =>
  numberedFrom(0, count)
    .map(log => log.messageId)
    .sort();

test('accounts.db lost, in whatever way → no start and no new accounts, in one line that says what to do; nothing of the log changes', async () => {
  const before = fingerprint(original);
  await Promise.all(
    Object.values(losses).map(async (lose, i) => {
      const home = copyOf(original);
      lose(accountsIn(home));
      const commands = [
        ['accounts', 'create', 'stranger'],
        ['copy', '--from', home.dataDir, '--to', 'postgres://127.0.0.1:1/none'],
      ];
      // One for each: both look at the accounts as a start does.
      const refused = commands.slice(i % 2, (i % 2) + 1).map(async command => {
        const { code, stderr } = await home.command(...command);
        expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('accounts adopt') });
      });
      const line = await refusedStart(home);
      for (const part of [accountsIn(home), 'restore', 'sentlog accounts adopt']) expect(line).toContain(part);
      await Promise.all(refused);
      expect(fingerprint(home)).toBe(before);
    }),
  );
});

test('accounts.db lost and brought back from a backup → all is there', async () => {
  const home = copyOf(original);
  const backup = readFileSync(accountsIn(home));
  losses.deleted?.(accountsIn(home));
  await refusedStart(home);
  writeFileSync(accountsIn(home), backup);
  expect(await idsSeenBy(home, acme)).toEqual(ids(7));
});

test('adopted → the new account has what the one chosen had, a stranger nothing, and the others are nobody’s', async () => {
  const home = copyOf(original);
  losses.emptied?.(accountsIn(home));
  const asked = await home.command('accounts', 'adopt', 'saved');
  expect(asked).toMatchObject({ code: 1, stderr: expect.stringContaining('choose one of them by --id') });
  const lost: readonly { id: number; messages: number }[] = asked.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  expect(lost.map(({ messages }) => messages).sort()).toEqual([1500, 7]);
  const chosen = lost.find(({ messages }) => messages === 1500)?.id;
  expect(await home.command('accounts', 'adopt', 'saved', '--id', '1')).toMatchObject({ code: 1 });
  expect(await home.command('accounts', 'adopt', 'saved', '--id', String(chosen))).toMatchObject({ code: 0 });
  await home.createAccount('stranger');
  const [saved, stranger] = [await home.createKey('saved'), await home.createKey('stranger')];
  expect(await idsSeenBy(home, saved)).toEqual(ids(1500));
  expect(await idsSeenBy(home, stranger)).toEqual([]);
  // The rest can be adopted later; nothing twice.
  expect(await home.command('accounts', 'adopt', 'also')).toMatchObject({ code: 0 });
  expect(await idsSeenBy(home, await home.createKey('also'))).toEqual(ids(7));
  expect(await home.command('accounts', 'adopt', 'third')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('nothing to adopt'),
  });
});

test('adopting while a server runs → refused, nothing changed', async () => {
  const home = copyOf(original);
  const server = await home.serve();
  const { code, stderr } = await home.command('accounts', 'adopt', 'saved');
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('in use') });
  await server.end('SIGTERM');
});

test('accounts.db of another log → no start, whatever ids it has; it does not adopt either', async () => {
  const home = copyOf(original);
  const db = new DatabaseSync(accountsIn(home));
  // As if made elsewhere: the ids are those of the log.
  db.exec("UPDATE secret SET value = randomblob(32) WHERE name = 'identity'");
  db.close();
  const line = await refusedStart(home);
  for (const way of ['restore', 'sentlog accounts adopt']) expect(line).toContain(way);
  expect(await home.command('accounts', 'adopt', 'saved')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('of another log'),
  });
  expect(await home.command('copy', '--from', home.dataDir, '--to', 'postgres://127.0.0.1:1/none')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('not of this log'),
  });
});

/** A log as version 0.1.0 left it: nothing says whose it is. */
function unclaimed(): ServerHome {
  const home = copyOf(original);
  rmSync(join(home.dataDir, 'log.json.copy'), { force: true });
  const change = { names: ['log.json'], write: JSON.stringify } as const;
  changeLogFields(home.dataDir, ({ accounts: _, ...fields }) => fields, change);
  return home;
}

test.each([
  ['made after the log recorded', 'UPDATE account SET created_at = created_at + 7 * 86400000'],
  [
    'none of which is in the log',
    "UPDATE secret SET value = randomblob(32) WHERE name = 'identity'; UPDATE api_key SET account_id = account_id + 1000; UPDATE account SET id = id + 1000",
  ],
])(
  'a log of 0.1.0 and accounts %s → no start, in one line; its own accounts → all is there, and no others later',
  async (_, change) => {
    const home = unclaimed();
    const backup = readFileSync(accountsIn(home));
    const db = new DatabaseSync(accountsIn(home));
    db.exec(`PRAGMA foreign_keys = OFF; ${change}`);
    db.close();
    const line = await refusedStart(home);
    for (const part of ['not of this log', 'restore', 'sentlog accounts adopt']) expect(line).toContain(part);
    losses.deleted?.(accountsIn(home));
    writeFileSync(accountsIn(home), backup);
    expect(await idsSeenBy(home, acme)).toEqual(ids(7));
    expect(JSON.parse(readFileSync(join(home.dataDir, 'log.json'), 'utf8')).accounts).toEqual(expect.any(String));
  },
);

test('a log and accounts of 0.1.0, older than it and by its ids → nothing proves that they belong together: no start, no adopting, no copy, until it is said', async () => {
  const home = unclaimed();
  const db = new DatabaseSync(accountsIn(home));
  db.exec(
    "DELETE FROM secret WHERE name IN ('identity', 'log'); UPDATE account SET created_at = created_at - 86400000",
  );
  db.close();
  const before = fingerprint(home);
  const line = await refusedStart(home);
  for (const part of ['does not say whose it is', 'sentlog accounts adopt --all']) expect(line).toContain(part);
  for (const command of [
    ['accounts', 'adopt', 'saved'],
    ['copy', '--from', home.dataDir, '--to', 'postgres://127.0.0.1:1/none'],
  ])
    expect(await home.command(...command)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('sentlog accounts adopt --all'),
    });
  expect(await home.command('accounts', 'adopt', 'saved', '--all')).toMatchObject({ code: 1 });
  expect(fingerprint(home)).toBe(before);
  const said = await home.command('accounts', 'adopt', '--all');
  expect(said).toMatchObject({ code: 0, stderr: expect.stringContaining('2 of them have messages') });
  expect(said.stdout).toContain('"name":"acme"');
  expect(await idsSeenBy(home, acme)).toEqual(ids(7));
  expect(await home.command('accounts', 'adopt', '--all')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('nothing to adopt'),
  });
});

test('accounts made while the clock was ahead, beside a log of 0.1.0 → refused, and its own once that is said', async () => {
  const home = unclaimed();
  const db = new DatabaseSync(accountsIn(home));
  db.exec(
    "DELETE FROM secret WHERE name IN ('identity', 'log'); UPDATE account SET created_at = created_at + 86400000",
  );
  db.close();
  const told = expect.stringContaining('sentlog accounts adopt --all --despite-clock');
  expect(await home.command('accounts', 'adopt', '--all')).toMatchObject({ code: 1, stderr: told });
  expect(await home.command('accounts', 'adopt', 'saved', '--despite-clock')).toMatchObject({ code: 1 });
  expect(await home.command('accounts', 'adopt', '--all', '--despite-clock')).toMatchObject({ code: 0 });
  expect(await idsSeenBy(home, acme)).toEqual(ids(7));
});

test('senders.db or mirrors.db deleted → no start, and no command begins it anew, until it is said', async () => {
  const home = copyOf(original);
  const path = join(home.dataDir, 'senders.db');
  rmSync(path);
  expect(await refusedStart(home)).toContain(`${path} is missing: restore it from a backup, or remove its line from`);
  expect(await home.command('senders', 'list')).toMatchObject({ code: 1, stderr: expect.stringContaining(path) });
  writeFileSync(join(home.dataDir, 'databases'), 'mirrors.db\n');
  expect(await idsSeenBy(home, acme)).toEqual(ids(7));
});

test('a log of 0.1.0 and accounts made after it, by the ids of the log → no adopting, and the log stays nobody’s; cut short → adopted by the next', async () => {
  const home = unclaimed();
  const db = new DatabaseSync(accountsIn(home));
  db.exec("PRAGMA foreign_keys = OFF; DELETE FROM account WHERE name = 'acme'");
  db.exec("UPDATE secret SET value = randomblob(32) WHERE name = 'identity'");
  db.exec('UPDATE account SET created_at = created_at + 7 * 86400000');
  db.close();
  expect(await home.command('accounts', 'adopt', 'saved')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('of another log: move it away'),
  });
  expect(new LogFile(home.dataDir).accounts).toBeUndefined();
  // As a process leaves it that ends between the two: the log belongs to accounts of which none is there yet.
  losses.deleted?.(accountsIn(home));
  const left = new Accounts(new SqliteAccountRows(accountsIn(home), true), Date.now);
  new LogFile(home.dataDir).belongTo(await left.identity());
  await left.close();
  expect(await refusedStart(home)).toContain('sentlog accounts adopt');
  const { stdout } = await home.command('accounts', 'adopt', 'saved');
  const lost: readonly { id: number; messages: number }[] = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  const id = String(lost.find(({ messages }) => messages === 7)?.id);
  expect(await home.command('accounts', 'adopt', 'saved', '--id', id)).toMatchObject({ code: 0 });
  expect(await idsSeenBy(home, await home.createKey('saved'))).toEqual(ids(7));
});

test('accounts.db as it was before an account was made → that account’s messages are nobody’s, and a new one sees nothing', async () => {
  const home = copyOf(original);
  const db = new DatabaseSync(accountsIn(home));
  db.exec("DELETE FROM api_key WHERE account_id = (SELECT id FROM account WHERE name = 'acme')");
  db.exec("DELETE FROM account WHERE name = 'acme'; UPDATE sqlite_sequence SET seq = 0");
  db.close();
  await home.createAccount('stranger');
  const server = await home.serve();
  const seen = await new LogCalls(server.address, await home.createKey('stranger')).walk();
  expect(seen).toEqual([]);
  // Found beside all other work, and told wherever what is amiss is.
  await vi.waitUntil(() => server.stderr.includes('accounts that the log knows are not there'), { timeout: 60_000 });
  const health = await fetch(`${server.address}/health/ready`);
  expect(await health.json()).toMatchObject({ status: 'ready', lostAccounts: 1 });
  expect(await (await fetch(`${server.address}/metrics`)).text()).toContain('sentlog_lost_accounts 1');
  expect((await home.command('accounts', 'list')).stderr).toContain('1 more account is known to the log');
  await server.end('SIGTERM');
  expect(await home.command('accounts', 'adopt', 'acme-again')).toMatchObject({ code: 0 });
  expect((await home.command('accounts', 'list')).stderr).not.toContain('known to the log');
  expect(await idsSeenBy(home, await home.createKey('acme-again'))).toEqual(ids(7));
});

describe('in PostgreSQL', () => {
  let database: PostgresServer;
  beforeAll(async () => {
    database = await PostgresServer.start(['fsync=off']);
  });
  afterAll(() => database.remove());

  test('the accounts truncated while the log has messages → no start and no new accounts, until one adopts them', async () => {
    const url = await database.database();
    const home = new ServerHome(undefined, { SENTLOG_STORE: url });
    copies.push(home);
    const first = await home.serve();
    await home.calls(first).record(numberedFrom(0, 5));
    await first.end('SIGTERM');
    await database.query('TRUNCATE sentlog.account RESTART IDENTITY CASCADE', url);
    const line = await refusedStart(home);
    for (const way of ['restore', 'sentlog accounts adopt']) expect(line).toContain(way);
    expect(await home.command('accounts', 'create', 'stranger')).toMatchObject({ code: 1 });
    expect(await home.command('accounts', 'adopt', 'saved')).toMatchObject({ code: 0 });
    await home.createAccount('stranger');
    const [saved, stranger] = [await home.createKey('saved'), await home.createKey('stranger')];
    const second = await home.serve();
    expect(await new LogCalls(second.address, saved).walk()).toHaveLength(5);
    const seen = await new LogCalls(second.address, stranger).call(`${logsPath}?limit=1`);
    expect(JSON.parse(seen.text)).toEqual({ results: [] });
    await second.end('SIGTERM');
    const lose = "DELETE FROM sentlog.account WHERE name = 'saved'";
    await database.query(`TRUNCATE sentlog.api_key CASCADE; ${lose}`, url);
    const listed = await home.command('accounts', 'list');
    expect(listed).toMatchObject({ code: 0, stderr: expect.stringContaining('1 more account is known to the log') });
    expect(await home.command('accounts', 'adopt', 'saved-again')).toMatchObject({ code: 0 });
    expect((await home.command('accounts', 'list')).stderr).toBe('');
  });
});
