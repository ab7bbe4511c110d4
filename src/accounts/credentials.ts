import type { DatabaseSync } from 'node:sqlite';
import type { EpochMs } from '../domain/message.ts';
import { readBinding, readScopes } from './accounts.ts';
import { openForReading } from './accounts-file.ts';
import type { Authenticator, Principal } from './authenticator.ts';
import { parseAuthorization } from './authorization-header.ts';
import { GrantWriter } from './grant-writer.ts';
import { PasswordVerifier } from './passwords.ts';
import { blob, integer, optionalInteger, type Row, text } from './row.ts';
import { ChangeWatch, RowCache } from './row-cache.ts';
import { hashSecret, isToken, type KeyParts, matchesHash, newToken, parseClient, parseKey } from './secrets.ts';

export type CredentialOptions = {
  /** The accounts file; `Accounts` must have made it. */
  readonly path: string;
  readonly now: () => EpochMs;
  readonly tokenTtlMs: number;
  readonly sessionTtlMs: number;
};

type Key = { readonly principal: Principal; readonly secretHash: Uint8Array; readonly endsAt: EpochMs };
type User = { readonly id: number; readonly principal: Principal; readonly password: string };
type AccessToken = { readonly keyId: string; readonly expiresAt: EpochMs };
type Session = { readonly principal: Principal; readonly expiresAt: EpochMs };

const cachedKeysMax = 10_000;
const cachedUsersMax = 1000;
const cachedTokensMax = 10_000;
/** Characters of a user name or password that are worth looking at. */
const credentialCharsMax = 1024;

const accountColumns = 'account.id AS account_id, account.name AS account_name, account.requests_per_minute';

/** Stands in for the hash of a key that is not there, so that both take the same steps. */
const absentHash = new Uint8Array(32);

/** Proves callers against the accounts file of a data folder, which other processes may change meanwhile. */
export class Credentials implements Authenticator {
  readonly #db: DatabaseSync;
  readonly #options: CredentialOptions;
  readonly #passwords: PasswordVerifier;
  readonly #grants: GrantWriter;
  readonly #keys: RowCache<Key>;
  readonly #users: RowCache<User>;
  readonly #tokens: RowCache<AccessToken>;
  readonly #sessions: RowCache<Session>;

  constructor(options: CredentialOptions) {
    this.#options = options;
    this.#db = openForReading(options.path);
    this.#passwords = new PasswordVerifier(options.now);
    this.#grants = new GrantWriter(options.path);
    const watch = new ChangeWatch(this.#db);
    this.#keys = new RowCache(watch, cachedKeysMax, this.#reader(keyQuery, readKey));
    this.#users = new RowCache(watch, cachedUsersMax, this.#reader(userQuery, readUser));
    this.#tokens = new RowCache(watch, cachedTokensMax, this.#hashReader(tokenQuery, readToken));
    this.#sessions = new RowCache(watch, cachedTokensMax, this.#hashReader(sessionQuery, readSession));
  }

  async authenticate(authorization: string): Promise<Principal | undefined> {
    const claim = parseAuthorization(authorization);
    switch (claim?.kind) {
      case 'app': {
        const parts = parseKey(claim.key);
        return parts && this.#proveKey(parts)?.principal;
      }
      case 'basic':
        return (await this.#proveUser(claim.username, claim.password))?.principal;
      case 'bearer':
        return this.#proveToken(claim.token);
      case 'ibsso':
        return this.#proveSession(claim.token);
      default:
        return undefined;
    }
  }

  async issueToken(
    clientId: string,
    clientSecret: string,
  ): Promise<{ accessToken: string; expiresInS: number } | undefined> {
    const parts = parseClient(clientId, clientSecret);
    const key = parts && this.#proveKey(parts);
    if (parts === undefined || key === undefined) return undefined;
    const now = this.#options.now();
    const expiresAt = Math.min(now + this.#options.tokenTtlMs, key.endsAt);
    const accessToken = newToken();
    const tokenHash = hashSecret(accessToken);
    const kept = await this.#grants.add({ kind: 'access_token', tokenHash, keyId: parts.id, expiresAt }, now);
    return kept ? { accessToken, expiresInS: Math.floor((expiresAt - now) / 1000) } : undefined;
  }

  async createSession(username: string, password: string): Promise<{ token: string } | undefined> {
    const user = await this.#proveUser(username, password);
    if (user === undefined) return undefined;
    const now = this.#options.now();
    const token = newToken();
    const expiresAt = now + this.#options.sessionTtlMs;
    const kept = await this.#grants.add(
      { kind: 'session', tokenHash: hashSecret(token), userId: user.id, expiresAt },
      now,
    );
    return kept ? { token } : undefined;
  }

  async endSession(token: string): Promise<boolean> {
    if (this.#proveSession(token) === undefined) return false;
    const tokenHash = hashSecret(token);
    const ended = await this.#grants.endSession(tokenHash);
    this.#sessions.forget(hex(tokenHash));
    return ended;
  }

  /** Finishes what was asked for and lets go of the file. */
  async close(): Promise<void> {
    await this.#grants.close();
    if (this.#db.isOpen) this.#db.close();
  }

  #proveKey(parts: KeyParts): Key | undefined {
    const key = this.#keys.get(parts.id);
    const matches = matchesHash(parts.secret, key?.secretHash ?? absentHash);
    return key !== undefined && matches && this.#options.now() < key.endsAt ? key : undefined;
  }

  async #proveUser(username: string, password: string): Promise<User | undefined> {
    if (username.length > credentialCharsMax || password.length > credentialCharsMax) return undefined;
    const user = this.#users.get(username);
    const matches = await this.#passwords.verify(username, password, user?.password);
    return matches ? user : undefined;
  }

  #proveToken(token: string): Principal | undefined {
    if (!isToken(token)) return undefined;
    const found = this.#tokens.get(hex(hashSecret(token)));
    const now = this.#options.now();
    if (found === undefined || now >= found.expiresAt) return undefined;
    const key = this.#keys.get(found.keyId);
    return key !== undefined && now < key.endsAt ? key.principal : undefined;
  }

  #proveSession(token: string): Principal | undefined {
    if (!isToken(token)) return undefined;
    const session = this.#sessions.get(hex(hashSecret(token)));
    return session !== undefined && this.#options.now() < session.expiresAt ? session.principal : undefined;
  }

