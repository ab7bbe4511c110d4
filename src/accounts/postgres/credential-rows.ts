import type { EpochMs } from '../../domain/message.ts';
import { bigints, texts } from '../../postgres/arrays.ts';
import { type Cell, integer, optional, text } from '../../postgres/cells.ts';
import type { Connections } from '../../postgres/connections.ts';
import type { Statement } from '../../postgres/session.ts';
import type { Principal } from '../authenticator.ts';
import {
  type CredentialRows,
  type Grant,
  grantsPerOwnerMax,
  readScopes,
  type StoredKey,
  type StoredSession,
  type StoredToken,
  type StoredUser,
} from '../rows.ts';
import type { Use } from '../uses.ts';
import { bindingOf, buffer, bytes } from './columns.ts';

/** Accounts in the database of the log, as each server over it reads them. */
export class PostgresCredentialRows implements CredentialRows {
  readonly #connections: Connections;

  /** Closes the connections when it is closed. */
  constructor(connections: Connections) {
    this.#connections = connections;
  }

  async key(id: string): Promise<StoredKey | undefined> {
    const [row] = await this.#connections.query(keyQuery, [id]);
    if (row === undefined) return undefined;
    const [account, name, limit, scopes, secretHash, application, entity, expiry, revocation] = row;
    const expiresAt = optional(expiry, integer);
    const revokedAt = optional(revocation, integer);
    return {
      principal: { ...principalOf(account, name, limit, scopes), binding: bindingOf(application, entity) },
      secretHash: bytes(secretHash),
      ...(expiresAt !== undefined && { expiresAt }),
      ...(revokedAt !== undefined && { revokedAt }),
    };
  }

  async user(name: string): Promise<StoredUser | undefined> {
    const [row] = await this.#connections.query(userQuery, [name]);
    if (row === undefined) return undefined;
    const [account, accountName, limit, scopes, id, password] = row;
    return {
      id: integer(id),
      principal: principalOf(account, accountName, limit, scopes),
      password: text(password),
    };
  }

  async token(tokenHash: Uint8Array): Promise<StoredToken | undefined> {
    const [row] = await this.#connections.query(tokenQuery, [buffer(tokenHash)]);
    return row && { keyId: text(row[0]), expiresAt: integer(row[1]) };
  }

  async session(tokenHash: Uint8Array): Promise<StoredSession | undefined> {
    const [row] = await this.#connections.query(sessionQuery, [buffer(tokenHash)]);
    if (row === undefined) return undefined;
    const [account, name, limit, scopes, expiresAt, userId, username] = row;
    const principal = principalOf(account, name, limit, scopes);
    return { userId: integer(userId), username: text(username), principal, expiresAt: integer(expiresAt) };
  }

  async keep(grant: Grant): Promise<boolean> {
    const { tokenHash, expiresAt } = grant;
    const [owner, { add, trim }] =
      grant.kind === 'session' ? [grant.userId, grants.session] : [grant.keyId, grants.access_token];
    return this.#connections.transaction('', async session => {
      const added = await session.query(add, [buffer(tokenHash), expiresAt, owner]);
      await session.query(trim, [owner, grantsPerOwnerMax]);
      return added.length > 0;
    });
  }

  async endSession(tokenHash: Uint8Array): Promise<boolean> {
    const ended = await this.#connections.query('DELETE FROM session WHERE token_hash = $1 RETURNING true', [
      buffer(tokenHash),
    ]);
    return ended.length > 0;
  }

  async used(uses: readonly Use[]): Promise<void> {
    for (const [statement, ids] of [
      [countKeys, (use: Use) => ('key' in use.of ? [use.of.key] : [])],
      [countUsers, (use: Use) => ('user' in use.of ? [String(use.of.user)] : [])],
    ] as const) {
      const those = uses.flatMap(use => ids(use).map(id => ({ ...use, id })));
      if (those.length === 0) continue;
      await this.#connections.query(statement, [
        texts(those.map(one => one.id)),
        bigints(those.map(one => one.count)),
        bigints(those.map(one => one.lastAt)),
      ]);
    }
  }

  /** Forgets the sessions and tokens that have expired; nobody is let in by them meanwhile either. */
  async dropExpired(now: EpochMs): Promise<void> {
    for (const { expire } of Object.values(grants)) await this.#connections.query(expire, [now]);
  }

  close(): Promise<void> {
    return this.#connections.close();
  }
}

function principalOf(id: Cell, name: Cell, limit: Cell, scopes: Cell): Principal {
  const requestsPerMinute = optional(limit, integer);
  return {
    account: { id: integer(id), name: text(name), ...(requestsPerMinute !== undefined && { requestsPerMinute }) },
    scopes: readScopes(text(scopes)),
    binding: {},
  };
}

const keyQuery: Statement = {
  name: 'account_key',
  text: `SELECT a.id, a.name, a.requests_per_minute, k.scopes, k.secret_hash, k.application_id, k.entity_id,
      k.expires_at, k.revoked_at
    FROM api_key k JOIN account a ON a.id = k.account_id WHERE k.id = $1`,
};

const userQuery: Statement = {
  name: 'account_user',
  text: `SELECT a.id, a.name, a.requests_per_minute, u.scopes, u.id, u.password
    FROM account_user u JOIN account a ON a.id = u.account_id WHERE u.name = $1`,
};

const tokenQuery: Statement = {
  name: 'account_token',
  text: 'SELECT t.key_id, t.expires_at FROM access_token t WHERE t.token_hash = $1',
};

const sessionQuery: Statement = {
  name: 'account_session',
  text: `SELECT a.id, a.name, a.requests_per_minute, u.scopes, s.expires_at, u.id, u.name
    FROM session s JOIN account_user u ON u.id = s.user_id JOIN account a ON a.id = u.account_id
    WHERE s.token_hash = $1`,
};

/** The rows are locked in one order: two servers that count the same keys must not wait for each other. */
function countingIn(table: string, type: string): string {
  return `WITH u AS (SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS u (id, count, last_at)),
      mine AS (SELECT o.id, u.count, u.last_at FROM ${table} o JOIN u ON o.id = u.id::${type}
        ORDER BY o.id FOR NO KEY UPDATE OF o)
    UPDATE ${table} o SET uses = o.uses + mine.count, last_used_at = greatest(o.last_used_at, mine.last_at)
    FROM mine WHERE o.id = mine.id`;
}
const countKeys = countingIn('api_key', 'text');
const countUsers = countingIn('account_user', 'bigint');

/**
 * What is deleted is locked in one order and, where another process is at it, left to that one: two that delete at once
 * must not wait for each other.
 */
function statementsOf(table: string, ownerColumn: string, ownerTable: string) {
  const deleted = (which: string) =>
    `DELETE FROM ${table} WHERE id IN (SELECT g.id FROM ${table} g WHERE ${which} ORDER BY g.id FOR UPDATE SKIP LOCKED)`;
  return {
    add: `INSERT INTO ${table} (token_hash, ${ownerColumn}, expires_at)
      SELECT $1::bytea, o.id, $2::bigint FROM ${ownerTable} o WHERE o.id = $3 FOR KEY SHARE RETURNING true`,
    trim: deleted(`g.${ownerColumn} = $1 AND g.id <=
      (SELECT n.id FROM ${table} n WHERE n.${ownerColumn} = $1 ORDER BY n.id DESC OFFSET $2 LIMIT 1)`),
    expire: deleted('g.expires_at <= $1'),
  };
}

const grants = {
  session: statementsOf('session', 'user_id', 'account_user'),
  access_token: statementsOf('access_token', 'key_id', 'api_key'),
};
