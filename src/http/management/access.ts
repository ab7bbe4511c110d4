import { hasEnded } from '../../accounts/accounts.ts';
import { AccountsError, type KeyInfo, type UserInfo } from '../../accounts/rows.ts';
import { limits } from '../../limits.ts';
import { formatDateTime } from '../../wire/date-time.ts';
import { present } from '../../wire/present.ts';
import { newKeySchema, newUserSchema, type ShownKey, type ShownUser } from '../document/management-schemas.ts';
import { ApiError } from '../errors.ts';
import type { ManagedAccounts } from '../parts.ts';
import type { Route } from '../route.ts';
import { type ManagingDeps, managed } from './managing.ts';

const dayMs = 86_400_000;

/** `/manage/1/account`, `…/keys…`, `…/users…`: who may use an account. Accounts themselves are made by commands alone. */
export function accessRoutes(accounts: ManagedAccounts, now: () => number, deps: ManagingDeps): readonly Route[] {
  return [
    managed('GET', '/manage/1/account', deps, async ({ accountName }) => {
      const { name, createdAt, requestsPerMinute } = await accounts.account(accountName);
      const [keys, users] = [await accounts.keys(name), await accounts.users(name)];
      return {
        name,
        createdAt: formatDateTime(createdAt),
        ...present({ requestsPerMinute }),
        keys: keys.map(shownKey),
        users: users.map(shownUser),
      };
    }),
    managed('POST', '/manage/1/keys', deps, async ({ accountName, body }) => {
      const { scopes, applicationId, entityId, expiresInDays } = await body(newKeySchema);
      const live = (await accounts.keys(accountName)).filter(key => !hasEnded(key, now()));
      if (live.length >= limits.managedKeysMax)
        throw new AccountsError(`the account has ${limits.managedKeysMax} keys: further ones are made by the operator`);
      await accounts.forgetEndedKeys(accountName, limits.managedKeysMax - 1);
      const expiresAt = expiresInDays === undefined ? undefined : now() + expiresInDays * dayMs;
      const { key, info } = await accounts.createKey({
        account: accountName,
        binding: present({ applicationId, entityId }),
        ...present({ scopes, expiresAt }),
      });
      return { key, ...shownKey(info) };
    }),
    managed('DELETE', '/manage/1/keys/:id', deps, async ({ accountName, named }) => {
      const own = (await accounts.keys(accountName)).find(({ id }) => id === named('id'));
      if (own === undefined) throw new ApiError('E404');
      await accounts.revokeKey(own.id);
      return undefined;
    }),
    managed('POST', '/manage/1/users', deps, async ({ accountName, body }) => {
      const { name: local, password: given, scopes } = await body(newUserSchema);
      if ((await accounts.users(accountName)).length >= limits.managedUsersMax)
        throw new AccountsError(
          `the account has ${limits.managedUsersMax} users: further ones are made by the operator`,
        );
      const name = userName(local, accountName);
      const request = { account: accountName, name, ...present({ password: given, scopes }) };
      const { password } = await accounts.createUser(request);
      const made = (await accounts.users(accountName)).find(one => one.name === name);
      if (made === undefined) throw new ApiError('E404');
      return { ...(given === undefined && { password }), ...shownUser(made) };
    }),
    managed('DELETE', '/manage/1/users/:name', deps, async ({ accountName, named }) => {
      const own = (await accounts.users(accountName)).find(({ name }) => name === named('name'));
      if (own === undefined) throw new ApiError('E404');
      await accounts.removeUser(own.name);
      return undefined;
    }),
  ];
}

/** All users of a server have names of their own: one that was taken would tell of another account's user. */
function userName(local: string, accountName: string): string {
  return `${local}@${accountName}`;
}

function shownKey({ account: _, binding, createdAt, expiresAt, revokedAt, lastUsedAt, ...key }: KeyInfo): ShownKey {
  return {
    ...key,
    scopes: [...key.scopes],
    ...binding,
    createdAt: formatDateTime(createdAt),
    ...present({ expiresAt: date(expiresAt), revokedAt: date(revokedAt), lastUsedAt: date(lastUsedAt) }),
  };
}

function shownUser({ account: _, createdAt, lastUsedAt, ...user }: UserInfo): ShownUser {
  return {
    ...user,
    scopes: [...user.scopes],
    createdAt: formatDateTime(createdAt),
    ...present({ lastUsedAt: date(lastUsedAt) }),
  };
}

function date(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : formatDateTime(ms);
}
