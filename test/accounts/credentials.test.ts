import { scrypt, timingSafeEqual } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Credentials } from '../../src/accounts/credentials.ts';
import { hashCheaply } from './cheap-hashes.ts';
import { basic, places } from './places.ts';

vi.mock('node:crypto', { spy: true });

beforeEach(() => void vi.mocked(scrypt).mockImplementation(hashCheaply));
afterEach(() => vi.clearAllMocks());

/** Who asks for the first time; without one somebody who was let in is looked at again. */
const asker = 'somebody';

/** What a caller may see a change after at the latest, with room for a slow machine left to the test's own time-out. */
async function untilRefused(credentials: Credentials, authorization: string): Promise<void> {
  while ((await credentials.authenticate(authorization)) !== undefined) await pause(20);
}

describe.each(places)('credentials kept in $place', ({ start, stop, open }) => {
  beforeAll(start);
  afterAll(stop);

  async function shop() {
    const opened = await open();
    await opened.accounts.createAccount('shop', 42);
    return { ...opened, ...(await opened.accounts.createKey({ account: 'shop' })) };
  }

  describe('App', () => {
    test('right key → its account, scopes and binding', async () => {
      const { accounts, credentials } = await shop();
      const { key } = await accounts.createKey({
        account: 'shop',
        scopes: ['messenger:logs:read'],
        binding: { applicationId: 'app', entityId: 'entity' },
      });
      expect(await credentials.authenticate(`App ${key}`)).toEqual({
        account: { id: expect.any(Number), name: 'shop', requestsPerMinute: 42 },
        scopes: ['messenger:logs:read'],
        binding: { applicationId: 'app', entityId: 'entity' },
        by: { key: key.split('_')[1] },
      });
    });

    test.each(['App', 'app', 'APP', 'aPp'])('scheme written %s → accepted', async scheme => {
      const { credentials, key } = await shop();
      expect(await credentials.authenticate(`${scheme} ${key}`)).toBeDefined();
    });

    test('anything but the key itself → refused', async () => {
      const { credentials, key, info } = await shop();
      const other = key.endsWith('A') ? 'B' : 'A';
      const wrong = [
        `App ${key.slice(0, -1)}${other}`,
        `App ${key}A`,
        `App ${key.slice(0, -1)}`,
        `App ${key} `,
        ` App ${key}`,
        `App  ${key} x`,
        `App${key}`,
        `App`,
        ``,
        `App ${info.id}`,
        `App sentlog_${info.id}_`,
        `App ${key.toLowerCase()}`,
        `App ${key.replace(info.id, 'AAAAAAAAAAAA')}`,
        `Application ${key}`,
        `Bearer ${key}`,
        `IBSSO ${key}`,
        key,
      ];
      for (const header of wrong) expect(await credentials.authenticate(header), header).toBeUndefined();
    });

    test('any header at all → refused, never a failure', async () => {
      const { credentials } = await shop();
      const header = fc.oneof(
        fc.string({ unit: 'binary' }),
        fc
          .tuple(fc.constantFrom('App', 'Bearer', 'IBSSO', 'Digest'), fc.string({ unit: 'grapheme' }))
          .map(([scheme, value]) => `${scheme} ${value}`),
        fc.string({ minLength: 44, maxLength: 44 }).map(value => `App sentlog_${value}`),
      );
      await fc.assert(
        fc.asyncProperty(header, async value => {
          expect(await credentials.authenticate(value)).toBeUndefined();
        }),
      );
    });

    test('wrong secret → compared with the stored hash in constant time, and so is that of an unknown key', async () => {
      const { credentials, key, info } = await shop();
      const compare = vi.mocked(timingSafeEqual);
      await credentials.authenticate(`App sentlog_${info.id}_${'A'.repeat(32)}`);
      expect(compare).toHaveBeenCalledTimes(1);
      await credentials.authenticate(`App ${key.replace(info.id, 'AAAAAAAAAAAA')}`);
      expect(compare).toHaveBeenCalledTimes(2);
    });

    test('key that expires → accepted up to that moment, refused from it on', async () => {
      const { accounts, credentials, clock } = await shop();
      const { key } = await accounts.createKey({ account: 'shop', expiresAt: clock.now() + 1000 });
      clock.advance(999);
      expect(await credentials.authenticate(`App ${key}`)).toBeDefined();
      clock.advance(1);
      expect(await credentials.authenticate(`App ${key}`)).toBeUndefined();
    });

    test('key revoked while the clock stood ahead → refused when the clock is set back', async () => {
      const { accounts, credentials, clock, key, info } = await shop();
      clock.advance(3_600_000);
      await accounts.revokeKey(info.id);
      clock.advance(-7_200_000);
      await untilRefused(credentials, `App ${key}`);
    });

    test('key made by another process → works at once, also when it was tried before it was there', async () => {
      const { credentials, accounts, elsewhere } = await shop();
      expect(await credentials.authenticate(`App sentlog_${'A'.repeat(12)}_${'A'.repeat(32)}`)).toBeUndefined();
      const { key } = await elsewhere().createKey({ account: 'shop' });
      expect(await credentials.authenticate(`App ${key}`)).toBeDefined();
      expect(await accounts.keys()).toHaveLength(2);
    });

    test('key revoked by another process → refused within a second, with its tokens, and no other key', async () => {
      const { accounts, credentials, elsewhere, key, info } = await shop();
      const bystander = await accounts.createKey({ account: 'shop' });
      const token = await credentials.issueToken(info.id, key);
      expect(await credentials.authenticate(`App ${key}`)).toBeDefined();
      expect(await credentials.authenticate(`Bearer ${token?.accessToken}`)).toBeDefined();
      await elsewhere().revokeKey(info.id);
      await pause(900);
      expect(await credentials.authenticate(`App ${key}`)).toBeUndefined();
      expect(await credentials.authenticate(`Bearer ${token?.accessToken}`)).toBeUndefined();
      expect(await credentials.authenticate(`App ${bystander.key}`)).toBeDefined();
    });

    test("account's requests a minute changed → seen without a restart", async () => {
      const { accounts, credentials, key } = await shop();
      await credentials.authenticate(`App ${key}`);
      await accounts.setRequestsPerMinute('shop', undefined);
      await pause(300);
      expect((await credentials.authenticate(`App ${key}`))?.account).toEqual({ id: expect.any(Number), name: 'shop' });
    });
  });

  describe('Basic', () => {
    test('right password → the user’s account; wrong one, unknown user, no user → refused', async () => {
      const { accounts, credentials } = await shop();
      await accounts.createUser({ account: 'shop', name: 'ann', password: 'p:ä ss wörd' });
      expect(await credentials.authenticate(basic('ann', 'p:ä ss wörd'))).toMatchObject({
        account: { name: 'shop' },
        scopes: ['messenger:manage'],
        binding: {},
      });
      const latin1 = Buffer.from('ann:p:ä ss wörd', 'latin1').toString('base64');
      for (const header of [basic('ann', 'p:ä ss wörd'.normalize('NFD')), `Basic ${latin1}`])
        expect(await credentials.authenticate(header)).toBeDefined();
      for (const header of [
        basic('ann', 'wrong password'),
        basic('Ann', 'p:ä ss wörd'),
        basic('', 'x'),
        basic('bob', 'x'),
      ])
        expect(await credentials.authenticate(header)).toBeUndefined();
    });

    test('base64 that is not exact, or not a known password, or without a colon → refused', async () => {
      const { accounts, credentials } = await shop();
      await accounts.createUser({ account: 'shop', name: 'ann', password: 'password1' });
      const right = basic('ann', 'password1');
      expect(await credentials.authenticate(right)).toBeDefined();
      const wrong = [
        `${right}=`,
        right.replace(/=+$/, ''),
        `${right}!`,
        `Basic ${Buffer.from('ann').toString('base64')}`,
      ];
      wrong.push(`Basic ${Buffer.from([0x61, 0x3a, 0xff, 0xfe]).toString('base64')}`);
      for (const header of wrong) expect(await credentials.authenticate(header), header).toBeUndefined();
    });

    test('the same right password again → checked from memory; a wrong one and an unknown user → cost a hash each', async () => {
      const { accounts, credentials } = await shop();
      await accounts.createUser({ account: 'shop', name: 'ann', password: 'password1' });
      vi.mocked(scrypt).mockClear();
      for (let n = 0; n < 5; n++) await credentials.authenticate(basic('ann', 'password1'), asker);
      expect(scrypt).toHaveBeenCalledTimes(1);
      await Promise.all(Array.from({ length: 5 }, () => credentials.authenticate(basic('ann', 'password2'), asker)));
      expect(scrypt).toHaveBeenCalledTimes(2);
      await credentials.authenticate(basic('bob', 'password1'), asker);
      expect(scrypt).toHaveBeenCalledTimes(3);
      const [known, unknown] = vi
        .mocked(scrypt)
        .mock.calls.slice(1)
        .map(([, , , cost]) => cost);
      expect(unknown).toEqual(known);
    });

    test('user removed, and made anew with another password → the old one is refused, without a hash while there is none', async () => {
      const { accounts, credentials } = await shop();
      await accounts.createUser({ account: 'shop', name: 'ann', password: 'password1' });
      expect(await credentials.authenticate(basic('ann', 'password1'))).toBeDefined();
      await accounts.removeUser('ann');
      vi.mocked(scrypt).mockClear();
      await untilRefused(credentials, basic('ann', 'password1'));
      expect(scrypt).not.toHaveBeenCalled();
      await accounts.createUser({ account: 'shop', name: 'ann', password: 'password2' });
      await pause(300);
      expect(await credentials.authenticate(basic('ann', 'password1'))).toBeUndefined();
      expect(await credentials.authenticate(basic('ann', 'password2'))).toBeDefined();
    });

    test('remembered password → forgotten after a while', async () => {
      const { accounts, credentials, clock } = await shop();
      await accounts.createUser({ account: 'shop', name: 'ann', password: 'password1' });
      vi.mocked(scrypt).mockClear();
      await credentials.authenticate(basic('ann', 'password1'));
      clock.advance(600_000);
      await credentials.authenticate(basic('ann', 'password1'));
      expect(scrypt).toHaveBeenCalledTimes(2);
    });

    test('more passwords at once than can wait → turned away as unavailable, the rest answered', async () => {
      const { credentials } = await shop();
      const running: (() => void)[] = [];
      const slow = (...given: readonly unknown[]) => {
        const done = given.at(-1);
        if (typeof done === 'function') running.push(() => done(null, Buffer.alloc(32)));
      };
      vi.mocked(scrypt).mockImplementation(slow);
      const headers = Array.from({ length: 80 }, (_, n) => basic('bob', `password${n}`));
      const answers = Promise.allSettled(headers.map(header => credentials.authenticate(header, asker)));
      let atOnceMax = 0;
      for (let checked = 0; checked < 2 + 64; ) {
        await pause(0);
        atOnceMax = Math.max(atOnceMax, running.length);
        for (const finish of running.splice(0)) {
          finish();
          checked++;
        }
      }
      const results = await answers;
      vi.mocked(scrypt).mockRestore();
      expect(atOnceMax).toBe(2);
      const failures = results.filter(result => result.status === 'rejected').map(({ reason }) => reason);
      expect(failures).toHaveLength(80 - 2 - 64);
      expect(failures[0]).toMatchObject({ name: 'Unavailable', retryAfterMs: 1000 });
      expect(results.filter(result => result.status === 'fulfilled').every(({ value }) => value === undefined)).toBe(
        true,
      );
    });
  });

  describe('Bearer', () => {
    test('client id and secret in each accepted form → a token with what the key may do', async () => {
      const { accounts, credentials } = await shop();
      const { key, info } = await accounts.createKey({
        account: 'shop',
        scopes: ['messenger:logs:write'],
        binding: { entityId: 'entity' },
      });
      const secret = key.split('_')[2] ?? '';
      for (const id of [info.id, `sentlog_${info.id}`])
        for (const given of [secret, key]) {
          const token = await credentials.issueToken(id, given);
          expect(token?.expiresInS).toBe(3600);
          expect(await credentials.authenticate(`bearer ${token?.accessToken}`)).toEqual({
            account: { id: expect.any(Number), name: 'shop', requestsPerMinute: 42 },
            scopes: ['messenger:logs:write'],
            binding: { entityId: 'entity' },
            by: { key: info.id },
          });
        }
    });

    test('a user name and its password → a token with what the user may do, until its time or the user’s end', async () => {
      const { accounts, credentials, clock } = await shop();
      const scopes = ['messenger:logs:read'] as const;
      await accounts.createUser({ account: 'shop', name: 'ann', password: 'password1', scopes });
      const issue = () => credentials.issueToken('ann', 'password1');
      const [timed, gone] = [await issue(), await issue()];
      expect(timed?.expiresInS).toBe(3600);
      const authorization = `Bearer ${timed?.accessToken}`;
      expect(await credentials.authenticate(authorization)).toMatchObject({ account: { name: 'shop' }, scopes });
      expect(await credentials.authenticate(`IBSSO ${timed?.accessToken}`)).toBeUndefined();
      expect(await credentials.endSession(timed?.accessToken ?? '')).toBe(false);
      clock.advance(3_600_000);
      expect(await credentials.authenticate(authorization)).toBeUndefined();
      clock.advance(-1);
      expect(await credentials.authenticate(`Bearer ${gone?.accessToken}`)).toBeDefined();
      await accounts.removeUser('ann');
      await untilRefused(credentials, `Bearer ${gone?.accessToken}`);
      expect(await credentials.issueToken('ann', 'password1')).toBeUndefined();
    });

    test('wrong secret, unknown client, the key of another client → no token', async () => {
      const { accounts, credentials, key, info } = await shop();
      const other = await accounts.createKey({ account: 'shop' });
      expect(await credentials.issueToken(info.id, 'A'.repeat(32))).toBeUndefined();
      expect(await credentials.issueToken('A'.repeat(12), key)).toBeUndefined();
      expect(await credentials.issueToken(info.id, other.key)).toBeUndefined();
      expect(await credentials.issueToken('', '')).toBeUndefined();
      expect(await credentials.issueToken(key, key)).toBeUndefined();
    });

    test('token → ends at its time, and never later than its key', async () => {
      const { accounts, credentials, clock, key, info } = await shop();
      const token = await credentials.issueToken(info.id, key);
      const brief = await accounts.createKey({ account: 'shop', expiresAt: clock.now() + 10_500 });
      const briefToken = await credentials.issueToken(brief.info.id, brief.key);
      expect(briefToken?.expiresInS).toBe(10);
      clock.advance(10_500);
      expect(await credentials.authenticate(`Bearer ${briefToken?.accessToken}`)).toBeUndefined();
      clock.advance(3_600_000 - 10_501);
      expect(await credentials.authenticate(`Bearer ${token?.accessToken}`)).toBeDefined();
      clock.advance(1);
      expect(await credentials.authenticate(`Bearer ${token?.accessToken}`)).toBeUndefined();
    });

    test('token of one kind used as the other → refused', async () => {
      const { accounts, credentials, key, info } = await shop();
      await accounts.createUser({ account: 'shop', name: 'ann', password: 'password1' });
      const token = await credentials.issueToken(info.id, key);
      const session = await credentials.createSession('ann', 'password1');
      expect(await credentials.authenticate(`IBSSO ${token?.accessToken}`)).toBeUndefined();
      expect(await credentials.authenticate(`Bearer ${session?.token}`)).toBeUndefined();
    });

    test('a token with every request → the newest thousand work, and no more are kept', async () => {
      const { credentials, byHand, key, info } = await shop();
      const first = await credentials.issueToken(info.id, key);
      // In small groups: of those asked for at once any may be the older one, and all of them wait for two connections.
      const rest: Awaited<ReturnType<typeof credentials.issueToken>>[] = [];
      for (const length of Array.from({ length: 210 }, () => 5))
        rest.push(...(await Promise.all(Array.from({ length }, () => credentials.issueToken(info.id, key)))));
      // Those that were kept at the same moment did not see each other.
      rest.push(await credentials.issueToken(info.id, key));
      expect(await byHand('SELECT id FROM access_token')).toHaveLength(1000);
      expect(await credentials.authenticate(`Bearer ${first?.accessToken}`)).toBeUndefined();
      expect(await credentials.authenticate(`Bearer ${rest[100]?.accessToken}`)).toBeDefined();
      expect(await credentials.authenticate(`Bearer ${rest.at(-1)?.accessToken}`)).toBeDefined();
    });
  });

  describe('IBSSO', () => {
    test('session → survives a restart, ends when it is ended and not before', async () => {
      const { accounts, credentials, restarted: restart } = await shop();
      const scopes = ['messenger:logs:read'] as const;
      await accounts.createUser({ account: 'shop', name: 'ann', password: 'password1', scopes });
      const session = await credentials.createSession('ann', 'password1');
      const restarted = restart();
      expect(await restarted.authenticate(`ibsso ${session?.token}`)).toMatchObject({
        account: { name: 'shop' },
        scopes: ['messenger:logs:read'],
      });
      expect(await credentials.endSession(session?.token ?? '')).toBe(true);
      expect(await credentials.authenticate(`IBSSO ${session?.token}`)).toBeUndefined();
      expect(await credentials.endSession(session?.token ?? '')).toBe(false);
      expect(await credentials.endSession('nonsense')).toBe(false);
    });

    test('session → ends at its time, and with its user', async () => {
      const { accounts, credentials, clock } = await shop();
      await accounts.createUser({ account: 'shop', name: 'ann', password: 'password1' });
      const old = await credentials.createSession('ann', 'password1');
      clock.advance(7_199_999);
      expect(await credentials.authenticate(`IBSSO ${old?.token}`)).toBeDefined();
      clock.advance(1);
      expect(await credentials.authenticate(`IBSSO ${old?.token}`)).toBeUndefined();
      const session = await credentials.createSession('ann', 'password1');
      expect(await credentials.authenticate(`IBSSO ${session?.token}`)).toBeDefined();
      await accounts.removeUser('ann');
      await untilRefused(credentials, `IBSSO ${session?.token}`);
    });

    test('wrong password or unknown user → no session', async () => {
      const { accounts, credentials } = await shop();
      await accounts.createUser({ account: 'shop', name: 'ann', password: 'password1' });
      expect(await credentials.createSession('ann', 'password2')).toBeUndefined();
      expect(await credentials.createSession('bob', 'password1')).toBeUndefined();
    });

    test('closed → what was asked before is kept, later requests are turned away', async () => {
      const { credentials, restarted: restart, key, info } = await shop();
      await credentials.authenticate(`App ${key}`);
      const asked = credentials.issueToken(info.id, key);
      await pause(0);
      const closed = credentials.close();
      const token = await asked;
      await closed;
      const restarted = restart();
      expect(await restarted.authenticate(`Bearer ${token?.accessToken}`)).toBeDefined();
      await expect(credentials.issueToken(info.id, key)).rejects.toMatchObject({ name: 'Unavailable' });
    });
  });
});
