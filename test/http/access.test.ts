import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Accounts } from '../../src/accounts/accounts.ts';
import { Credentials } from '../../src/accounts/credentials.ts';
import { SqliteAccountRows } from '../../src/accounts/sqlite/account-rows.ts';
import { SqliteCredentialRows } from '../../src/accounts/sqlite/credential-rows.ts';
import { limits } from '../../src/limits.ts';
import { basic, errorAnswer, startOfTest, TestServer } from '../support/http-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let server: TestServer;
let accounts: Accounts;
let credentials: Credentials;
/** May manage `one`, and `two`. */
let one: string;
let two: string;

beforeEach(async () => {
  const path = `${temporaryFolder()}/accounts.db`;
  const now = () => startOfTest;
  accounts = new Accounts(new SqliteAccountRows(path), now);
  credentials = new Credentials(new SqliteCredentialRows(path), { now, tokenTtlMs: 1000, sessionTtlMs: 1000 });
  for (const name of ['one', 'two']) await accounts.createAccount(name);
  one = `App ${(await accounts.createKey({ account: 'one' })).key}`;
  two = `App ${(await accounts.createKey({ account: 'two' })).key}`;
  server = new TestServer({ managedAccounts: accounts, authenticator: credentials });
});

afterEach(async () => {
  await server.app.close();
  await credentials.close();
  await accounts.close();
});

async function asked(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object, authorization = one) {
  const payload = body === undefined ? {} : { payload: JSON.stringify(body) };
  const headers = { authorization, ...(body !== undefined && { 'content-type': 'application/json' }) };
  return server.call(`/manage/1/${path}`, { method, headers, ...payload });
}
const statusOf = async (authorization: string) =>
  (await server.call('/messenger/1/logs', { headers: { authorization } })).statusCode;

describe('keys', () => {
  test('made, used, revoked → shown each time, its secret only once', async () => {
    const request = { scopes: ['messenger:logs:read'], applicationId: 'shop', expiresInDays: 1 };
    const { key, ...made } = (await asked('POST', 'keys', request)).json();
    expect(made).toEqual({
      id: key.split('_')[1],
      scopes: ['messenger:logs:read'],
      applicationId: 'shop',
      createdAt: '2023-02-02T12:00:00.000+0000',
      expiresAt: '2023-02-03T12:00:00.000+0000',
      uses: 0,
    });
    expect(await statusOf(`App ${key}`)).toBe(200);
    const listed = await asked('GET', 'account');
    const { keys, ...others } = listed.json();
    expect(others).toMatchObject({ name: 'one', users: [] });
    // Made in one moment, they stand in any order.
    expect(keys).toHaveLength(2);
    const mine = expect.objectContaining({ scopes: ['messenger:manage'], isYours: true });
    expect(keys).toEqual(expect.arrayContaining([mine, made]));
    expect(listed.body).not.toContain(key.split('_')[2]);
    expect((await asked('DELETE', `keys/${made.id}`)).statusCode).toBe(204);
    await expect.poll(() => statusOf(`App ${key}`)).toBe(401);
    const left = (await asked('GET', 'account')).json().keys;
    expect(left.find((one: { id: string }) => one.id === made.id).revokedAt).toBe('2023-02-02T12:00:00.000+0000');
  });

  test('as many as may be, revoked and expired ones beside → those do not count, and the oldest of them go', async () => {
    const { info } = await accounts.createKey({ account: 'one' });
    const keys = (count: number, fields: object) =>
      Array.from({ length: count }, (_, i) => ({ ...info, id: `${i}`, ...fields }));
    const { keysMax, ended } = { keysMax: limits.managedKeysMax, ended: { revokedAt: 1 } };
    let held = [...keys(keysMax - 1, {}), ...keys(keysMax, ended), ...keys(5, { expiresAt: startOfTest })];
    const forgot: unknown[] = [];
    vi.spyOn(accounts, 'keys').mockImplementation(async () => held);
    vi.spyOn(accounts, 'forgetEndedKeys').mockImplementation(async (...asked) => void forgot.push(asked));
    expect((await asked('POST', 'keys', {})).statusCode).toBe(200);
    expect(forgot).toEqual([['one', keysMax - 1]]);
    held = keys(keysMax, {});
    const refused = await asked('POST', 'keys', {});
    expect(errorAnswer(refused)).toEqual({ code: 'E400', properties: ['account'] });
  });

  test('those of another account → not there', async () => {
    const { id } = (await asked('POST', 'keys', {}, two)).json();
    expect((await asked('DELETE', `keys/${id}`)).statusCode).toBe(404);
    expect((await asked('GET', 'account')).json().keys).toHaveLength(1);
  });

  test('a key that is bound → makes none that is not', async () => {
    const { key } = (await asked('POST', 'keys', { entityId: 'ent' })).json();
    expect((await asked('POST', 'keys', {}, `App ${key}`)).statusCode).toBe(403);
    expect((await asked('GET', 'account', undefined, `App ${key}`)).statusCode).toBe(403);
  });

  test('one that is there, bound and unbound → sees what is of its binding, and manages nothing while it has one', async () => {
    const { key, id } = (await asked('POST', 'keys', {})).json();
    const bind = (binding: object, authorization = one) => asked('POST', `keys/${id}/binding`, binding, authorization);
    const managing = async () => (await asked('GET', 'account', undefined, `App ${key}`)).statusCode;
    expect(await managing()).toBe(200);
    expect((await bind({ applicationId: 'shop', entityId: 'ent' })).json()).toMatchObject({
      id,
      applicationId: 'shop',
      entityId: 'ent',
    });
    await expect.poll(managing).toBe(403);
    expect((await bind({}, `App ${key}`)).statusCode).toBe(403);
    expect((await bind({}, two)).statusCode).toBe(404);
    expect(errorAnswer(await bind({ entityId: '', more: 1 })).properties.sort()).toEqual(['entityId', 'more']);
    expect((await bind({})).json()).not.toHaveProperty('entityId');
    await expect.poll(managing).toBe(200);
    await asked('DELETE', `keys/${id}`);
    expect(errorAnswer(await bind({ entityId: 'ent' })).properties).toEqual(['account']);
  });

  test('what does not fit → 400 with every violation', async () => {
    const flawed = { scopes: ['root'], expiresInDays: 0, applicationId: '\u0000', more: 1 };
    expect(errorAnswer(await asked('POST', 'keys', flawed)).properties.sort()).toEqual([
      'applicationId',
      'expiresInDays',
      'more',
      'scopes[0]',
    ]);
  });
});

