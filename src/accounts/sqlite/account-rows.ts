import type { DatabaseSync } from 'node:sqlite';
import type { AccountId, Binding, EpochMs } from '../../domain/message.ts';
import { OpenedFile } from '../../opened-file.ts';
import {
  type Account,
  type AccountRows,
  firstKeyIsOwed,
  type KeyInfo,
  type NewAccount,
  type NewestAccounts,
  type NewKey,
  type NewUser,
  readScopes,
  retentionsAtOnce,
  retentionsIn,
  type Used,
  type UserInfo,
  writeScopes,
} from '../rows.ts';
import { openAccountsFile, transact } from './accounts-file.ts';
import { blob, integer, optionalInteger, optionalText, type Row, text } from './row.ts';

const notedLogName = 'log';

/** The accounts file of a data folder, as the commands change it: also while a server runs on the same folder. */
export class SqliteAccountRows implements AccountRows {
  readonly #opened: DatabaseSync;
  readonly #file: OpenedFile;
  /** As they were when they had been changed so often. */
  #retentions: { readonly changes: number; readonly own: ReadonlyMap<AccountId, number> } | undefined;

  /** Makes the file when it is not there and `mayMake`; else throws as `openAccountsFile`. */
  constructor(path: string, mayMake = true) {
    this.#opened = openAccountsFile(path, mayMake);
    this.#file = new OpenedFile(path);
  }

