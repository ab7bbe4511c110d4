import type { AccountId, Binding, EpochMs } from '../../domain/message.ts';
import { bigints } from '../../postgres/arrays.ts';
import { integer, optional, type Row, text, truth } from '../../postgres/cells.ts';
import { Connections } from '../../postgres/connections.ts';
import { lacksAccounts } from '../../postgres/held-accounts.ts';
import { migrate, migrationStatus, schemaName } from '../../postgres/migrate.ts';
import type { Session } from '../../postgres/session.ts';
import {
  type Account,
  type AccountRows,
  AccountsError,
  firstKeyIsOwed,
  type KeyInfo,
  type NewAccount,
  type NewestAccounts,
  type NewKey,
  type NewUser,
  readScopes,
  retentionsAtOnce,
  retentionsIn,
  type UserInfo,
  writeScopes,
} from '../rows.ts';
import { bindingOf, buffer, bytes, usedOf } from './columns.ts';

/** Accounts in the database of the log, as the commands change them: also while servers run on it. */
export class PostgresAccountRows implements AccountRows {
  readonly #connections: Connections;
  /** As they were when they had been changed so often. */
  #retentions: { readonly changes: number; readonly own: ReadonlyMap<AccountId, number> } | undefined;

  /** Closes the connections when it is closed. */
  constructor(connections: Connections) {
    this.#connections = connections;
  }

