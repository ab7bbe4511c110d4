import { expect, test } from 'vitest';
import { Credentials } from '../../src/accounts/credentials.ts';
import { hashPassword } from '../../src/accounts/passwords.ts';
import { RowCache } from '../../src/accounts/row-cache.ts';
import type { CredentialRows } from '../../src/accounts/rows.ts';
import { formatKey, hashSecret, newKey } from '../../src/accounts/secrets.ts';
import { Unavailable } from '../../src/failures.ts';
import { basic } from './places.ts';

test('a row → read once for all who ask within a quarter of a second, and again after it', async () => {
  let [nowMs, reads] = [0, 0];
  const cache = new RowCache<number>(
    10,
    async () => ++reads,
    () => nowMs,
  );
  expect(await Promise.all([cache.get('a'), cache.get('a')])).toEqual([1, 1]);
  nowMs = 249;
  expect(await cache.get('a')).toBe(1);
  nowMs = 250;
  expect(await cache.get('a')).toBe(2);
  cache.forget('a');
  expect(await cache.get('a')).toBe(3);
});

test('a row that takes long to be read → as old as the question for it', async () => {
  let [nowMs, reads] = [0, 0];
  const slow = async () => {
    nowMs += 200;
    return ++reads;
  };
  const cache = new RowCache<number>(10, slow, () => nowMs);
  await cache.get('a');
  nowMs += 60;
  expect(await cache.get('a')).toBe(2);
});

test('what is not there → looked for each time; more rows than may be kept → the oldest goes', async () => {
  const asked: string[] = [];
  const read = async (key: string) => {
    asked.push(key);
    return key.startsWith('no') ? undefined : key;
  };
  const cache = new RowCache<string>(2, read, () => 0);
  for (const key of ['none', 'none', 'a', 'b', 'c', 'c', 'a']) await cache.get(key);
  expect(asked).toEqual(['none', 'none', 'a', 'b', 'c', 'a']);
});

test('the rows away → nothing old is taken for new', async () => {
  let nowMs = 0;
  const cache = new RowCache<string>(
    10,
    async () => {
      if (nowMs > 0) throw new Unavailable('away');
      return 'row';
    },
    () => nowMs,
  );
  await cache.get('a');
  nowMs = 1000;
  await expect(cache.get('a')).rejects.toThrow(Unavailable);
});

test('a wrong secret of a key or user in use → as many looks at the rows as one that is not there', async () => {
  let looks = 0;
  const { id, secret } = newKey();
  const principal = { account: { id: 1, name: 'shop' }, scopes: ['messenger:manage'], binding: {} } as const;
  const password = await hashPassword('password1');
  const found = async <T>(value: T | undefined) => {
    looks++;
    return value;
  };
  const rows: CredentialRows = {
    key: asked => found(asked === id ? { principal, secretHash: hashSecret(secret) } : undefined),
    user: name => found(name === 'ann' ? { id: 1, principal, password } : undefined),
    token: () => found(undefined),
    session: () => found(undefined),
    keep: async () => true,
    endSession: async () => true,
    used: async () => {},
    close: async () => {},
  };
  const credentials = new Credentials(rows, { now: Date.now, tokenTtlMs: 1000, sessionTtlMs: 1000 });
  const looksFor = async (right: string, tried: string) => {
    expect(await credentials.authenticate(right)).toBeDefined();
    const before = looks;
    expect(await credentials.authenticate(tried)).toBeUndefined();
    return looks - before;
  };
  const right = `App ${formatKey({ id, secret })}`;
  expect(await looksFor(right, `App ${formatKey({ id, secret: 'A'.repeat(32) })}`)).toBe(1);
  expect(await looksFor(right, `App ${formatKey({ id: 'A'.repeat(12), secret })}`)).toBe(1);
  const user = basic('ann', 'password1');
  expect(await looksFor(user, basic('ann', 'password2'))).toBe(1);
  expect(await looksFor(user, basic('bob', 'password1'))).toBe(1);
});