describe('users', () => {
  test('made, signed in, removed → the password is given once, and of no use in the end', async () => {
    const { password, ...made } = (await asked('POST', 'users', { name: 'ada' })).json();
    expect(made).toMatchObject({ name: 'ada@one', scopes: ['messenger:manage'], uses: 0 });
    const authorization = basic('ada@one', password);
    expect(await statusOf(authorization)).toBe(200);
    expect((await asked('GET', 'account')).body).not.toContain(password);
    expect((await asked('DELETE', 'users/ada@one')).statusCode).toBe(204);
    await expect.poll(() => statusOf(authorization)).toBe(401);
  });

  test('a name that another account has given → free all the same, and the other user is not there', async () => {
    const user = { name: 'ada', password: 'a password of hers' };
    for (const authorization of [one, two]) {
      const answer = await asked('POST', 'users', user, authorization);
      expect(answer.statusCode).toBe(200);
      expect(answer.json()).not.toHaveProperty('password');
    }
    expect((await asked('DELETE', 'users/ada@two')).statusCode).toBe(404);
    expect(errorAnswer(await asked('POST', 'users', user)).properties).toEqual(['account']);
    expect(errorAnswer(await asked('POST', 'users', { ...user, name: 'a@b' })).properties).toEqual(['name']);
  });
});

test('the key or user that asks → told as its own, however it has proven itself', async () => {
  const { password } = (await asked('POST', 'users', { name: 'ada' })).json();
  const session = await credentials.createSession('ada@one', password);
  for (const authorization of [basic('ada@one', password), `IBSSO ${session?.token}`]) {
    const { keys, users } = (await asked('GET', 'account', undefined, authorization)).json();
    expect(users).toMatchObject([{ name: 'ada@one', isYours: true }]);
    expect(keys).toEqual([expect.not.objectContaining({ isYours: true })]);
  }
});

describe('accounts', () => {
  let operator: string;
  beforeEach(async () => {
    await accounts.createAccount('default');
    operator = `App ${(await accounts.createKey({ account: 'default' })).key}`;
  });

  test('made by whoever manages the first one → with a key of its own, which manages it and nothing else', async () => {
    const made = await asked('POST', 'accounts', { name: 'shop', requestsPerMinute: 42 }, operator);
    const { key, ...account } = made.json();
    expect(account).toEqual({
      name: 'shop',
      createdAt: '2023-02-02T12:00:00.000+0000',
      requestsPerMinute: 42,
    });
    const own = (await asked('GET', 'account', undefined, `App ${key}`)).json();
    expect(own).toMatchObject({ ...account, keys: [{ isYours: true, scopes: ['messenger:manage'] }], users: [] });
    const listed = await asked('GET', 'accounts', undefined, operator);
    expect(
      listed
        .json()
        .accounts.map(({ name }: { name: string }) => name)
        .sort(),
    ).toEqual(['default', 'one', 'shop', 'two']);
    expect(listed.json().more).toBe(0);
    expect(listed.body).not.toContain(key.split('_')[2]);
  });

  test('anybody else, bound ones too → 403, whether the name is taken or not', async () => {
    const { key } = (await asked('POST', 'keys', { entityId: 'ent' }, operator)).json();
    const reader = (await asked('POST', 'keys', { scopes: ['messenger:logs:read'] }, operator)).json().key;
    for (const authorization of [one, `App ${key}`, `App ${reader}`]) {
      expect((await asked('GET', 'accounts', undefined, authorization)).statusCode).toBe(403);
      for (const name of ['two', 'free'])
        expect((await asked('POST', 'accounts', { name }, authorization)).statusCode).toBe(403);
    }
    const offers = async (authorization: string) =>
      (await server.call('/page/pass', { method: 'POST', headers: { authorization } })).json().offers;
    expect(await offers(operator)).toMatchObject({ access: true, accounts: true });
    expect(await offers(one)).toMatchObject({ access: true, accounts: false });
  });

  test('a name that is taken or none, a limit that is none, one account too many → 400', async () => {
    const refused = async (body: object) => errorAnswer(await asked('POST', 'accounts', body, operator)).properties;
    for (const name of ['one', ' padded']) expect(await refused({ name })).toEqual(['account']);
    expect(await refused({ name: '', requestsPerMinute: 0 })).toEqual(['name', 'requestsPerMinute']);
    const all = vi.spyOn(accounts, 'accounts');
    const newest = accounts.newestAccounts.bind(accounts);
    vi.spyOn(accounts, 'newestAccounts').mockImplementation(async count => ({
      ...(await newest(count)),
      total: limits.managedAccountsMax,
    }));
    expect(await refused({ name: 'more' })).toEqual(['account']);
    const { accounts: shown, more } = (await asked('GET', 'accounts', undefined, operator)).json();
    expect(shown.length + more).toBe(limits.managedAccountsMax);
    expect(all).not.toHaveBeenCalled();
    expect(await accounts.account('free').catch(() => undefined)).toBeUndefined();
  });
});
