import { isDeepStrictEqual } from 'node:util';
import { hasEnded, isOperators } from '../../accounts/accounts.ts';
import type { Principal } from '../../accounts/authenticator.ts';
import { type Account, AccountsError, type KeyInfo, type UserInfo } from '../../accounts/rows.ts';
import { limits } from '../../limits.ts';
import { formatDateTime } from '../../wire/date-time.ts';
import { present } from '../../wire/present.ts';
import {
  keyBindingSchema,
  newAccountSchema,
  newKeySchema,
  newUserSchema,
  type ShownKey,
  type ShownUser,
} from '../document/management-schemas.ts';
import { ApiError } from '../errors.ts';
import type { ManagedAccounts } from '../parts.ts';
import type { Route } from '../route.ts';
import { type Managing, type ManagingDeps, managed } from './managing.ts';

const dayMs = 86_400_000;

/** `/manage/1/account`, `…/accounts`, `…/keys…`, `…/users…`: who may use an account, and which accounts there are. */
export function accessRoutes(accounts: ManagedAccounts, now: () => number, deps: ManagingDeps): readonly Route[] {
  return [...accountRoutes(accounts, deps), ...keyRoutes(accounts, now, deps), ...userRoutes(accounts, deps)];
}

/** Others do not learn which accounts there are, nor by a name that is taken. */
function operatorsOnly({ accountName }: Managing): void {
  if (!isOperators(accountName)) throw new ApiError('E403');
}

function accountRoutes(accounts: ManagedAccounts, deps: ManagingDeps): readonly Route[] {
  return [
    managed('GET', '/manage/1/accounts', deps, async managing => {
      operatorsOnly(managing);
      const { accounts: shown, total } = await accounts.newestAccounts(limits.managedAccountsMax);
      return { accounts: shown.map(shownAccount), more: total - shown.length };
    }),
    managed('POST', '/manage/1/accounts', deps, async managing => {
      operatorsOnly(managing);
      const { name, requestsPerMinute } = await managing.body(newAccountSchema);
      if ((await accounts.newestAccounts(0)).total >= limits.managedAccountsMax)
        throw new AccountsError(
          `there are ${limits.managedAccountsMax} accounts: further ones are made where the server runs`,
        );
      const { account, key } = await accounts.createAccountWithKey(name, requestsPerMinute);
      return { key, ...shownAccount(account) };
    }),
    managed('GET', '/manage/1/account', deps, async ({ accountName, by }) => {
      const account = await accounts.account(accountName);
      const [keys, users] = [await accounts.keys(accountName), await accounts.users(accountName)];
      return {
        ...shownAccount(account),
        keys: keys.map(key => ({ ...shownKey(key), ...own(by, { key: key.id }) })),
        users: users.map(user => ({ ...shownUser(user), ...own(by, { user: user.name }) })),
      };
    }),
  ];
}

/** What the call was made with. Whoever takes that away, or binds it, is shut out. */
function own(by: Principal['by'], one: NonNullable<Principal['by']>): { readonly isYours?: true } {
  return isDeepStrictEqual(by, one) ? { isYours: true } : {};
}

function keyRoutes(accounts: ManagedAccounts, now: () => number, deps: ManagingDeps): readonly Route[] {
  const ownKey = async ({ accountName, named }: Managing) => {
    const found = (await accounts.keys(accountName)).find(({ id }) => id === named('id'));
    if (found === undefined) throw new ApiError('E404');
    return found;
  };
  return [
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
    managed('POST', '/manage/1/keys/:id/binding', deps, async managing => {
      const binding = await managing.body(keyBindingSchema);
      const { id } = await ownKey(managing);
      return shownKey(await accounts.bindKey(id, binding));
    }),
    managed('DELETE', '/manage/1/keys/:id', deps, async managing => {
      const { id } = await ownKey(managing);
      await accounts.revokeKey(id);
      return undefined;
    }),
  ];
}

function userRoutes(accounts: ManagedAccounts, deps: ManagingDeps): readonly Route[] {
  return [
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

function shownAccount({ name, createdAt, requestsPerMinute }: Account) {
  return { name, createdAt: formatDateTime(createdAt), ...present({ requestsPerMinute }) };
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
