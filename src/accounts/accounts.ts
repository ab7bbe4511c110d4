import { randomBytes } from 'node:crypto';
import type { AccountId, Binding, EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';
import type { Scope } from './authenticator.ts';
import { hashPassword } from './passwords.ts';
import {
  type Account,
  type AccountRows,
  AccountsError,
  type KeyInfo,
  type NewestAccounts,
  type NewKey,
  type UserInfo,
} from './rows.ts';
import { formatKey, hashSecret, newAccountId, newKey, newToken, parseKeyId } from './secrets.ts';

export type KeyRequest = {
  /** The account's name. */
  readonly account: string;
  /** `messenger:manage` when empty. */
  readonly scopes?: readonly Scope[];
  readonly binding?: Binding;
  readonly expiresAt?: EpochMs;
};

export type UserRequest = {
  /** The account's name. */
  readonly account: string;
  readonly name: string;
  /** One is made up when absent. */
  readonly password?: string;
  /** `messenger:manage` when empty. */
  readonly scopes?: readonly Scope[];
};

const accountNameCharsMax = 100;
const userNameCharsMax = 255;
const boundIdCharsMax = 255;
export const passwordCharsMin = 8;
const passwordCharsMax = 1024;
const requestsPerMinuteMax = 1_000_000;

/** Whether a key was revoked, or its time is over. */
export function hasEnded({ revokedAt, expiresAt = Infinity }: KeyInfo, now: EpochMs): boolean {
  return revokedAt !== undefined || expiresAt <= now;
}

/** The name of the account that a log begins with, whoever comes first, a server or a command. */
export const firstAccount = 'default';

/** Whether those who manage an account manage all accounts: it is the one that the operator's first key is of. */
export function isOperators(accountName: string): boolean {
  return accountName === firstAccount;
}

/**
 * Accounts, their keys and users, by the rules for them: what the commands change, also while servers run on the same
 * rows. Every method rejects with `AccountsError` for what the operator can put right. Closing it closes the rows.
 */
export class Accounts {
  readonly #rows: AccountRows;
  readonly #now: () => EpochMs;

  constructor(rows: AccountRows, now: () => EpochMs) {
    this.#rows = rows;
    this.#now = now;
  }

  close(): Promise<void> {
    return this.#rows.close();
  }

  async createAccount(name: string, requestsPerMinute?: number): Promise<Account> {
    const made = await this.#rows.addAccount(this.#newAccount(name, requestsPerMinute));
    if (made === undefined) throw new AccountsError(`there is already an account "${name}"`);
    return made;
  }

  /** As `createAccount`, with a first key that may do everything: both are made, or neither, so that no name is taken for nothing. */
  async createAccountWithKey(
    name: string,
    requestsPerMinute?: number,
  ): Promise<{ readonly account: Account; readonly key: string }> {
    const { key, row } = this.#newKey({});
    const account = await this.#rows.addAccount(this.#newAccount(name, requestsPerMinute), row);
    if (account === undefined) throw new AccountsError(`there is already an account "${name}"`);
    return { account, key };
  }

  /**
   * As `createAccount`, but where there is no account at all `firstAccount` is made before it, whose key the next start of a
   * server makes. `hasBegun` tells whether it was.
   */
  async createBesideFirst(
    name: string,
    requestsPerMinute?: number,
  ): Promise<{ readonly account: Account; readonly hasBegun: boolean }> {
    const asked = this.#newAccount(name, requestsPerMinute);
    const begun = await this.#rows.beginWith(name === firstAccount ? asked : this.#newAccount(firstAccount));
    if (begun?.name === name) return { account: begun, hasBegun: true };
    return { account: await this.createAccount(name, requestsPerMinute), hasBegun: begun !== undefined };
  }

  /**
   * Makes an account that has what a log holds of one that is not there any more, by the id that it had. Whoever has
   * this account reads all of that. `before` is called when nothing speaks against it, and before it is made.
   */
  async adoptAccount(name: string, id: AccountId, before: () => void = () => {}): Promise<Account> {
    const there = await this.accounts();
    const adopter = there.find(account => account.id === id);
    if (adopter !== undefined) throw new AccountsError(`account ${id} is there: it is "${adopter.name}"`);
    const account = { ...this.#newAccount(name), id };
    const taken = new AccountsError(`there is already an account "${name}": take another name`);
    if (there.some(one => one.name === name)) throw taken;
    before();
    const made = await this.#rows.addAccount(account);
    if (made === undefined) throw taken;
    return made;
  }

  /** `undefined` gives the account the server's setting back. */
  async setRequestsPerMinute(name: string, requestsPerMinute: number | undefined): Promise<void> {
    if (requestsPerMinute !== undefined) checkRequestsPerMinute(requestsPerMinute);
    const { id } = await this.account(name);
    await this.#rows.setRequestsPerMinute(id, requestsPerMinute);
  }

  /** In milliseconds; `undefined` gives the account the server's setting back. What is past then is gone. */
  async setRetention(name: string, retentionMs: number | undefined): Promise<void> {
    if (retentionMs !== undefined) checkRetention(retentionMs);
    const { id } = await this.account(name);
    await this.#rows.setRetention(id, retentionMs);
  }

  /** As `AccountRows.retentions`. */
  retentions(mayRemember = false): Promise<ReadonlyMap<AccountId, number>> {
    return this.#rows.retentions(mayRemember);
  }

  accounts(): Promise<readonly Account[]> {
    return this.#rows.accounts();
  }

  /** As `AccountRows.lacking`. */
  lacking(ids: readonly AccountId[]): Promise<readonly AccountId[]> {
    return this.#rows.lacking(ids);
  }

  /** As `AccountRows.newestAccounts`. */
  newestAccounts(count: number): Promise<NewestAccounts> {
    return this.#rows.newestAccounts(count);
  }

  /** The whole key is only ever known to the caller of this. */
  async createKey(request: KeyRequest): Promise<{ readonly key: string; readonly info: KeyInfo }> {
    const { id: account } = await this.account(request.account);
    const { key, row } = this.#newKey(request);
    await this.#rows.addKey(account, row);
    return { key, info: await this.#key(row.id) };
  }

  /** Of one account by its name, else of all; oldest first. */
  async keys(account?: string): Promise<readonly KeyInfo[]> {
    if (account !== undefined) await this.account(account);
    return this.#rows.keys(account);
  }

  /** By its id as `revokeKey`. From now on it sees and writes what its binding allows, all of the account where that is empty. */
  async bindKey(keyId: string, binding: Binding): Promise<KeyInfo> {
    const key = await this.#keyOf(keyId);
    if (hasEnded(key, this.#now())) throw new AccountsError(`key ${key.id} lets nobody in any more: make another`);
    checkBinding(binding);
    await this.#rows.bindKey(key.id, binding);
    return this.#key(key.id);
  }

  /** By its id, with or without `sentlog_` before it. Revoking it again changes nothing. */
  async revokeKey(keyId: string): Promise<KeyInfo> {
    const { id } = await this.#keyOf(keyId);
    await this.#rows.revokeKey(id, this.#now());
    return this.#key(id);
  }

  /** Of an account's keys that let nobody in any more, the oldest go when it has more than so many of all kinds. */
  async forgetEndedKeys(account: string, keysMax: number): Promise<void> {
    const keys = await this.keys(account);
    const ended = keys.filter(key => hasEnded(key, this.#now()));
    for (const { id } of ended.slice(0, Math.max(0, keys.length - keysMax))) await this.#rows.removeKey(id);
  }

  /** Gives the password back, since it may have been made up here. */
  async createUser(request: UserRequest): Promise<{ readonly password: string }> {
    const { account, name, password = newToken().slice(0, 24), scopes } = request;
    const { id } = await this.account(account);
    checkName('user', 'a', name, userNameCharsMax);
    if (name.includes(':')) throw new AccountsError('the name of a user cannot contain a colon', { of: 'name' });
    checkPassword(password);
    const user = { name, password: await hashPassword(password), scopes: granted(scopes), createdAt: this.#now() };
    if (!(await this.#rows.addUser(id, user))) throw new AccountsError(`there is already a user "${name}"`);
    return { password };
  }

  async users(account?: string): Promise<readonly UserInfo[]> {
    if (account !== undefined) await this.account(account);
    return this.#rows.users(account);
  }

  /** Ends the user's sessions too. */
  async removeUser(name: string): Promise<void> {
    if (!(await this.#rows.removeUser(name))) throw new AccountsError(`there is no user "${name}"`);
  }

  /**
   * Where there is no account at all, makes `firstAccount` with a key that may do everything; where a command made that and
   * nobody was given a key or a user since, the key alone.
   */
  async createFirstAccount(): Promise<{ readonly key: string } | undefined> {
    const { key, row } = this.#newKey({});
    return (await this.#rows.addFirst(this.#newAccount(firstAccount), row)) ? { key } : undefined;
  }

  /** Tells these accounts from all others, for as long as they last. */
  async identity(): Promise<string> {
    return Buffer.from(await this.secret('identity')).toString('hex');
  }

  /** A random number of 256 bits that stays the same for these accounts, made when first asked for. */
  secret(name: string): Promise<Uint8Array> {
    return this.#rows.secret(name, randomBytes(32));
  }

  #newAccount(name: string, requestsPerMinute?: number): Account {
    checkName('account', 'an', name, accountNameCharsMax);
    if (requestsPerMinute !== undefined) checkRequestsPerMinute(requestsPerMinute);
    const limit = requestsPerMinute !== undefined && { requestsPerMinute };
    return { id: newAccountId(), name, createdAt: this.#now(), ...limit };
  }

  #newKey({ scopes, binding = {}, expiresAt }: Omit<KeyRequest, 'account'>): { key: string; row: NewKey } {
    const createdAt = this.#now();
    if (expiresAt !== undefined && expiresAt <= createdAt)
      throw new AccountsError('a key cannot expire before it is made', { of: 'expires' });
    checkBinding(binding);
    const parts = newKey();
    const row = {
      id: parts.id,
      secretHash: hashSecret(parts.secret),
      scopes: granted(scopes),
      binding,
      createdAt,
      ...(expiresAt !== undefined && { expiresAt }),
    };
    return { key: formatKey(parts), row };
  }

  async account(name: string): Promise<Account> {
    const account = await this.#rows.account(name);
    if (account === undefined) throw new AccountsError(`there is no account "${name}"`, { of: 'account' });
    return account;
  }

  async #keyOf(keyId: string): Promise<KeyInfo> {
    const id = parseKeyId(keyId);
    if (id === undefined) throw new AccountsError(`"${keyId}" is not the id of a key`);
    return this.#key(id);
  }

  async #key(id: string): Promise<KeyInfo> {
    const key = await this.#rows.key(id);
    if (key === undefined) throw new AccountsError(`there is no key "${id}"`);
    return key;
  }
}

function granted(wanted: readonly Scope[] = []): readonly Scope[] {
  return wanted.length === 0 ? ['messenger:manage'] : [...new Set(wanted)];
}

function checkName(of: string, a: 'a' | 'an', name: string, charsMax: number): void {
  const what = `the name of ${a} ${of}`;
  if (name === '' || name.trim() !== name) throw new AccountsError(`${what} cannot be empty or padded`, { of });
  if (name.length > charsMax) throw new AccountsError(`${what} has at most ${charsMax} characters`, { of });
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name) || !name.isWellFormed())
    throw new AccountsError(`${what} cannot contain control characters`, { of });
}

function checkBinding({ applicationId, entityId }: Binding): void {
  if (applicationId !== undefined) checkName('application', 'an', applicationId, boundIdCharsMax);
  if (entityId !== undefined) checkName('entity', 'an', entityId, boundIdCharsMax);
}

function checkPassword(password: string): void {
  if (password.length < passwordCharsMin)
    throw new AccountsError(`a password has at least ${passwordCharsMin} characters`, { of: 'password' });
  if (password.length > passwordCharsMax)
    throw new AccountsError(`a password has at most ${passwordCharsMax} characters`, { of: 'password' });
  if (!password.isWellFormed()) throw new AccountsError('a password is text', { of: 'password' });
}

function checkRetention(retentionMs: number): void {
  const { retentionMsMin, retentionMsMax } = limits;
  if (!Number.isSafeInteger(retentionMs) || retentionMs < retentionMsMin || retentionMs > retentionMsMax)
    throw new AccountsError('messages are kept for 1 s to 3650 d', { of: 'retention' });
}

function checkRequestsPerMinute(requestsPerMinute: number): void {
  if (!Number.isSafeInteger(requestsPerMinute) || requestsPerMinute < 1 || requestsPerMinute > requestsPerMinuteMax)
    throw new AccountsError(`requests a minute are a whole number from 1 to ${requestsPerMinuteMax}`, {
      of: 'requestsPerMinute',
    });
}
