import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import type { AccountId, Binding, EpochMs } from '../domain/message.ts';
import { AccountsError, openAccountsFile, transact } from './accounts-file.ts';
import { type Scope, scopes } from './authenticator.ts';
import { hashPassword } from './passwords.ts';
import { blob, integer, optionalInteger, optionalText, type Row, text } from './row.ts';
import { formatKey, hashSecret, newKey, newToken, parseKeyId } from './secrets.ts';

export type Account = {
  readonly id: AccountId;
  readonly name: string;
  /** Requests a minute to the log; the server's setting holds when absent. */
  readonly requestsPerMinute?: number;
  readonly createdAt: EpochMs;
};

/** A key as it may be shown: its secret is not kept. */
export type KeyInfo = {
  readonly id: string;
  readonly account: string;
  readonly scopes: readonly Scope[];
  readonly binding: Binding;
  readonly createdAt: EpochMs;
  readonly expiresAt?: EpochMs;
  readonly revokedAt?: EpochMs;
};

export type KeyRequest = {
  /** The account's name. */
  readonly account: string;
  /** `messenger:manage` when empty. */
  readonly scopes?: readonly Scope[];
  readonly binding?: Binding;
  readonly expiresAt?: EpochMs;
};

export type UserInfo = {
  readonly name: string;
  readonly account: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: EpochMs;
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
const passwordCharsMin = 8;
const passwordCharsMax = 1024;
const requestsPerMinuteMax = 1_000_000;

/**
 * The accounts of a data folder, their keys and users: what the commands change, also while a server runs on the same
 * folder. Every method throws `AccountsError` for what the operator can put right.
 */
export class Accounts {
  readonly #db: DatabaseSync;
  readonly #now: () => EpochMs;

  constructor(path: string, now: () => EpochMs) {
    this.#db = openAccountsFile(path);
    this.#now = now;
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  createAccount(name: string, requestsPerMinute?: number): Account {
    checkName('an account', name, accountNameCharsMax);
    if (requestsPerMinute !== undefined) checkRequestsPerMinute(requestsPerMinute);
    const row = refuseTaken(`an account "${name}"`, () =>
      this.#db
        .prepare('INSERT INTO account (name, requests_per_minute, created_at) VALUES (?, ?, ?) RETURNING *')
        .get(name, requestsPerMinute ?? null, this.#now()),
    );
    return readAccount(row);
  }

  /** `undefined` gives the account the server's setting back. */
  setRequestsPerMinute(name: string, requestsPerMinute: number | undefined): void {
    if (requestsPerMinute !== undefined) checkRequestsPerMinute(requestsPerMinute);
    const { id } = this.#account(name);
    this.#db.prepare('UPDATE account SET requests_per_minute = ? WHERE id = ?').run(requestsPerMinute ?? null, id);
  }

  accounts(): readonly Account[] {
    return this.#db.prepare('SELECT * FROM account ORDER BY id').all().map(readAccount);
  }

  /** The whole key is only ever known to the caller of this. */
  createKey(request: KeyRequest): { readonly key: string; readonly info: KeyInfo } {
    const { id: accountId } = this.#account(request.account);
    if (request.expiresAt !== undefined && request.expiresAt <= this.#now())
      throw new AccountsError('a key cannot expire before it is made');
    const { applicationId, entityId } = request.binding ?? {};
    if (applicationId !== undefined) checkName('an application', applicationId, boundIdCharsMax);
    if (entityId !== undefined) checkName('an entity', entityId, boundIdCharsMax);
    const parts = newKey();
    this.#db
      .prepare(
        `INSERT INTO api_key (id, account_id, secret_hash, scopes, application_id, entity_id, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        parts.id,
        accountId,
        hashSecret(parts.secret),
        writeScopes(request.scopes),
        applicationId ?? null,
        entityId ?? null,
        this.#now(),
        request.expiresAt ?? null,
      );
    return { key: formatKey(parts), info: this.#key(parts.id) };
  }

  /** Of one account by its name, else of all; oldest first. */
  keys(account?: string): readonly KeyInfo[] {
    if (account !== undefined) this.#account(account);
    return this.#db
      .prepare(`${selectKeys} WHERE ?1 IS NULL OR account.name = ?1 ORDER BY api_key.created_at, api_key.id`)
      .all(account ?? null)
      .map(readKey);
  }

  /** By its id, with or without `sentlog_` before it. Revoking it again changes nothing. */
  revokeKey(keyId: string): KeyInfo {
    const id = parseKeyId(keyId);
    if (id === undefined) throw new AccountsError(`"${keyId}" is not the id of a key`);
    this.#key(id);
    transact(this.#db, () => {
      this.#db.prepare('UPDATE api_key SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?').run(this.#now(), id);
      this.#db.prepare('DELETE FROM access_token WHERE key_id = ?').run(id);
    });
    return this.#key(id);
  }

  /** Gives the password back, since it may have been made up here. */
  async createUser(request: UserRequest): Promise<{ readonly password: string }> {
    const { id: accountId } = this.#account(request.account);
    checkName('a user', request.name, userNameCharsMax);
    if (request.name.includes(':')) throw new AccountsError('the name of a user cannot contain a colon');
    const password = request.password ?? newToken().slice(0, 24);
    checkPassword(password);
    const stored = await hashPassword(password);
    refuseTaken(`a user "${request.name}"`, () =>
      this.#db
        .prepare(
          'INSERT INTO user (account_id, name, password, scopes, created_at) VALUES (?, ?, ?, ?, ?) RETURNING id',
        )
        .get(accountId, request.name, stored, writeScopes(request.scopes), this.#now()),
    );
    return { password };
  }

  users(account?: string): readonly UserInfo[] {
    if (account !== undefined) this.#account(account);
    return this.#db
      .prepare(
        `SELECT user.name, account.name AS account, user.scopes, user.created_at
         FROM user JOIN account ON account.id = user.account_id
         WHERE ?1 IS NULL OR account.name = ?1 ORDER BY user.id`,
      )
      .all(account ?? null)
      .map(readUser);
  }

  /** Ends the user's sessions too. */
  removeUser(name: string): void {
    const { changes } = this.#db.prepare('DELETE FROM user WHERE name = ?').run(name);
    if (Number(changes) === 0) throw new AccountsError(`there is no user "${name}"`);
  }

  /** On a file without any account: makes `name` and a key that may do everything. */
  createFirstAccount(name: string): { readonly key: string } | undefined {
    return transact(this.#db, () => {
      if (this.#db.prepare('SELECT 1 FROM account').get() !== undefined) return undefined;
      this.createAccount(name);
      return { key: this.createKey({ account: name }).key };
    });
  }

  /** A random number of 256 bits that stays the same for this file, made when first asked for. */
  secret(name: string): Uint8Array {
    this.#db.prepare('INSERT OR IGNORE INTO secret (name, value) VALUES (?, ?)').run(name, randomBytes(32));
    const row = this.#db.prepare('SELECT value FROM secret WHERE name = ?').get(name);
    return blob(row ?? {}, 'value');
  }

  #account(name: string): Account {
    const row = this.#db.prepare('SELECT * FROM account WHERE name = ?').get(name);
    if (row === undefined) throw new AccountsError(`there is no account "${name}"`);
    return readAccount(row);
  }

  #key(id: string): KeyInfo {
    const row = this.#db.prepare(`${selectKeys} WHERE api_key.id = ?`).get(id);
    if (row === undefined) throw new AccountsError(`there is no key "${id}"`);
    return readKey(row);
  }
}

const selectKeys = `
  SELECT api_key.id, account.name AS account, api_key.scopes, api_key.application_id, api_key.entity_id,
         api_key.created_at, api_key.expires_at, api_key.revoked_at
  FROM api_key JOIN account ON account.id = api_key.account_id`;

function readAccount(row: Row): Account {
  const requestsPerMinute = optionalInteger(row, 'requests_per_minute');
  return {
    id: integer(row, 'id'),
    name: text(row, 'name'),
    ...(requestsPerMinute !== undefined && { requestsPerMinute }),
    createdAt: integer(row, 'created_at'),
  };
}

function readKey(row: Row): KeyInfo {
  const expiresAt = optionalInteger(row, 'expires_at');
  const revokedAt = optionalInteger(row, 'revoked_at');
  return {
    id: text(row, 'id'),
    account: text(row, 'account'),
    scopes: readScopes(row),
    binding: readBinding(row),
    createdAt: integer(row, 'created_at'),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(revokedAt !== undefined && { revokedAt }),
  };
}

function readUser(row: Row): UserInfo {
  return {
    name: text(row, 'name'),
    account: text(row, 'account'),
    scopes: readScopes(row),
    createdAt: integer(row, 'created_at'),
  };
}

export function readBinding(row: Row): Binding {
  const applicationId = optionalText(row, 'application_id');
  const entityId = optionalText(row, 'entity_id');
  return { ...(applicationId !== undefined && { applicationId }), ...(entityId !== undefined && { entityId }) };
}

export function readScopes(row: Row): readonly Scope[] {
  const stored = text(row, 'scopes').split(' ');
  return scopes.filter(scope => stored.includes(scope));
}

function writeScopes(wanted: readonly Scope[] = []): string {
  return (wanted.length === 0 ? ['messenger:manage'] : [...new Set(wanted)]).join(' ');
}

function refuseTaken(what: string, insert: () => Row | undefined): Row {
  try {
    const row = insert();
    if (row === undefined) throw new Error(`${what} was stored but not returned`);
    return row;
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('UNIQUE constraint failed'))
      throw new AccountsError(`there is already ${what}`, { cause: error });
    throw error;
  }
}

function checkName(what: string, name: string, charsMax: number): void {
  if (name === '' || name.trim() !== name) throw new AccountsError(`the name of ${what} cannot be empty or padded`);
  if (name.length > charsMax) throw new AccountsError(`the name of ${what} has at most ${charsMax} characters`);
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name) || !name.isWellFormed())
    throw new AccountsError(`the name of ${what} cannot contain control characters`);
}

function checkPassword(password: string): void {
  if (password.length < passwordCharsMin)
    throw new AccountsError(`a password has at least ${passwordCharsMin} characters`);
  if (password.length > passwordCharsMax)
    throw new AccountsError(`a password has at most ${passwordCharsMax} characters`);
  if (!password.isWellFormed()) throw new AccountsError('a password is text');
}

function checkRequestsPerMinute(requestsPerMinute: number): void {
  if (!Number.isSafeInteger(requestsPerMinute) || requestsPerMinute < 1 || requestsPerMinute > requestsPerMinuteMax)
    throw new AccountsError(`requests a minute are a whole number from 1 to ${requestsPerMinuteMax}`);
}
