import type { AccountId, Binding, EpochMs } from '../domain/message.ts';
import { Refused } from '../failures.ts';
import { Slices } from '../slices.ts';
import { type Principal, type Scope, scopes } from './authenticator.ts';
import type { Use } from './uses.ts';

/** Retentions that are read in one piece: there may be as many as accounts. */
export const retentionsAtOnce = 1000;

/** All retentions, of pages that each give at most `retentionsAtOnce` in the order of their accounts. Gives way in between. */
export async function retentionsIn(
  page: (after: AccountId) => readonly Retention[] | Promise<readonly Retention[]>,
): Promise<ReadonlyMap<AccountId, number>> {
  const own = new Map<AccountId, number>();
  const slices = new Slices();
  for (let after = Number.MIN_SAFE_INTEGER; ; ) {
    const retentions = await page(after);
    for (const [account, keptMs] of retentions) own.set(account, keptMs);
    const last = retentions.at(-1);
    if (last === undefined || retentions.length < retentionsAtOnce) return own;
    [after] = last;
    const pause = slices.pause();
    if (pause !== undefined) await pause;
  }
}

type Retention = readonly [account: AccountId, keptMs: number];

/** Something the operator can put right; `message` is one line that says what. */
export class AccountsError extends Refused {
  override name = 'AccountsError';
}

export type Account = {
  readonly id: AccountId;
  readonly name: string;
  /** Requests a minute to the log; the server's setting holds when absent. */
  readonly requestsPerMinute?: number;
  /** How long its messages are kept, in milliseconds; the server's setting holds when absent. */
  readonly retentionMs?: number;
  readonly createdAt: EpochMs;
};

/** How often it has let somebody in, as of some seconds ago. */
export type Used = { readonly uses: number; readonly lastUsedAt?: EpochMs };

/** A key as it may be shown: its secret is not kept. */
export type KeyInfo = {
  readonly id: string;
  /** The account's name. */
  readonly account: string;
  readonly scopes: readonly Scope[];
  readonly binding: Binding;
  readonly createdAt: EpochMs;
  readonly expiresAt?: EpochMs;
  readonly revokedAt?: EpochMs;
} & Used;

export type UserInfo = {
  readonly name: string;
  /** The account's name. */
  readonly account: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: EpochMs;
} & Used;

export type NewAccount = Account;

export type NewKey = {
  readonly id: string;
  readonly secretHash: Uint8Array;
  readonly scopes: readonly Scope[];
  readonly binding: Binding;
  readonly createdAt: EpochMs;
  readonly expiresAt?: EpochMs;
};

export type NewUser = {
  readonly name: string;
  /** As `hashPassword` gives it. */
  readonly password: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: EpochMs;
};

export type NewestAccounts = { readonly accounts: readonly Account[]; readonly total: number };

/** Kept beside the secrets from `beginWith` until somebody is given a key or a user. */
export const firstKeyIsOwed = 'first key is owed';

/**
 * Where accounts, keys and users are kept, for the commands that change them; several processes may do so at once. It
 * keeps what it is given: the rules are those of `Accounts`.
 */
