import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { AccountsError } from '../../src/accounts/rows.ts';
import { SqliteAccountRows } from '../../src/accounts/sqlite/account-rows.ts';
import { refuseEmptied } from '../../src/accounts/sqlite/accounts-file.ts';
import { SqliteMirrorRows } from '../../src/mirror/sqlite/mirror-rows.ts';
import { openOutboxFile } from '../../src/outbox/sqlite/outbox-file.ts';
import { SqliteSenderRows } from '../../src/senders/sender-file.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { basic, openFile } from './places.ts';

const newPath = () => join(temporaryFolder(), 'accounts.db');

/** Of a file of the accounts, as a text in a script. */
function urlOf(file: string): string {
  return JSON.stringify(new URL(`../../src/accounts/${file}`, import.meta.url).href);
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(AccountsError);
    return error instanceof Error ? error.message : '';
  }
  throw new Error('was not refused');
}

/** Has a file for itself alone, and says so. */
const aloneProgram = `
  const { DatabaseSync } = require('node:sqlite');
  const db = new DatabaseSync(process.argv[1], { timeout: 0 });
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    console.log('alone');
  } catch (error) {
    console.log(error.message);
  }`;

describe('the accounts file', () => {
  test('sessions are kept in it by a server → no other program takes itself for the only one that has it open', async () => {
    const path = newPath();
    const { accounts, credentials } = await openFile(path);
    await accounts.createAccount('shop');
    await accounts.createUser({ account: 'shop', name: 'ann', password: 'correct horse battery staple' });
    const alone = async () => (await promisify(execFile)(process.execPath, ['-e', aloneProgram, path])).stdout.trim();
    expect(await alone()).toBe('database is locked');
    await credentials.createSession('ann', 'correct horse battery staple');
    expect(await alone()).toBe('database is locked');
  });

  test('keys, tokens, sessions and passwords → none is readable in any file of the folder', async () => {
    const path = newPath();
    const { accounts, credentials } = await openFile(path);
    await accounts.createAccount('shop');
    const { key, info } = await accounts.createKey({ account: 'shop' });
    const password = 'correct horse battery staple';
    await accounts.createUser({ account: 'shop', name: 'ann', password });
    const secret = key.split('_')[2] ?? '';
    const token = await credentials.issueToken(info.id, secret);
    const session = await credentials.createSession('ann', password);
    const files = readdirSync(dirname(path)).map(name => readFileSync(join(dirname(path), name)));
    const all = Buffer.concat(files);
    expect(all.includes(info.id)).toBe(true);
    for (const hidden of [secret, token?.accessToken, session?.token, password]) {
      expect(hidden).toBeTruthy();
      expect(all.includes(hidden ?? '')).toBe(false);
    }
  });

  test('new file → only its owner may read it', async () => {
    const path = newPath();
    await openFile(path);
    for (const name of readdirSync(dirname(path)))
      expect(statSync(join(dirname(path), name)).mode & 0o077, name).toBe(0);
  });

  test('file of a newer version → refused with a line that says so, and left as it was', async () => {
    const path = newPath();
    const { accounts } = await openFile(path);
    await accounts.createAccount('shop');
    const db = new DatabaseSync(path);
    db.exec('PRAGMA user_version = 99');
    const line = refusal(() => new SqliteAccountRows(path));
    expect(line).toMatch(
      /^\S+accounts\.db was written by a newer sentlog \(schema 99, this one knows \d+\): run that version$/,
    );
    expect(db.prepare('PRAGMA user_version').get()).toMatchObject({ user_version: 99 });
    db.close();
  });

  test('file that is no database → refused in one line', () => {
    const path = newPath();
    writeFileSync(path, 'not a database at all, but long enough to be taken for one\n'.repeat(40));
    expect(refusal(() => new SqliteAccountRows(path))).toBe(
      `cannot use ${path}: file is not a database: restore it from a backup, or move it away to begin without what it holds`,
    );
  });

  test('a page of the file damaged → refused in one line that says what to do, beside a log too', async () => {
    const path = newPath();
    const { accounts } = await openFile(path);
    await accounts.createAccount('shop');
    await accounts.close();
    const pages = readFileSync(path).length / 4096;
    const whole = readFileSync(path);
    for (let page = 1; page < pages; page++) {
      writeFileSync(path, Buffer.from(whole).fill(0, page * 4096, page * 4096 + 100));
      expect(refusal(() => new SqliteAccountRows(path))).toMatch(/^cannot use \S+: .*: restore it from a backup, or /);
      expect(refusal(() => new SqliteAccountRows(path, false))).toMatch(/ is damaged \(.*\), though .*: restore it /);
    }
  });

  test('a table of the file is gone beside a log → refused in one line that says what to do', async () => {
    const path = newPath();
    await openFile(path);
    const db = new DatabaseSync(path);
    db.exec('PRAGMA foreign_keys = OFF; DROP TABLE account');
    db.close();
    expect(refusal(() => new SqliteAccountRows(path, false))).toMatch(/ is damaged \(no such table.*: restore it /);
  });

  test('eight processes that open a new folder at once → one first account, one key each, no error', async () => {
    const path = join(temporaryFolder(), 'data', 'accounts.db');
    const script = `
      import { Accounts } from ${urlOf('accounts.ts')};
      import { SqliteAccountRows } from ${urlOf('sqlite/account-rows.ts')};
      const accounts = new Accounts(new SqliteAccountRows(${JSON.stringify(path)}), Date.now);
      await accounts.createFirstAccount();
      for (let n = 0; n < 20; n++) await accounts.createKey({ account: 'default' });
      process.stdout.write(Buffer.from(await accounts.secret('cursor')).toString('hex'));
      await accounts.close();`;
    const run = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    const results = await Promise.all(Array.from({ length: 8 }, run));
    expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
    expect(results.map(({ stderr }) => stderr).join('')).toBe('');
    const { accounts } = await openFile(path);
    expect(await accounts.accounts()).toHaveLength(1);
    expect(await accounts.keys()).toHaveLength(8 * 20 + 1);
  });
});

test('accounts file held by a long writer → reading goes on, keeping waits', async () => {
  const path = newPath();
  const { accounts, credentials } = await openFile(path);
  await accounts.createAccount('shop');
  const { key, info } = await accounts.createKey({ account: 'shop' });
  const db = new DatabaseSync(path);
  db.exec('BEGIN IMMEDIATE');
  const token = credentials.issueToken(info.id, key);
  expect(await credentials.authenticate(`App ${key}`)).toBeDefined();
  db.exec('COMMIT');
  db.close();
  expect(await token).toBeDefined();
  expect(await accounts.keys()).toHaveLength(1);
});

test.each<[string, (path: string) => unknown]>([
  ['mirrors', path => new SqliteMirrorRows(path)],
  ['senders', path => new SqliteSenderRows(path)],
  ['outbox', path => openOutboxFile(path)],
])('a file of %s that is no database, or was cut → refused in one line that says what to do', (_, open) => {
  const path = newPath();
  for (const bytes of [Buffer.from('no database'.repeat(1000)), Buffer.alloc(8192)]) {
    writeFileSync(path, bytes);
    expect(() => open(path)).toThrow(/^cannot use \S+: .*: restore it from a backup, or move it away /);
  }
});

test('a file that is empty → refused where there is a log; one that is not there → not', () => {
  const path = newPath();
  refuseEmptied([path]);
  writeFileSync(path, '');
  expect(() => refuseEmptied([path])).toThrow(/is empty, though .*: restore it from a backup, or move it away /);
});

test('what an account has, and whoever calls by a credential → found without a look at all there are', async () => {
  const path = newPath();
  const { accounts, credentials } = await openFile(path);
  await accounts.createAccount('one');
  const { key, info } = await accounts.createKey({ account: 'one' });
  await accounts.createUser({ account: 'one', name: 'anna', password: 'correct horse battery' });
  const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
  onTestFinished(() => prepare.mockRestore());
  await accounts.account('one');
  expect(await accounts.keys('one')).toHaveLength(1);
  expect(await accounts.users('one')).toHaveLength(1);
  await accounts.bindKey(info.id, {});
  await credentials.authenticate(`App ${key}`);
  await credentials.authenticate(basic('anna', 'correct horse battery'));
  const asked = [...new Set(prepare.mock.calls.map(([sql]) => sql))].filter(sql =>
    /^\s*(SELECT|UPDATE|DELETE)/.test(sql),
  );
  prepare.mockRestore();
  expect(asked.length).toBeGreaterThan(3);
  const db = new DatabaseSync(path);
  const looksAtAll = asked.filter(sql =>
    db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .some(({ detail }) => /^SCAN (?!retention_change)/.test(String(detail))),
  );
  db.close();
  expect(looksAtAll).toEqual([]);
});
