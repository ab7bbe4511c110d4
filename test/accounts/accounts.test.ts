import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { firstAccount } from '../../src/accounts/accounts.ts';
import { Retentions } from '../../src/accounts/retentions.ts';
import { AccountsError } from '../../src/accounts/rows.ts';
import { Connections } from '../../src/postgres/connections.ts';
import { basic, places } from './places.ts';

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(AccountsError);
  return error instanceof Error ? error.message : '';
}

describe.each(places)('accounts kept in $place', ({ start, stop, open, userTable }) => {
  beforeAll(start);
  afterAll(stop);

  test('a name that is taken → refused, the first account unchanged', async () => {
    const { accounts } = await open();
    await accounts.createAccount('shop', 300);
    expect(await refusal(accounts.createAccount('shop'))).toBe('there is already an account "shop"');
    expect(await accounts.accounts()).toMatchObject([{ name: 'shop', requestsPerMinute: 300 }]);
  });

  test('the newest accounts → newest first, as many as are asked for, and how many there are; of any ids, those of none', async () => {
    const { accounts, clock } = await open();
    for (const name of 'abc') await accounts.createAccount(name).then(() => clock.advance(1000));
    expect(await accounts.newestAccounts(2)).toMatchObject({ accounts: [{ name: 'c' }, { name: 'b' }], total: 3 });
    for (const { id } of await accounts.accounts()) expect(await accounts.lacking([id, 1])).toEqual([1]);
  });

  test('an account with its first key → both, or neither where the key cannot be kept', async () => {
    const { accounts, credentials, clock, rowsElsewhere } = await open();
    const { account, key } = await accounts.createAccountWithKey('shop', 7);
    expect(account).toMatchObject({ name: 'shop', requestsPerMinute: 7 });
    expect(await credentials.authenticate(`App ${key}`)).toMatchObject({ account: { id: account.id } });
    expect(await refusal(accounts.createAccountWithKey('shop'))).toBe('there is already an account "shop"');
    const [taken] = await accounts.keys('shop');
    const again = {
      id: taken?.id ?? '',
      secretHash: new Uint8Array(32),
      scopes: ['messenger:manage'],
      binding: {},
      createdAt: clock.now(),
    } as const;
    await rowsElsewhere()
      .addAccount({ id: account.id + 1, name: 'other', createdAt: clock.now() }, again)
      .catch(() => undefined);
    expect((await accounts.accounts()).map(({ name }) => name)).toEqual(['shop']);
    expect(await accounts.keys()).toHaveLength(1);
  });

  test('more keys than are to be listed → the oldest that have ended go, and no other', async () => {
    const { accounts, credentials, clock } = await open();
    await accounts.createAccount('shop');
    const { key, info } = await accounts.createKey({ account: 'shop' });
    const made = [info.id];
    for (let i = 0; i < 4; i++) {
      clock.advance(1);
      const expiresAt = clock.now() + 10;
      made.push((await accounts.createKey({ account: 'shop', ...(i === 1 && { expiresAt }) })).info.id);
    }
    await accounts.createAccount('other');
    const bystander = await accounts.createKey({ account: 'other' });
    await accounts.revokeKey(bystander.info.id);
    await accounts.revokeKey(made[3] ?? '');
    clock.advance(100);
    const left = async (most: number) => {
      await accounts.forgetEndedKeys('shop', most);
      return (await accounts.keys('shop')).map(({ id }) => made.indexOf(id));
    };
    expect(await left(5)).toEqual([0, 1, 2, 3, 4]);
    expect(await left(4)).toEqual([0, 1, 3, 4]);
    expect(await left(1)).toEqual([0, 1, 4]);
    expect(await accounts.keys('other')).toHaveLength(1);
    expect(await credentials.authenticate(`App ${key}`)).toBeDefined();
  });

  test('an account keeps its messages for a time of its own → known, listed, and given back', async () => {
    const { accounts } = await open();
    const [shop, other] = [await accounts.createAccount('shop'), await accounts.createAccount('other')];
    expect(await accounts.retentions()).toEqual(new Map());
    for (const ms of [0, 999, 1.5, Number.NaN, 3651 * 86_400_000])
      expect(await refusal(accounts.setRetention('shop', ms))).toBe('messages are kept for 1 s to 3650 d');
    await refusal(accounts.setRetention('nobody', 1000));
    await accounts.setRetention('shop', 90 * 86_400_000);
    await accounts.setRetention('other', 1000);
    expect(await accounts.retentions()).toEqual(
      new Map([
        [shop.id, 90 * 86_400_000],
        [other.id, 1000],
      ]),
    );
    const failures: unknown[] = [];
    const retentions = new Retentions(accounts, 5000, error => failures.push(error));
    await retentions.refresh();
    expect([shop.id, other.id, 7].map(retentions.of)).toEqual([90 * 86_400_000, 1000, 5000]);
    const { others, own } = retentions.horizons(10_000);
    expect(others).toBe(5000);
    expect([own.size, own.get(shop.id), own.get(other.id), own.get(7)]).toEqual([
      2,
      10_000 - 90 * 86_400_000,
      9000,
      undefined,
    ]);
    await accounts.setRetention('other', undefined);
    const listed = (await accounts.accounts()).toSorted((a, b) => (a.name < b.name ? -1 : 1));
    expect(listed).toEqual([other, { ...shop, retentionMs: 90 * 86_400_000 }]);
    await retentions.refresh();
    expect(retentions.of(other.id)).toBe(5000);
    expect(failures).toEqual([]);
  });

  test('how long accounts keep their messages, asked again → all read again only when something changed, by whomever', async () => {
    const { rowsElsewhere, byHand } = await open();
    const [server, command] = [rowsElsewhere(), rowsElsewhere()];
    await server.addAccount({ id: 7, name: 'shop', createdAt: 0 });
    await command.setRetention(7, 1000);
    const first = await server.retentions(true);
    expect(first).toEqual(new Map([[7, 1000]]));
    const statements = vi.spyOn(Connections.prototype, 'query');
    onTestFinished(() => statements.mockRestore());
    await command.addAccount({ id: 8, name: 'of no time of its own', createdAt: 0 });
    await byHand("UPDATE account SET name = 'other' WHERE id = 8");
    statements.mockClear();
    for (let second = 0; second < 3; second++) expect(await server.retentions(true)).toBe(first);
    expect(statements.mock.calls.filter(([text]) => /\baccount\b/.test(String(text)))).toEqual([]);
    await command.setRetention(7, 2000);
    expect(await server.retentions(true)).toEqual(new Map([[7, 2000]]));
    await server.setRetention(7, undefined);
    expect(await server.retentions(true)).toEqual(new Map());
    await command.addAccount({ id: 9, name: 'copied', retentionMs: 3000, createdAt: 0 });
    expect(await server.retentions(true)).toEqual(new Map([[9, 3000]]));
    // As a program does that tells nobody.
    await byHand('UPDATE account SET retention_ms = 4000 WHERE id = 9');
    expect(await server.retentions()).toEqual(new Map([[9, 4000]]));
    expect(await server.retentions(true)).toEqual(new Map([[9, 4000]]));
  });

  test('accounts that were lost, or restored as they were → no id comes again', async () => {
    const ids: number[] = [];
    for (let loss = 0; loss < 3; loss++) {
      const { accounts, byHand } = await open();
      for (const name of ['one', 'two']) ids.push((await accounts.createAccount(name)).id);
      await byHand("DELETE FROM account WHERE name = 'two'");
      ids.push((await accounts.createAccount('three')).id);
    }
    expect(new Set(ids).size).toBe(9);
    // Beyond what older versions counted up to, and below the slices of accounts that are spread.
    for (const id of ids) expect(id >= 2 ** 32 && id < 2 ** 40).toBe(true);
  });

  test('adopting → what comes before is done while the account is not there yet, and only where it can be made', async () => {
    const { accounts } = await open();
    const { id } = await accounts.createAccount('shop');
    let calls = 0;
    const before = () => {
      calls++;
      throw new Error('cut short');
    };
    await refusal(accounts.adoptAccount('shop', id + 1, before));
    await refusal(accounts.adoptAccount('other', id, before));
    await refusal(accounts.adoptAccount(' other', id + 1, before));
    expect(calls).toBe(0);
    await expect(accounts.adoptAccount('other', id + 1, before)).rejects.toThrow('cut short');
    expect(calls).toBe(1);
    expect(await accounts.accounts()).toMatchObject([{ name: 'shop' }]);
    expect(await accounts.adoptAccount('other', id + 1, () => {})).toMatchObject({ name: 'other', id: id + 1 });
  });

  test.each(['', ' padded', 'padded ', 'a\nb', 'x'.repeat(101), '\ud800'])('name %j → refused', async name => {
    const { accounts } = await open();
    await refusal(accounts.createAccount(name));
    expect(await accounts.accounts()).toEqual([]);
  });

  test.each([0, -1, 1.5, Number.NaN, 1_000_001])('%d requests a minute → refused', async requestsPerMinute => {
    const { accounts } = await open();
    await refusal(accounts.createAccount('shop', requestsPerMinute));
  });

  test('an account, key or user that is not there → refused by name', async () => {
    const { accounts } = await open();
    expect(await refusal(accounts.createKey({ account: 'shop' }))).toBe('there is no account "shop"');
    expect(await refusal(accounts.keys('shop'))).toBe('there is no account "shop"');
    expect(await refusal(accounts.users('shop'))).toBe('there is no account "shop"');
    expect(await refusal(accounts.revokeKey('sentlog_AAAAAAAAAAAA'))).toBe('there is no key "AAAAAAAAAAAA"');
    expect(await refusal(accounts.revokeKey('?'))).toBe('"?" is not the id of a key');
    expect(await refusal(accounts.removeUser('ann'))).toBe('there is no user "ann"');
    await expect(accounts.createUser({ account: 'shop', name: 'ann' })).rejects.toThrow('there is no account "shop"');
  });

  test('first account → made once, with a key that works, and never where somebody gets in or other accounts are', async () => {
    const { accounts, credentials } = await open();
    const first = await accounts.createFirstAccount();
    expect(await credentials.authenticate(`App ${first?.key}`)).toMatchObject({
      account: { name: firstAccount },
      scopes: ['messenger:manage'],
    });
    expect(await accounts.createFirstAccount()).toBeUndefined();
    expect(await accounts.accounts()).toHaveLength(1);
    const others = (await open()).accounts;
    await others.createAccount('shop');
    expect(await others.createFirstAccount()).toBeUndefined();
    expect([await others.accounts(), await others.keys()].map(rows => rows.length)).toEqual([1, 0]);
  });

  test('a command before the first start → that makes the key, unless anybody was given a key or a user, also one gone', async () => {
    for (const given of ['nothing', 'key', 'user', 'user who is gone', 'key that is gone']) {
      const { accounts, credentials, byHand } = await open();
      for (const name of given === 'nothing' ? [firstAccount, 'shop'] : ['shop'])
        await accounts.createBesideFirst(name);
      expect((await accounts.accounts()).map(one => one.name).sort()).toEqual([firstAccount, 'shop']);
      if (given.startsWith('key')) await accounts.createKey({ account: 'shop' });
      if (given.startsWith('user')) await accounts.createUser({ account: 'shop', name: 'ann' });
      if (given === 'user who is gone') await accounts.removeUser('ann');
      if (given === 'key that is gone') await byHand('DELETE FROM api_key');
      const first = await accounts.createFirstAccount();
      expect(first !== undefined, given).toBe(given === 'nothing');
      if (first !== undefined)
        expect(await credentials.authenticate(`App ${first.key}`)).toMatchObject({ account: { name: firstAccount } });
      expect(await accounts.createFirstAccount(), given).toBeUndefined();
    }
  });

  test('nobody let in on purpose, in a log that has begun → no key is made for the account', async () => {
    const { accounts, byHand } = await open();
    await accounts.createFirstAccount();
    await byHand('DELETE FROM api_key');
    expect(await accounts.createFirstAccount()).toBeUndefined();
    // Made before anybody noted how a log begins.
    const older = (await open()).accounts;
    await older.createAccount(firstAccount);
    expect(await older.createFirstAccount()).toBeUndefined();
    expect([await accounts.keys(), await older.keys()]).toEqual([[], []]);
  });

  test('commands beside each other and a start, on a new log → all make what they were asked for, and one makes the key', async () => {
    const { accounts, elsewhere } = await open();
    const names = ['a', 'b', 'c', 'd'];
    const [first] = await Promise.all([
      accounts.createFirstAccount(),
      ...names.map(name => elsewhere().createBesideFirst(name)),
    ]);
    const later = await accounts.createFirstAccount();
    expect([first, later].filter(one => one !== undefined)).toHaveLength(1);
    expect((await accounts.accounts()).map(one => one.name).sort()).toEqual([...names, firstAccount]);
    expect(await accounts.keys()).toHaveLength(1);
  });

  test('a name that is refused → nothing is made', async () => {
    const { accounts } = await open();
    for (const name of ['', ' ', 'x'.repeat(101)])
      await expect(accounts.createBesideFirst(name)).rejects.toThrow(AccountsError);
    await expect(accounts.createBesideFirst('a', 0)).rejects.toThrow(AccountsError);
    expect(await accounts.accounts()).toEqual([]);
  });

  test('keys → listed oldest first with all but their secret', async () => {
    const { accounts, clock } = await open();
    await accounts.createAccount('shop');
    await accounts.createAccount('bank');
    const first = await accounts.createKey({
      account: 'shop',
      scopes: ['messenger:logs:write', 'messenger:logs:read'],
    });
    clock.advance(1);
    const second = await accounts.createKey({
      account: 'bank',
      binding: { applicationId: 'app', entityId: 'entity' },
      expiresAt: clock.now() + 1000,
    });
    expect(await accounts.keys()).toEqual([first.info, second.info]);
    expect(await accounts.keys('bank')).toEqual([
      {
        id: second.info.id,
        account: 'bank',
        scopes: ['messenger:manage'],
        binding: { applicationId: 'app', entityId: 'entity' },
        createdAt: clock.now(),
        expiresAt: clock.now() + 1000,
        uses: 0,
      },
    ]);
    expect(first.info.scopes).toEqual(['messenger:logs:read', 'messenger:logs:write']);
    expect(JSON.stringify(await accounts.keys())).not.toContain(first.key.split('_')[2]);
  });

  test('keys, tokens, users and sessions → counted for the key or the user; a look again is none', async () => {
    const { accounts, credentials, restarted, clock } = await open();
    await accounts.createAccount('shop');
    const { key, info } = await accounts.createKey({ account: 'shop' });
    const idle = (await accounts.createKey({ account: 'shop' })).info;
    await accounts.createUser({ account: 'shop', name: 'ann', password: 'password1' });
    const [, , secret = ''] = key.split('_');
    const token = await credentials.issueToken(info.id, secret);
    const session = await credentials.createSession('ann', 'password1');
    const asker = '127.0.0.1';
    expect(await credentials.authenticate(`App ${key}`, asker)).toBeDefined();
    expect(await credentials.authenticate(`Bearer ${token?.accessToken}`, asker)).toBeDefined();
    expect(await credentials.authenticate(basic('ann', 'password1'), asker)).toBeDefined();
    clock.advance(1000);
    expect(await credentials.authenticate(`IBSSO ${session?.token}`, asker)).toBeDefined();
    expect(await credentials.authenticate(`App ${key}`)).toBeDefined();
    expect(await credentials.authenticate('App nonsense', asker)).toBeUndefined();
    await credentials.close();
    const shown = async () => ({
      keys: (await accounts.keys('shop')).map(({ id, uses, lastUsedAt }) => ({ id, uses, lastUsedAt })),
      users: (await accounts.users('shop')).map(({ uses, lastUsedAt }) => ({ uses, lastUsedAt })),
    });
    const first = await shown();
    expect(first.users).toEqual([{ uses: 2, lastUsedAt: clock.now() }]);
    expect(first.keys).toContainEqual({ id: info.id, uses: 2, lastUsedAt: clock.now() - 1000 });
    expect(first.keys).toContainEqual({ id: idle.id, uses: 0, lastUsedAt: undefined });
    const later = restarted();
    await later.authenticate(`App ${key}`, asker);
    await later.close();
    expect((await shown()).keys).toContainEqual({ id: info.id, uses: 3, lastUsedAt: clock.now() });
  });

  test('key → has the form that secret scanners look for', async () => {
    const { accounts } = await open();
    await accounts.createAccount('shop');
    const { key, info } = await accounts.createKey({ account: 'shop' });
    expect(key).toMatch(/^sentlog_[0-9A-Za-z]{12}_[0-9A-Za-z]{32}$/);
    expect(key).toContain(`sentlog_${info.id}_`);
  });

  test('user whose name has a colon or whose password is short → refused', async () => {
    const { accounts } = await open();
    await accounts.createAccount('shop');
    await expect(accounts.createUser({ account: 'shop', name: 'a:b' })).rejects.toThrow('colon');
    await expect(accounts.createUser({ account: 'shop', name: 'ann', password: 'short' })).rejects.toThrow(
      'at least 8',
    );
    expect(await accounts.users()).toEqual([]);
  });

  test('first account, made by eight at once → by one of them', async () => {
    const { accounts, credentials, elsewhere } = await open();
    const all = [accounts, ...Array.from({ length: 7 }, elsewhere)];
    const made = (await Promise.all(all.map(one => one.createFirstAccount()))).filter(one => one !== undefined);
    expect(made).toHaveLength(1);
    expect(await credentials.authenticate(`App ${made[0]?.key}`)).toBeDefined();
    expect([await accounts.accounts(), await accounts.keys()].map(rows => rows.length)).toEqual([1, 1]);
  });

  test('a name of an account or user that is taken at once by many → given to one of them', async () => {
    const { accounts, elsewhere } = await open();
    const all = [accounts, ...Array.from({ length: 4 }, elsewhere)];
    const made = await Promise.allSettled(all.map(one => one.createAccount('shop')));
    expect(made.filter(one => one.status === 'fulfilled')).toHaveLength(1);
    const user = { account: 'shop', name: 'ann', password: 'password1' };
    const users = await Promise.allSettled(all.map(one => one.createUser(user)));
    expect(users.filter(one => one.status === 'fulfilled')).toHaveLength(1);
    for (const one of [...made, ...users])
      if (one.status === 'rejected') expect(one.reason).toBeInstanceOf(AccountsError);
  });

  test('named secret → the same for all and after reopening, another under another name', async () => {
    const { accounts, elsewhere } = await open();
    const all = Array.from({ length: 4 }, elsewhere);
    const secrets = await Promise.all([accounts, ...all].map(one => one.secret('cursor')));
    for (const one of secrets) expect(Buffer.from(one)).toEqual(Buffer.from(secrets[0] ?? []));
    expect(secrets[0]).toHaveLength(32);
    expect(Buffer.from(await elsewhere().secret('cursor'))).toEqual(Buffer.from(secrets[0] ?? []));
    expect(Buffer.from(await elsewhere().secret('other'))).not.toEqual(Buffer.from(secrets[0] ?? []));
  });

  test('changed row of a stored password → a failure, never an acceptance', async () => {
    const { accounts, credentials, byHand } = await open();
    await accounts.createAccount('shop');
    await accounts.createUser({ account: 'shop', name: 'ann', password: 'long enough' });
    await byHand(`UPDATE ${userTable} SET password = ''`);
    await expect(credentials.authenticate(basic('ann', ''))).rejects.toThrow('not in the form');
  });
});

test('how long accounts keep their messages → asked each second, and read whatever is remembered once a minute', async () => {
  vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const asked: unknown[] = [];
  const read = async (mayRemember?: boolean) => {
    asked.push(mayRemember);
    return new Map([[7, asked.length]]);
  };
  const retentions = new Retentions({ retentions: read }, 5000, () => {});
  await retentions.start();
  await vi.advanceTimersByTimeAsync(120_000);
  retentions.stop();
  expect(retentions.of(7)).toBe(121);
  expect(asked.flatMap((mayRemember, at) => (mayRemember === true ? [] : [[at, mayRemember]]))).toEqual(
    [0, 60, 120].map(at => [at, false]),
  );
});