  async addAccount(account: NewAccount, key?: NewKey): Promise<Account | undefined> {
    return unlessTaken(() =>
      transact(this.#db, () => {
        const made = this.#addAccount(account);
        if (key !== undefined) this.#addKey(made.id, key);
        return made;
      }),
    );
  }

  async account(name: string): Promise<Account | undefined> {
    const row = this.#db.prepare('SELECT * FROM account WHERE name = ?').get(name);
    return row && readAccount(row);
  }

  async accounts(): Promise<readonly Account[]> {
    return this.#db.prepare('SELECT * FROM account ORDER BY created_at, id').all().map(readAccount);
  }

  async lacking(ids: readonly AccountId[]): Promise<readonly AccountId[]> {
    const rows = this.#db.prepare('SELECT value AS id FROM json_each(?) WHERE value NOT IN (SELECT id FROM account)');
    return rows.all(JSON.stringify(ids)).map(row => integer(row, 'id'));
  }

  async newestAccounts(count: number): Promise<NewestAccounts> {
    const newest = this.#db.prepare('SELECT * FROM account ORDER BY created_at DESC, id DESC LIMIT ?').all(count);
    const total = integer(this.#db.prepare('SELECT count(*) AS total FROM account').get() ?? {}, 'total');
    return { accounts: newest.map(readAccount), total };
  }

  async setRequestsPerMinute(account: AccountId, requestsPerMinute: number | undefined): Promise<void> {
    this.#db.prepare('UPDATE account SET requests_per_minute = ? WHERE id = ?').run(requestsPerMinute ?? null, account);
  }

  async setRetention(account: AccountId, retentionMs: number | undefined): Promise<void> {
    this.#db.prepare('UPDATE account SET retention_ms = ? WHERE id = ?').run(retentionMs ?? null, account);
  }

  async retentions(): Promise<ReadonlyMap<AccountId, number>> {
    // Before the rows: a change in between is then read again, rather than never.
    const changes = integer(this.#db.prepare('SELECT changes FROM retention_change').get() ?? {}, 'changes');
    if (this.#retentions?.changes !== changes) {
      const page = this.#db.prepare(
        'SELECT id, retention_ms FROM account WHERE retention_ms IS NOT NULL AND id > ? ORDER BY id LIMIT ?',
      );
      const own = await retentionsIn(after =>
        page.all(after, retentionsAtOnce).map(row => [integer(row, 'id'), integer(row, 'retention_ms')]),
      );
      this.#retentions = { changes, own };
      return own;
    }
    return this.#retentions.own;
  }

  async addKey(account: AccountId, key: NewKey): Promise<void> {
    transact(this.#db, () => this.#addKey(account, key));
  }

  async key(id: string): Promise<KeyInfo | undefined> {
    const row = this.#db.prepare(`${selectKeys} WHERE api_key.id = ?`).get(id);
    return row && readKey(row);
  }

  async keys(account?: string): Promise<readonly KeyInfo[]> {
    return this.#listed(selectKeys, 'api_key.created_at, api_key.id', account).map(readKey);
  }

  async bindKey(id: string, binding: Binding): Promise<void> {
    const { applicationId = null, entityId = null } = binding;
    const update = 'UPDATE api_key SET application_id = ?, entity_id = ? WHERE id = ?';
    this.#db.prepare(update).run(applicationId, entityId, id);
  }

  async revokeKey(id: string, at: EpochMs): Promise<void> {
    transact(this.#db, () => {
      this.#db.prepare('UPDATE api_key SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?').run(at, id);
      this.#db.prepare('DELETE FROM access_token WHERE key_id = ?').run(id);
    });
  }

  async removeKey(id: string): Promise<void> {
    transact(this.#db, () => {
      this.#db.prepare('DELETE FROM access_token WHERE key_id = ?').run(id);
      this.#db.prepare('DELETE FROM api_key WHERE id = ?').run(id);
    });
  }

  async addUser(account: AccountId, { name, password, scopes, createdAt }: NewUser): Promise<boolean> {
    const insert = 'INSERT INTO user (account_id, name, password, scopes, created_at) VALUES (?, ?, ?, ?, ?)';
    const added = unlessTaken(() =>
      transact(this.#db, () => {
        this.#db.prepare(insert).run(account, name, password, writeScopes(scopes), createdAt);
        this.#settleFirstKey();
        return true;
      }),
    );
    return added === true;
  }

  async users(account?: string): Promise<readonly UserInfo[]> {
    return this.#listed(selectUsers, 'user.id', account).map(readUser);
  }

  /** Two statements: one for both would look at those of all accounts, also for one that has few. */
  #listed(select: string, order: string, account: string | undefined): readonly Row[] {
    if (account === undefined) return this.#db.prepare(`${select} ORDER BY ${order}`).all();
    return this.#db.prepare(`${select} WHERE account.name = ? ORDER BY ${order}`).all(account);
  }

  async removeUser(name: string): Promise<boolean> {
    return Number(this.#db.prepare('DELETE FROM user WHERE name = ?').run(name).changes) > 0;
  }

  async beginWith(account: NewAccount): Promise<Account | undefined> {
    return transact(this.#db, () => this.#beginWith(account));
  }

  async addFirst(account: NewAccount, key: NewKey): Promise<boolean> {
    return transact(this.#db, () => {
      this.#beginWith(account);
      if (!this.#settleFirstKey()) return false;
      const { there } =
        this.#db.prepare('SELECT EXISTS (SELECT 1 FROM api_key UNION ALL SELECT 1 FROM user) there').get() ?? {};
      const row = this.#db.prepare('SELECT * FROM account WHERE name = ?').get(account.name);
      if (there !== 0 || row === undefined) return false;
      this.#addKey(readAccount(row).id, key);
      return true;
    });
  }

  async secret(name: string, made: Uint8Array): Promise<Uint8Array> {
    const found = this.#db.prepare('SELECT value FROM secret WHERE name = ?');
    const insert = 'INSERT OR IGNORE INTO secret (name, value) VALUES (?, ?)';
    // To read it, nobody has to wait for those who write.
    if (found.get(name) === undefined) transact(this.#db, () => this.#db.prepare(insert).run(name, made));
    return blob(found.get(name) ?? {}, 'value');
  }

  /** The seed of the log that these accounts were last opened beside, when anything was noted of it. */
  notedLog(): number | undefined {
    const row = this.#db.prepare('SELECT value FROM secret WHERE name = ?').get(notedLogName);
    return row && Buffer.from(blob(row, 'value')).readUInt32LE();
  }

  /** A log that no longer says whose it is proves by its seed that it is the one. */
  noteLog(hashSeed: number): void {
    if (this.notedLog() === hashSeed) return;
    const value = Buffer.alloc(4);
    value.writeUInt32LE(hashSeed);
    this.#db.prepare('INSERT OR REPLACE INTO secret (name, value) VALUES (?, ?)').run(notedLogName, value);
  }

  async close(): Promise<void> {
    if (this.#opened.isOpen) this.#opened.close();
  }

  get #db(): DatabaseSync {
    this.#file.refuseMoved();
    return this.#opened;
  }

  #addAccount({ id, name, requestsPerMinute, retentionMs, createdAt }: NewAccount): Account {
    const row = this.#db
      .prepare(
        `INSERT INTO account (id, name, requests_per_minute, retention_ms, created_at) VALUES (?, ?, ?, ?, ?)
         RETURNING *`,
      )
      .get(id, name, requestsPerMinute ?? null, retentionMs ?? null, createdAt);
    return readAccount(row ?? {});
  }

  #beginWith(account: NewAccount): Account | undefined {
    if (this.#db.prepare('SELECT 1 FROM account').get() !== undefined) return undefined;
    this.#db.prepare("INSERT OR IGNORE INTO secret (name, value) VALUES (?, x'')").run(firstKeyIsOwed);
    return this.#addAccount(account);
  }

  /** Tells whether it was owed until now. */
  #settleFirstKey(): boolean {
    return Number(this.#db.prepare('DELETE FROM secret WHERE name = ?').run(firstKeyIsOwed).changes) > 0;
  }

  #addKey(account: AccountId, { id, secretHash, scopes, binding, createdAt, expiresAt }: NewKey): void {
    const { applicationId = null, entityId = null } = binding;
    this.#db
      .prepare(
        `INSERT INTO api_key (id, account_id, secret_hash, scopes, application_id, entity_id, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(id, account, secretHash, writeScopes(scopes), applicationId, entityId, createdAt, expiresAt ?? null);
    this.#settleFirstKey();
  }
}

const selectKeys = `
  SELECT api_key.id, account.name AS account, api_key.scopes, api_key.application_id, api_key.entity_id,
         api_key.created_at, api_key.expires_at, api_key.revoked_at, api_key.uses, api_key.last_used_at
  FROM api_key JOIN account ON account.id = api_key.account_id`;
const selectUsers = `
  SELECT user.name, account.name AS account, user.scopes, user.created_at, user.uses, user.last_used_at
  FROM user JOIN account ON account.id = user.account_id`;

function unlessTaken<T>(insert: () => T): T | undefined {
  try {
    return insert();
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('UNIQUE constraint failed')) return undefined;
    throw error;
  }
}

function readAccount(row: Row): Account {
  const requestsPerMinute = optionalInteger(row, 'requests_per_minute');
  const retentionMs = optionalInteger(row, 'retention_ms');
  return {
    id: integer(row, 'id'),
    name: text(row, 'name'),
    ...(requestsPerMinute !== undefined && { requestsPerMinute }),
    ...(retentionMs !== undefined && { retentionMs }),
    createdAt: integer(row, 'created_at'),
  };
}

function readKey(row: Row): KeyInfo {
  const expiresAt = optionalInteger(row, 'expires_at');
  const revokedAt = optionalInteger(row, 'revoked_at');
  return {
    id: text(row, 'id'),
    account: text(row, 'account'),
    scopes: readScopes(text(row, 'scopes')),
    binding: readBinding(row),
    createdAt: integer(row, 'created_at'),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(revokedAt !== undefined && { revokedAt }),
    ...readUsed(row),
  };
}

function readUser(row: Row): UserInfo {
  return {
    name: text(row, 'name'),
    account: text(row, 'account'),
    scopes: readScopes(text(row, 'scopes')),
    createdAt: integer(row, 'created_at'),
    ...readUsed(row),
  };
}

function readUsed(row: Row): Used {
  const lastUsedAt = optionalInteger(row, 'last_used_at');
  return { uses: integer(row, 'uses'), ...(lastUsedAt !== undefined && { lastUsedAt }) };
}

export function readBinding(row: Row): Binding {
  const applicationId = optionalText(row, 'application_id');
  const entityId = optionalText(row, 'entity_id');
  return { ...(applicationId !== undefined && { applicationId }), ...(entityId !== undefined && { entityId }) };
}
