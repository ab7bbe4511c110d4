import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Accounts } from '../../src/accounts/accounts.ts';
import { AccountsError } from '../../src/accounts/accounts-file.ts';
import { basic, openAccounts, TestClock, temporaryFolder } from './folder.ts';

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(AccountsError);
    return error instanceof Error ? error.message : '';
  }
  throw new Error('was not refused');
}

describe('accounts', () => {
  test('a name that is taken → refused, the first account unchanged', () => {
    const { accounts } = openAccounts();
    accounts.createAccount('shop', 300);
    expect(refusal(() => accounts.createAccount('shop'))).toBe('there is already an account "shop"');
    expect(accounts.accounts()).toMatchObject([{ id: 1, name: 'shop', requestsPerMinute: 300 }]);
  });

  test('an account that was deleted by hand → its id is not given again', () => {
    const { accounts, path } = openAccounts();
    accounts.createAccount('one');
    const { id } = accounts.createAccount('two');
    const db = new DatabaseSync(path);
    db.exec("DELETE FROM account WHERE name = 'two'");
    db.close();
    expect(accounts.createAccount('three').id).toBeGreaterThan(id);
  });

  test.each(['', ' padded', 'padded ', 'a\nb', 'x'.repeat(101), '\ud800'])('name %j → refused', name => {
    const { accounts } = openAccounts();
    refusal(() => accounts.createAccount(name));
    expect(accounts.accounts()).toEqual([]);
  });

  test.each([0, -1, 1.5, Number.NaN, 1_000_001])('%d requests a minute → refused', requestsPerMinute => {
    const { accounts } = openAccounts();
    refusal(() => accounts.createAccount('shop', requestsPerMinute));
  });

  test('an account, key or user that is not there → refused by name', async () => {
    const { accounts } = openAccounts();
    expect(refusal(() => accounts.createKey({ account: 'shop' }))).toBe('there is no account "shop"');
    expect(refusal(() => accounts.keys('shop'))).toBe('there is no account "shop"');
    expect(refusal(() => accounts.users('shop'))).toBe('there is no account "shop"');
    expect(refusal(() => accounts.revokeKey('sentlog_AAAAAAAAAAAA'))).toBe('there is no key "AAAAAAAAAAAA"');
    expect(refusal(() => accounts.revokeKey('?'))).toBe('"?" is not the id of a key');
    expect(refusal(() => accounts.removeUser('ann'))).toBe('there is no user "ann"');
    await expect(accounts.createUser({ account: 'shop', name: 'ann' })).rejects.toThrow('there is no account "shop"');
  });

  test('first account → made once, with a key that works, and never on a file that has accounts', async () => {
    const { accounts, credentials } = openAccounts();
    const first = accounts.createFirstAccount('default');
    expect(await credentials.authenticate(`App ${first?.key}`)).toMatchObject({
      account: { name: 'default' },
      scopes: ['messenger:manage'],
    });
    expect(accounts.createFirstAccount('default')).toBeUndefined();
    expect(accounts.createFirstAccount('other')).toBeUndefined();
    expect(accounts.accounts()).toHaveLength(1);
  });

  test('keys → listed oldest first with all but their secret', () => {
    const { accounts, clock } = openAccounts();
    accounts.createAccount('shop');
    accounts.createAccount('bank');
    const first = accounts.createKey({ account: 'shop', scopes: ['messenger:logs:write', 'messenger:logs:read'] });
    clock.advance(1);
    const second = accounts.createKey({
      account: 'bank',
      binding: { applicationId: 'app', entityId: 'entity' },
      expiresAt: clock.now() + 1000,
    });
    expect(accounts.keys()).toEqual([first.info, second.info]);
    expect(accounts.keys('bank')).toEqual([
      {
        id: second.info.id,
        account: 'bank',
        scopes: ['messenger:manage'],
        binding: { applicationId: 'app', entityId: 'entity' },
        createdAt: clock.now(),
        expiresAt: clock.now() + 1000,
      },
    ]);
    expect(first.info.scopes).toEqual(['messenger:logs:read', 'messenger:logs:write']);
    expect(JSON.stringify(accounts.keys())).not.toContain(first.key.split('_')[2]);
  });

  test('key → has the form that secret scanners look for', () => {
    const { accounts } = openAccounts();
    accounts.createAccount('shop');
    const { key, info } = accounts.createKey({ account: 'shop' });
    expect(key).toMatch(/^sentlog_[0-9A-Za-z]{12}_[0-9A-Za-z]{32}$/);
    expect(key).toContain(`sentlog_${info.id}_`);
  });

  test('user whose name has a colon or whose password is short → refused', async () => {
    const { accounts } = openAccounts();
    accounts.createAccount('shop');
    await expect(accounts.createUser({ account: 'shop', name: 'a:b' })).rejects.toThrow('colon');
    await expect(accounts.createUser({ account: 'shop', name: 'ann', password: 'short' })).rejects.toThrow(
      'at least 8',
    );
    expect(accounts.users()).toEqual([]);
  });

  test('named secret → the same after reopening, another under another name', () => {
    const { accounts, path, clock } = openAccounts();
    const cursor = accounts.secret('cursor');
    const again = new Accounts(path, clock.now);
    expect(again.secret('cursor')).toEqual(cursor);
    expect(again.secret('other')).not.toEqual(cursor);
    again.close();
  });
});

