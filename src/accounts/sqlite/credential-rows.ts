import type { DatabaseSync } from 'node:sqlite';
import type { EpochMs } from '../../domain/message.ts';
import { Unavailable } from '../../failures.ts';
import { OpenedFile } from '../../opened-file.ts';
import type { Principal } from '../authenticator.ts';
import {
  type CredentialRows,
  type Grant,
  readScopes,
  type StoredKey,
  type StoredSession,
  type StoredToken,
  type StoredUser,
} from '../rows.ts';
import type { Use } from '../uses.ts';
import { readBinding } from './account-rows.ts';
import { openForReading } from './accounts-file.ts';
import { GrantWriter } from './grant-writer.ts';
import { blob, integer, optionalInteger, type Row, text } from './row.ts';

type Read<Value> = (key: string | Uint8Array) => Promise<Value | undefined>;

/** The accounts file of a data folder, as a server reads it; `SqliteAccountRows` must have made it. */
export class SqliteCredentialRows implements CredentialRows {
  readonly key: Read<StoredKey>;
  readonly user: Read<StoredUser>;
  readonly token: Read<StoredToken>;
  readonly session: Read<StoredSession>;
  readonly #db: DatabaseSync;
  readonly #file: OpenedFile;
  readonly #grants: GrantWriter;

  constructor(path: string) {
    this.#db = openForReading(path);
    this.#file = new OpenedFile(path);
    this.#grants = new GrantWriter(this.#file);
    this.key = this.#reader(keyQuery, readKey);
    this.user = this.#reader(userQuery, readUser);
    this.token = this.#reader(tokenQuery, readToken);
    this.session = this.#reader(sessionQuery, readSession);
  }

  keep(grant: Grant, now: EpochMs): Promise<boolean> {
    return this.#grants.add(grant, now);
  }

  endSession(tokenHash: Uint8Array): Promise<boolean> {
    return this.#grants.endSession(tokenHash);
  }

  used(uses: readonly Use[]): Promise<void> {
    return this.#grants.use(uses);
  }

  async close(): Promise<void> {
    await this.#grants.close();
    if (this.#db.isOpen) this.#db.close();
  }

  #reader<Value>(query: string, read: (row: Row) => Value): Read<Value> {
    const statement = this.#db.prepare(query);
    return async key => {
      this.#file.refuseMoved();
      const row = readOrUnavailable(() => statement.get(key));
      return row && read(row);
    };
  }
}

function readOrUnavailable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Unavailable(`cannot read the accounts file: ${reason}`, 1000, { cause: error });
  }
}

const accountColumns = 'account.id AS account_id, account.name AS account_name, account.requests_per_minute';

const keyQuery = `
  SELECT api_key.secret_hash, api_key.scopes, api_key.application_id, api_key.entity_id,
         api_key.expires_at, api_key.revoked_at, ${accountColumns}
  FROM api_key JOIN account ON account.id = api_key.account_id WHERE api_key.id = ?`;

const userQuery = `
  SELECT user.id, user.password, user.scopes, ${accountColumns}
  FROM user JOIN account ON account.id = user.account_id WHERE user.name = ?`;

const tokenQuery = 'SELECT key_id, expires_at FROM access_token WHERE token_hash = ?';

const sessionQuery = `
  SELECT session.expires_at, user.id AS user_id, user.name AS user_name, user.scopes, ${accountColumns}
  FROM session JOIN user ON user.id = session.user_id JOIN account ON account.id = user.account_id
  WHERE session.token_hash = ?`;

function readKey(row: Row): StoredKey {
  const expiresAt = optionalInteger(row, 'expires_at');
  const revokedAt = optionalInteger(row, 'revoked_at');
  return {
    principal: readPrincipal(row, readBinding(row)),
    secretHash: blob(row, 'secret_hash'),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(revokedAt !== undefined && { revokedAt }),
  };
}

function readUser(row: Row): StoredUser {
  return { id: integer(row, 'id'), principal: readPrincipal(row, {}), password: text(row, 'password') };
}

function readToken(row: Row): StoredToken {
  return { keyId: text(row, 'key_id'), expiresAt: integer(row, 'expires_at') };
}

function readSession(row: Row): StoredSession {
  return {
    userId: integer(row, 'user_id'),
    username: text(row, 'user_name'),
    principal: readPrincipal(row, {}),
    expiresAt: integer(row, 'expires_at'),
  };
}

function readPrincipal(row: Row, binding: Principal['binding']): Principal {
  const requestsPerMinute = optionalInteger(row, 'requests_per_minute');
  return {
    account: {
      id: integer(row, 'account_id'),
      name: text(row, 'account_name'),
      ...(requestsPerMinute !== undefined && { requestsPerMinute }),
    },
    scopes: readScopes(text(row, 'scopes')),
    binding,
  };
}
