import { isDeepStrictEqual } from 'node:util';
import type { AccountId } from '../domain/message.ts';
import type { AccountRows, CredentialRows, KeyInfo, UserInfo } from './rows.ts';
import { newAccountId } from './secrets.ts';

/** Where accounts are kept, whole. */
export type AccountPlace = { readonly rows: AccountRows; readonly credentials: CredentialRows };

export type CopiedAccounts = {
  /** The account in the target, for one of the source. */
  readonly accountOf: ReadonlyMap<AccountId, AccountId>;
  /** What the target has otherwise, and keeps: a line each. */
  readonly differences: readonly string[];
};

/**
 * Adds the accounts, keys and users of one place to another, with their secrets as they are kept; sessions and access
 * tokens stay behind. An account is the one that has its name. What is there with another secret or account is left
 * alone, but a key that was revoked is revoked there too.
 */
export async function copyAccounts(from: AccountPlace, to: AccountPlace): Promise<CopiedAccounts> {
  const accountOf = new Map<AccountId, AccountId>();
  const differences: string[] = [];
  for (const { id, ...account } of await from.rows.accounts()) {
    const there =
      (await to.rows.addAccount({ ...account, id: newAccountId() })) ?? (await to.rows.account(account.name));
    if (there === undefined) throw new Error(`the account "${account.name}" is neither there nor can it be added`);
    accountOf.set(id, there.id);
    for (const key of await from.rows.keys(account.name))
      if (!(await copyKey(key, there.id, from, to)))
        differences.push(`key ${key.id} has another secret, account or limits in the target`);
    for (const user of await from.rows.users(account.name))
      if (!(await copyUser(user, there.id, from, to)))
        differences.push(`user ${user.name} has another password, account or scopes in the target`);
  }
  return { accountOf, differences };
}

/** Whether the key is there as it was. */
async function copyKey({ id, createdAt }: KeyInfo, account: AccountId, from: AccountPlace, to: AccountPlace) {
  const kept = await from.credentials.key(id);
  if (kept === undefined) throw new Error(`key ${id} was removed meanwhile`);
  const { principal, secretHash, expiresAt, revokedAt } = kept;
  const { scopes, binding } = principal;
  const expiry = expiresAt !== undefined && { expiresAt };
  if ((await to.rows.key(id)) === undefined)
    await to.rows.addKey(account, { id, secretHash, scopes, binding, createdAt, ...expiry });
  const there = await to.credentials.key(id);
  const isSame =
    there !== undefined &&
    there.principal.account.id === account &&
    there.expiresAt === expiresAt &&
    Buffer.compare(there.secretHash, secretHash) === 0 &&
    isDeepStrictEqual([there.principal.scopes, there.principal.binding], [scopes, binding]);
  if (isSame && revokedAt !== undefined) await to.rows.revokeKey(id, revokedAt);
  return isSame;
}

/** Whether the user is there as they were. */
async function copyUser(
  { name, scopes, createdAt }: UserInfo,
  account: AccountId,
  from: AccountPlace,
  to: AccountPlace,
) {
  const kept = await from.credentials.user(name);
  if (kept === undefined) throw new Error(`user ${name} was removed meanwhile`);
  const { password } = kept;
  if (await to.rows.addUser(account, { name, password, scopes, createdAt })) return true;
  const there = await to.credentials.user(name);
  return (
    there !== undefined &&
    there.principal.account.id === account &&
    there.password === password &&
    isDeepStrictEqual(there.principal.scopes, scopes)
  );
}