describe('the accounts file', () => {
  test('keys, tokens, sessions and passwords → none is readable in any file of the folder', async () => {
    const { accounts, credentials, path } = openAccounts();
    accounts.createAccount('shop');
    const { key, info } = accounts.createKey({ account: 'shop' });
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

  test('new file → only its owner may read it', () => {
    const { path } = openAccounts();
    for (const name of readdirSync(dirname(path)))
      expect(statSync(join(dirname(path), name)).mode & 0o077, name).toBe(0);
  });

  test('file of a newer version → refused with a line that says so, and left as it was', () => {
    const { path, accounts, clock } = openAccounts();
    accounts.createAccount('shop');
    const db = new DatabaseSync(path);
    db.exec('PRAGMA user_version = 99');
    const line = refusal(() => new Accounts(path, clock.now));
    expect(line).toMatch(
      /^\S+accounts\.db was written by a newer sentlog \(schema 99, this one knows \d+\): run that version$/,
    );
    expect(db.prepare('PRAGMA user_version').get()).toMatchObject({ user_version: 99 });
    db.close();
  });

  test('file that is no database → refused in one line', () => {
    const path = join(temporaryFolder(), 'accounts.db');
    writeFileSync(path, 'not a database at all, but long enough to be taken for one\n'.repeat(40));
    expect(refusal(() => new Accounts(path, Date.now))).toBe(`cannot use ${path}: file is not a database`);
  });

  test('eight processes that open a new folder at once → one first account, one key each, no error', async () => {
    const path = join(temporaryFolder(), 'data', 'accounts.db');
    const script = `
      import { Accounts } from ${JSON.stringify(new URL('../../src/accounts/accounts.ts', import.meta.url).href)};
      const accounts = new Accounts(${JSON.stringify(path)}, Date.now);
      accounts.createFirstAccount('default');
      for (let n = 0; n < 20; n++) accounts.createKey({ account: 'default' });
      process.stdout.write(Buffer.from(accounts.secret('cursor')).toString('hex'));
      accounts.close();`;
    const run = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    const results = await Promise.all(Array.from({ length: 8 }, run));
    expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
    expect(results.map(({ stderr }) => stderr).join('')).toBe('');
    const accounts = new Accounts(path, new TestClock().now);
    expect(accounts.accounts()).toHaveLength(1);
    expect(accounts.keys()).toHaveLength(8 * 20 + 1);
    accounts.close();
  });

  test('changed row of a stored password → a failure, never an acceptance', async () => {
    const { accounts, credentials, path } = openAccounts();
    accounts.createAccount('shop');
    await accounts.createUser({ account: 'shop', name: 'ann', password: 'long enough' });
    const db = new DatabaseSync(path);
    db.exec("UPDATE user SET password = ''");
    db.close();
    await expect(credentials.authenticate(basic('ann', ''))).rejects.toThrow('not in the form');
  });
});