  async addAccount(account: NewAccount, key?: NewKey): Promise<Account | undefined> {
    return this.#connections.transaction('', async session => {
      const made = await addAccount(session, account);
      if (made !== undefined && key !== undefined) await addKey(session, made.id, key);
      return made;
    });
  }

  async account(name: string): Promise<Account | undefined> {
    const [row] = await this.#connections.query(`${selectAccounts} WHERE a.name = $1`, [name]);
    return row && readAccount(row);
  }

  async accounts(): Promise<readonly Account[]> {
    return (await this.#connections.query(`${selectAccounts} ORDER BY a.created_at, a.id`)).map(readAccount);
  }

  async lacking(ids: readonly AccountId[]): Promise<readonly AccountId[]> {
    const lacking =
      'SELECT g.id FROM unnest($1::bigint[]) g(id) WHERE NOT EXISTS (SELECT FROM account a WHERE a.id = g.id)';
    return (await this.#connections.query(lacking, [bigints(ids)])).map(([id]) => integer(id));
  }

  async newestAccounts(count: number): Promise<NewestAccounts> {
    const newest = `${selectAccounts} ORDER BY a.created_at DESC, a.id DESC LIMIT $1`;
    const accounts = (await this.#connections.query(newest, [count])).map(readAccount);
    const [[total] = []] = await this.#connections.query('SELECT count(*) FROM account a');
    return { accounts, total: integer(total) };
  }

  async setRequestsPerMinute(account: AccountId, requestsPerMinute: number | undefined): Promise<void> {
    await this.#connections.query('UPDATE account SET requests_per_minute = $1 WHERE id = $2', [
      requestsPerMinute ?? null,
      account,
    ]);
  }

  async setRetention(account: AccountId, retentionMs: number | undefined): Promise<void> {
    await this.#connections.transaction('', async session => {
      await session.query('UPDATE account SET retention_ms = $1 WHERE id = $2', [retentionMs ?? null, account]);
      await session.query(countRetentionChange);
    });
  }

  async retentions(mayRemember = false): Promise<ReadonlyMap<AccountId, number>> {
    // Before the rows: a change in between is then read again, rather than never.
    const [[counted] = []] = await this.#connections.query('SELECT c.changes FROM retention_change c');
    const changes = integer(counted);
    if (mayRemember && this.#retentions?.changes === changes) return this.#retentions.own;
    const own = await retentionsIn(async after => {
      const rows = await this.#connections.query(
        'SELECT a.id, a.retention_ms FROM account a WHERE a.retention_ms IS NOT NULL AND a.id > $1 ORDER BY a.id LIMIT $2',
        [after, retentionsAtOnce],
      );
      return rows.map(([id, retentionMs]) => [integer(id), integer(retentionMs)]);
    });
    this.#retentions = { changes, own };
    return own;
  }

  async addKey(account: AccountId, key: NewKey): Promise<void> {
    await addKey(this.#connections, account, key);
  }

  async key(id: string): Promise<KeyInfo | undefined> {
    const [row] = await this.#connections.query(`${selectKeys} WHERE k.id = $1`, [id]);
    return row && readKey(row);
  }

  async keys(account?: string): Promise<readonly KeyInfo[]> {
    return (await this.#listed(selectKeys, 'k.created_at, k.id', account)).map(readKey);
  }

  async bindKey(id: string, binding: Binding): Promise<void> {
    const { applicationId = null, entityId = null } = binding;
    const update = 'UPDATE api_key SET application_id = $1, entity_id = $2 WHERE id = $3';
    await this.#connections.query(update, [applicationId, entityId, id]);
  }

  async revokeKey(id: string, at: EpochMs): Promise<void> {
    await this.#connections.transaction('', async session => {
      await session.query('UPDATE api_key SET revoked_at = coalesce(revoked_at, $1) WHERE id = $2', [at, id]);
      await session.query('DELETE FROM access_token WHERE key_id = $1', [id]);
    });
  }

  async removeKey(id: string): Promise<void> {
    await this.#connections.query('DELETE FROM api_key WHERE id = $1', [id]);
  }

  async addUser(account: AccountId, { name, password, scopes, createdAt }: NewUser): Promise<boolean> {
    const added = await this.#connections.query(
      `WITH ${settled} INSERT INTO account_user (account_id, name, password, scopes, created_at) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (name) DO NOTHING RETURNING true`,
      [account, name, password, writeScopes(scopes), createdAt],
    );
    return added.length > 0;
  }

  async users(account?: string): Promise<readonly UserInfo[]> {
    const rows = await this.#listed(selectUsers, 'u.id', account);
    return rows.map(([name, of, scopes, createdAt, uses, lastUsed]) => ({
      name: text(name),
      account: text(of),
      scopes: readScopes(text(scopes)),
      createdAt: integer(createdAt),
      ...usedOf(uses, lastUsed),
    }));
  }

  /** Two statements: one for both would look at those of all accounts, also for one that has few. */
  #listed(select: string, order: string, account: string | undefined): Promise<readonly Row[]> {
    if (account === undefined) return this.#connections.query(`${select} ORDER BY ${order}`);
    return this.#connections.query(`${select} WHERE a.name = $1 ORDER BY ${order}`, [account]);
  }

  async removeUser(name: string): Promise<boolean> {
    const removed = await this.#connections.query('DELETE FROM account_user WHERE name = $1 RETURNING true', [name]);
    return removed.length > 0;
  }

  async beginWith(account: NewAccount): Promise<Account | undefined> {
    return this.#connections.transaction(addingAlone, session => beginWith(session, account));
  }

  async addFirst(account: NewAccount, key: NewKey): Promise<boolean> {
    return this.#connections.transaction(addingAlone, async session => {
      await beginWith(session, account);
      const owed = await session.query(`${settle} RETURNING true`);
      if (owed.length === 0) return false;
      const [[isKnown] = []] = await session.query(
        'SELECT EXISTS (SELECT FROM api_key) OR EXISTS (SELECT FROM account_user)',
      );
      const [row] = await session.query(`${selectAccounts} WHERE a.name = $1`, [account.name]);
      if (truth(isKnown) || row === undefined) return false;
      await addKey(session, readAccount(row).id, key);
      return true;
    });
  }

  async secret(name: string, made: Uint8Array): Promise<Uint8Array> {
    await this.#connections.query('INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
      name,
      buffer(made),
    ]);
    const [[value] = []] = await this.#connections.query('SELECT value FROM secret WHERE name = $1', [name]);
    return bytes(value);
  }

  close(): Promise<void> {
    return this.#connections.close();
  }
}

const commandStatementMsMax = 30_000;

/**
 * The accounts of a database, for a command; its tables are made and brought up to date if `mayMake`. Rejects with
 * `AccountsError` when it has none, or has lost them unless they `mayLack`, and as `migrate` does.
 */