  #reader<Value>(query: string, read: (row: Row) => Value): (key: string) => Value | undefined {
    const statement = this.#db.prepare(query);
    return key => {
      const row = statement.get(key);
      return row && read(row);
    };
  }

  #hashReader<Value>(query: string, read: (row: Row) => Value): (hash: string) => Value | undefined {
    const statement = this.#db.prepare(query);
    return hash => {
      const row = statement.get(Buffer.from(hash, 'hex'));
      return row && read(row);
    };
  }
}

const keyQuery = `
  SELECT api_key.secret_hash, api_key.scopes, api_key.application_id, api_key.entity_id,
         api_key.expires_at, api_key.revoked_at, ${accountColumns}
  FROM api_key JOIN account ON account.id = api_key.account_id WHERE api_key.id = ?`;

const userQuery = `
  SELECT user.id, user.password, user.scopes, ${accountColumns}
  FROM user JOIN account ON account.id = user.account_id WHERE user.name = ?`;

const tokenQuery = 'SELECT key_id, expires_at FROM access_token WHERE token_hash = ?';

const sessionQuery = `
  SELECT session.expires_at, user.scopes, ${accountColumns}
  FROM session JOIN user ON user.id = session.user_id JOIN account ON account.id = user.account_id
  WHERE session.token_hash = ?`;

function readKey(row: Row): Key {
  // Not compared with the clock, which may be set back.
  const revoked = optionalInteger(row, 'revoked_at') !== undefined;
  return {
    principal: readPrincipal(row, readBinding(row)),
    secretHash: blob(row, 'secret_hash'),
    endsAt: revoked ? 0 : (optionalInteger(row, 'expires_at') ?? Number.POSITIVE_INFINITY),
  };
}

function readUser(row: Row): User {
  return { id: integer(row, 'id'), principal: readPrincipal(row, {}), password: text(row, 'password') };
}

function readToken(row: Row): AccessToken {
  return { keyId: text(row, 'key_id'), expiresAt: integer(row, 'expires_at') };
}

function readSession(row: Row): Session {
  return { principal: readPrincipal(row, {}), expiresAt: integer(row, 'expires_at') };
}

function readPrincipal(row: Row, binding: Principal['binding']): Principal {
  const requestsPerMinute = optionalInteger(row, 'requests_per_minute');
  return {
    account: {
      id: integer(row, 'account_id'),
      name: text(row, 'account_name'),
      ...(requestsPerMinute !== undefined && { requestsPerMinute }),
    },
    scopes: readScopes(row),
    binding,
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
