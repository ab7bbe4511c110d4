import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { migrations } from '../../src/postgres/migrations.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type Finished, oneLine, run } from './run.ts';

let server: PostgresServer;
let url: string;

beforeAll(async () => {
  server = await PostgresServer.start(['fsync=off']);
  return () => server.remove();
});
beforeEach(async () => {
  url = await server.database();
});

const sentlog = (...args: readonly string[]): Promise<Finished> =>
  run(args, { env: { SENTLOG_STORE: url, SENTLOG_DATA_DIR: join(temporaryFolder(), 'data') } });

function rowsOf({ stdout }: Finished): readonly Readonly<Record<string, unknown>>[] {
  return stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line));
}

test('a database without tables → commands that only look refuse it, and leave nothing', async () => {
  for (const command of [
    ['keys', 'list'],
    ['users', 'list'],
    ['accounts', 'list'],
    ['keys', 'revoke', 'A'.repeat(12)],
  ]) {
    const { code, stderr } = await sentlog(...command);
    expect(oneLine(stderr)).toContain('sentlog db migrate');
    expect(code).toBe(1);
  }
  expect(await server.query(`SELECT FROM pg_namespace WHERE nspname = 'sentlog'`, url)).toEqual([]);
});

test('migrate → each step once, and the status tells', async () => {
  expect(rowsOf(await sentlog('db', 'status')).map(row => row.appliedAt)).toEqual(migrations.map(() => undefined));
  const first = await sentlog('db', 'migrate');
  expect(first.stderr.trim().split('\n')).toEqual(migrations.map(({ number, name }) => `step ${number}: ${name}`));
  expect(oneLine((await sentlog('db', 'migrate')).stderr)).toBe('the tables are up to date');
  for (const row of rowsOf(await sentlog('db', 'status'))) expect(row.appliedAt).toBeTypeOf('string');
});

test('accounts, keys and users → kept in the database alone', async () => {
  const folder = join(temporaryFolder(), 'data');
  const flags = ['--store', url, '--data-dir', folder];
  expect((await run(['accounts', 'create', 'shop', '--requests-per-minute', '7', ...flags])).code).toBe(0);
  const { stdout: key } = await run(['keys', 'create', '--account', 'shop', '--entity', 'e', ...flags]);
  expect(key).toMatch(/^sentlog_\w{12}_\w{32}\n$/);
  const { code, stdout: password } = await run(['users', 'create', 'ann', '--account', 'shop', ...flags]);
  expect([code, password.trim().length]).toEqual([0, 24]);
  expect((await run(['accounts', 'set', 'shop', '--requests-per-minute', '9', ...flags])).code).toBe(0);
  expect((await run(['keys', 'revoke', key.slice(8, 20), ...flags])).code).toBe(0);
  expect(rowsOf(await sentlog('accounts', 'list'))).toMatchObject([
    { name: 'default' },
    { name: 'shop', requestsPerMinute: 9 },
  ]);
  expect(rowsOf(await sentlog('keys', 'list'))).toMatchObject([{ account: 'shop', state: 'revoked', entityId: 'e' }]);
  expect(rowsOf(await sentlog('users', 'list', '--account', 'shop'))).toMatchObject([{ name: 'ann' }]);
  expect(oneLine((await sentlog('accounts', 'create', 'shop')).stderr)).toContain('there is already an account "shop"');
  expect((await sentlog('users', 'remove', 'ann')).code).toBe(0);
  expect(rowsOf(await sentlog('users', 'list'))).toEqual([]);
  expect(existsSync(folder)).toBe(false);
});

test('spread → the account is, the status tells, and again is nothing to do', async () => {
  expect((await sentlog('accounts', 'create', 'shop')).code).toBe(0);
  const first = await sentlog('db', 'spread', 'shop', '--slices', '8');
  expect(oneLine(first.stderr)).toBe('what is recorded for shop from now on is spread over 8 slices');
  expect(first.code).toBe(0);
  expect(rowsOf(await sentlog('db', 'status')).slice(migrations.length)).toEqual([
    { account: 'shop', slices: 8, olderSlices: [] },
  ]);
  expect(oneLine((await sentlog('db', 'spread', 'shop', '--slices', '8')).stderr)).toBe('shop is on 8 slices already');
});

test.each([
  [['nobody', '--slices', '8'], 'there is no account "nobody"'],
  [['shop', '--slices', '65'], '--slices is at most 64'],
  [['shop', '--slices', '0'], 'not a whole number above 0'],
  [['shop'], "required option '--slices <count>' not specified"],
])('spread %j → one line that says why, exit code 1, and nothing is spread', async (args, line) => {
  expect((await sentlog('accounts', 'create', 'shop')).code).toBe(0);
  const { code, stderr } = await sentlog('db', 'spread', ...args);
  expect(oneLine(stderr)).toContain(line);
  expect(code).toBe(1);
  expect(rowsOf(await sentlog('db', 'status'))).toHaveLength(migrations.length);
});

test.each([
  ['no address', [], 'a database is needed: --store postgres://…, or the variable SENTLOG_STORE'],
  ['an address of something else', ['--store', 'mysql://ann:hunter2@db/log'], '--store: the value is not an address'],
  ['a database that is away', ['--store', 'postgres://ann:hunter2@127.0.0.1:1/log'], 'PostgreSQL cannot be reached'],
])('%s → one line without the password, exit code 1', async (_condition, flags, line) => {
  const { code, stderr } = await run(['db', 'status', ...flags]);
  expect(oneLine(stderr)).toContain(line);
  expect(stderr).not.toContain('hunter2');
  expect(code).toBe(1);
});