export async function openAccountRows(
  url: string,
  { mayMake, mayLack = false }: { readonly mayMake: boolean; readonly mayLack?: boolean },
): Promise<AccountRows> {
  const target = { url, schema: schemaName };
  if (mayMake) await migrate(target, () => {});
  else if ((await migrationStatus(target)).some(step => step.appliedAt === undefined))
    throw new AccountsError(
      'the database has no accounts yet, or is older than this program: run `sentlog db migrate`',
    );
  const connections = new Connections({
    ...target,
    max: 1,
    statementTimeoutMs: commandStatementMsMax,
    note: () => {},
  });
  if (!mayLack) await refuseLost(connections);
  return new PostgresAccountRows(connections);
}

/** Closes the connections, and rejects, when the accounts of the log are lost. */
export async function refuseLost(connections: Connections): Promise<void> {
  if (!(await lacksAccounts(connections))) return;
  await connections.close();
  throw new AccountsError(
    'the database has no accounts, though there are messages in it: restore them from a backup, or give the messages ' +
      'of one to a new account by `sentlog accounts adopt NAME`',
  );
}

type Queries = Pick<Session, 'query'>;

async function addAccount(
  session: Queries,
  { id, name, requestsPerMinute, retentionMs, createdAt }: NewAccount,
): Promise<Account | undefined> {
  const [row] = await session.query(
    `INSERT INTO account AS a (id, name, requests_per_minute, retention_ms, created_at) OVERRIDING SYSTEM VALUE
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO NOTHING RETURNING ${accountColumns}`,
    [id, name, requestsPerMinute ?? null, retentionMs ?? null, createdAt],
  );
  if (row !== undefined && retentionMs !== undefined) await session.query(countRetentionChange);
  return row && readAccount(row);
}

/** Nobody else may add an account between the look and the insertion; reading goes on. */
const addingAlone = 'LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE';
const settle = `DELETE FROM secret WHERE name = '${firstKeyIsOwed}'`;
/** Stands before whatever gives somebody a key or a user. */
const settled = `settled AS (${settle})`;

async function beginWith(session: Queries, account: NewAccount): Promise<Account | undefined> {
  const [[areAccounts] = []] = await session.query('SELECT EXISTS (SELECT FROM account)');
  if (truth(areAccounts)) return undefined;
  await session.query("INSERT INTO secret (name, value) VALUES ($1, '') ON CONFLICT DO NOTHING", [firstKeyIsOwed]);
  return addAccount(session, account);
}

async function addKey(session: Queries, account: AccountId, key: NewKey): Promise<void> {
  const { applicationId = null, entityId = null } = key.binding;
  await session.query(
    `WITH ${settled} INSERT INTO api_key (id, account_id, secret_hash, scopes, application_id, entity_id, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      key.id,
      account,
      buffer(key.secretHash),
      writeScopes(key.scopes),
      applicationId,
      entityId,
      key.createdAt,
      key.expiresAt ?? null,
    ],
  );
}

const countRetentionChange = 'UPDATE retention_change SET changes = changes + 1';
const accountColumns = 'a.id, a.name, a.requests_per_minute, a.retention_ms, a.created_at';
const selectAccounts = `SELECT ${accountColumns} FROM account a`;
const selectKeys = `
  SELECT k.id, a.name, k.scopes, k.application_id, k.entity_id, k.created_at, k.expires_at, k.revoked_at, k.uses,
    k.last_used_at
  FROM api_key k JOIN account a ON a.id = k.account_id`;
const selectUsers = `
  SELECT u.name, a.name, u.scopes, u.created_at, u.uses, u.last_used_at
  FROM account_user u JOIN account a ON a.id = u.account_id`;

function readAccount([id, name, limit, retention, createdAt]: Row): Account {
  const requestsPerMinute = optional(limit, integer);
  const retentionMs = optional(retention, integer);
  return {
    id: integer(id),
    name: text(name),
    ...(requestsPerMinute !== undefined && { requestsPerMinute }),
    ...(retentionMs !== undefined && { retentionMs }),
    createdAt: integer(createdAt),
  };
}

function readKey(row: Row): KeyInfo {
  const [id, account, scopes, application, entity, createdAt, expiry, revocation, uses, lastUsed] = row;
  const expiresAt = optional(expiry, integer);
  const revokedAt = optional(revocation, integer);
  return {
    id: text(id),
    account: text(account),
    scopes: readScopes(text(scopes)),
    binding: bindingOf(application, entity),
    createdAt: integer(createdAt),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(revokedAt !== undefined && { revokedAt }),
    ...usedOf(uses, lastUsed),
  };
}
