import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { basic, places } from './places.ts';

describe.each(places)('keys kept in $place', ({ start, stop, open }) => {
  beforeAll(start);
  afterAll(stop);

  test('bound otherwise, and to nothing → with its access tokens, within a second; one that was revoked stays as it is', async () => {
    const { accounts, credentials } = await open();
    await accounts.createAccount('shop');
    const { key, info } = await accounts.createKey({ account: 'shop' });
    const token = await credentials.issueToken(info.id, key);
    const seen = () =>
      Promise.all(
        [`App ${key}`, `Bearer ${token?.accessToken}`].map(async one => (await credentials.authenticate(one))?.binding),
      );
    for (const binding of [
      { applicationId: 'app' },
      { entityId: 'entity' },
      { applicationId: 'a', entityId: 'e' },
      {},
    ]) {
      expect(await accounts.bindKey(info.id, binding)).toMatchObject({ id: info.id, binding });
      await expect.poll(seen).toEqual([binding, binding]);
    }
    await expect(accounts.bindKey(info.id, { entityId: ' padded' })).rejects.toThrow('padded');
    await accounts.revokeKey(info.id);
    await expect(accounts.bindKey(info.id, { entityId: 'entity' })).rejects.toThrow('lets nobody in any more');
    expect(await accounts.keys('shop')).toContainEqual(expect.objectContaining({ id: info.id, binding: {} }));
  });

  test('whoever is let in → called by the key or user that proved it, whatever they showed', async () => {
    const { accounts, credentials } = await open();
    await accounts.createAccount('shop');
    const { key, info } = await accounts.createKey({ account: 'shop' });
    await accounts.createUser({ account: 'shop', name: 'ann', password: 'password1' });
    const byOf = async (authorization: string) => (await credentials.authenticate(authorization))?.by;
    const tokens = [await credentials.issueToken(info.id, key), await credentials.issueToken('ann', 'password1')];
    const session = await credentials.createSession('ann', 'password1');
    const shown = [`App ${key}`, `Bearer ${tokens[0]?.accessToken}`];
    expect(await Promise.all(shown.map(byOf))).toEqual([{ key: info.id }, { key: info.id }]);
    const users = [basic('ann', 'password1'), `Bearer ${tokens[1]?.accessToken}`, `IBSSO ${session?.token}`];
    expect(await Promise.all(users.map(byOf))).toEqual(users.map(() => ({ user: 'ann' })));
  });
});