export interface AccountRows {
  /** With its first key, if one is given, or neither. `undefined` when the name is taken. */
  addAccount(account: NewAccount, key?: NewKey): Promise<Account | undefined>;
  account(name: string): Promise<Account | undefined>;
  /** Oldest first. */
  accounts(): Promise<readonly Account[]>;
  /** Which of these are not there. */
  lacking(ids: readonly AccountId[]): Promise<readonly AccountId[]>;
  /** So many at most, the newest first, and how many there are. */
  newestAccounts(count: number): Promise<NewestAccounts>;
  setRequestsPerMinute(account: AccountId, requestsPerMinute: number | undefined): Promise<void>;
  setRetention(account: AccountId, retentionMs: number | undefined): Promise<void>;
  /**
   * Of the accounts that have one of their own, in milliseconds. `mayRemember`: as they were when they were last read,
   * unless something tells of a change; a program of before, or a hand, may have made one that nothing tells of.
   */
  retentions(mayRemember?: boolean): Promise<ReadonlyMap<AccountId, number>>;
  addKey(account: AccountId, key: NewKey): Promise<void>;
  key(id: string): Promise<KeyInfo | undefined>;
  /** Of one account by its name, else of all; oldest first. */
  keys(account?: string): Promise<readonly KeyInfo[]>;
  /** What the key sees and writes from now on, its access tokens as well. */
  bindKey(id: string, binding: Binding): Promise<void>;
  /** Ends the key's access tokens too. The moment of an earlier revocation stays. */
  revokeKey(id: string, at: EpochMs): Promise<void>;
  /** As if it had never been. */
  removeKey(id: string): Promise<void>;
  /** `false` when the name is taken, by a user of any account. */
  addUser(account: AccountId, user: NewUser): Promise<boolean>;
  /** Of one account by its name, else of all; oldest first. */
  users(account?: string): Promise<readonly UserInfo[]>;
  /** Ends the user's sessions too; `false` when there is no such user. */
  removeUser(name: string): Promise<boolean>;
  /**
   * Adds the account if there is none at all, and notes that its first key is to be made: the first key or user that anybody
   * is given ends that. `undefined` when there are accounts.
   */
  beginWith(account: NewAccount): Promise<Account | undefined>;
  /**
   * Adds the account if there is none at all, with the key; else only the key, to the account that was begun with and where
   * nobody has been given a key or a user since. Tells whether it added the key: to one of all who call it at once.
   */
  addFirst(account: NewAccount, key: NewKey): Promise<boolean>;
  /** What is kept under the name: `made` if nothing was before. */
  secret(name: string, made: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

export type StoredKey = {
  readonly principal: Principal;
  readonly secretHash: Uint8Array;
  readonly expiresAt?: EpochMs;
  readonly revokedAt?: EpochMs;
};
export type StoredUser = { readonly id: number; readonly principal: Principal; readonly password: string };
export type StoredToken = { readonly keyId: string; readonly expiresAt: EpochMs };
export type StoredSession = {
  readonly userId: number;
  readonly username: string;
  readonly principal: Principal;
  readonly expiresAt: EpochMs;
};

/** A session or an access token to be kept; only the hash of the token is. */
export type Grant =
  | { readonly kind: 'session'; readonly tokenHash: Uint8Array; readonly userId: number; readonly expiresAt: EpochMs }
  | {
      readonly kind: 'access_token';
      readonly tokenHash: Uint8Array;
      readonly keyId: string;
      readonly expiresAt: EpochMs;
    };

/** A client that asks for a token with every request fills no disk: its oldest tokens go. */
export const grantsPerOwnerMax = 1000;

/**
 * What callers are proven by, for a server; other processes may change it meanwhile. Calls reject with `Unavailable`
 * when it cannot be read or kept now.
 */
export interface CredentialRows {
  key(id: string): Promise<StoredKey | undefined>;
  user(name: string): Promise<StoredUser | undefined>;
  token(tokenHash: Uint8Array): Promise<StoredToken | undefined>;
  session(tokenHash: Uint8Array): Promise<StoredSession | undefined>;
  /** Durable when it resolves; `false` when the grant's user or key is gone by now. */
  keep(grant: Grant, now: EpochMs): Promise<boolean>;
  /** `false` when there was no such session. */
  endSession(tokenHash: Uint8Array): Promise<boolean>;
  /** Adds to what is kept of those that are still there. */
  used(uses: readonly Use[]): Promise<void>;
  /** Finishes what was asked for. */
  close(): Promise<void>;
}

/** As one text, in a column. */
export function writeScopes(granted: readonly Scope[]): string {
  return granted.join(' ');
}

export function readScopes(stored: string): readonly Scope[] {
  const granted = stored.split(' ');
  return scopes.filter(scope => granted.includes(scope));
}
