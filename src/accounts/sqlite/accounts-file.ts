import { closeSync, existsSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { damagedFileCode, emptyLogAdvice, isDamagedFile, Unusable, unusableText } from '../../failures.ts';
import { AccountsError } from '../rows.ts';

/** One step a schema version, oldest first. A step that was released is never changed, only followed by another. */
const schemaSteps: readonly string[] = [
  `
  CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    requests_per_minute INTEGER,
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account,
    secret_hash BLOB NOT NULL,
    scopes TEXT NOT NULL,
    application_id TEXT,
    entity_id TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX api_key_by_account ON api_key (account_id, created_at);

  CREATE TABLE user (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account,
    name TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX user_by_account ON user (account_id);

  CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,
    user_id INTEGER NOT NULL REFERENCES user ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX session_by_user ON session (user_id, id);
  CREATE INDEX session_by_expiry ON session (expires_at);

  CREATE TABLE access_token (
    id INTEGER PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,
    key_id TEXT NOT NULL REFERENCES api_key ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX access_token_by_key ON access_token (key_id, id);
  CREATE INDEX access_token_by_expiry ON access_token (expires_at);

  CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE api_key ADD COLUMN uses INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE api_key ADD COLUMN last_used_at INTEGER;
  ALTER TABLE user ADD COLUMN uses INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE user ADD COLUMN last_used_at INTEGER;
  `,
  `
  ALTER TABLE account ADD COLUMN retention_ms INTEGER;
  CREATE INDEX account_by_retention ON account (id) WHERE retention_ms IS NOT NULL;
  `,
  // Asked for each second: what that costs must follow neither from how many accounts there are nor from what else is kept.
  `
  CREATE TABLE retention_change (changes INTEGER NOT NULL) STRICT;
  INSERT INTO retention_change VALUES (0);
  CREATE TRIGGER retention_changed AFTER UPDATE OF retention_ms ON account BEGIN
    UPDATE retention_change SET changes = changes + 1;
  END;
  CREATE TRIGGER retention_added AFTER INSERT ON account WHEN NEW.retention_ms IS NOT NULL BEGIN
    UPDATE retention_change SET changes = changes + 1;
  END;
  CREATE TRIGGER retention_removed AFTER DELETE ON account WHEN OLD.retention_ms IS NOT NULL BEGIN
    UPDATE retention_change SET changes = changes + 1;
  END;
  `,
];

/** How long a writer waits for another process (a command beside a running server) to finish. */
const busyTimeoutMs = 5000;

/** There is a log, and the accounts that it belongs to are not there any more. */
export class AccountsLost extends AccountsError {
  constructor(path: string, how: string, options?: ErrorOptions) {
    super(
      `${path} ${how}, though there is a log beside it: restore it from a backup, or give the log to a new account by ` +
        `\`sentlog accounts adopt NAME\`, or ${emptyLogAdvice}`,
      options,
    );
    this.name = 'AccountsLost';
  }
}

/**
 * Opens the accounts file for a process that has not opened it yet, bringing an older one up to date. When absent it is made, with its folder, if `mayMake`. Several
 * processes may hold it at once. Throws `AccountsError` when it cannot be used, and `AccountsLost` when it has no
 * accounts and may not be made.
 */
export function openAccountsFile(path: string, mayMake: boolean): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    if (!mayMake) refuseLost(path);
    makeFolder(dirname(path));
    // Made here and not by SQLite, so that nobody else can read it even for a moment.
    closeSync(openSync(path, 'a', 0o600));
    db = new DatabaseSync(path, { timeout: busyTimeoutMs });
    switchToWriteAheadLog(db);
    db.exec('PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF');
    migrate(db, path);
    refuseFlawed(db);
    if (!mayMake && db.prepare('SELECT 1 FROM account').get() === undefined)
      throw new AccountsLost(path, 'has no accounts');
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof AccountsError) throw error;
    if (!mayMake && isDamagedFile(error))
      throw new AccountsLost(path, `is damaged (${reasonOf(error)})`, { cause: error });
    throw new AccountsError(unusableText(path, error), { cause: error });
  }
}

/** Throws where a page of the file is not what was written: it would show much later, to whoever needs that page. */
export function refuseFlawed(db: DatabaseSync): void {
  const flaw = Object.values(db.prepare('PRAGMA quick_check(1)').get() ?? {})[0];
  if (flaw !== 'ok') throw Object.assign(new Error(String(flaw)), { errcode: damagedFileCode });
}

/**
 * Throws for a file that is there and empty, beside a log: it held something, and SQLite would begin it anew and delete
 * the write-ahead log that is left of it.
 */
export function refuseEmptied(paths: readonly string[]): void {
  for (const path of paths)
    if (statSync(path, { throwIfNoEntry: false })?.size === 0)
      throw new Unusable(
        `${path} is empty, though there is a log beside it: restore it from a backup, or move it away to begin without what it held`,
      );
}

const fileHeader = 'SQLite format 3\0';

/** What SQLite would take for a new file must not be opened: it also deletes the write-ahead log that is left of the old. */
function refuseLost(path: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) throw new AccountsLost(path, 'is missing');
  if (size === 0) throw new AccountsLost(path, 'is empty');
  const header = Buffer.alloc(fileHeader.length);
  const file = openSync(path, 'r');
  try {
    readSync(file, header, 0, header.length, 0);
  } finally {
    closeSync(file);
  }
  if (header.toString('latin1') !== fileHeader) throw new AccountsLost(path, 'holds no accounts');
}

/** Short, since it is the serving thread that waits; a reader hardly ever does. */
const readTimeoutMs = 200;

/** A second connection that only reads, in the process in which `openAccountsFile` made the file. */
export function openForReading(path: string): DatabaseSync {
  return openAgain(path, readTimeoutMs, 'query_only = ON');
}

/** A further one that writes. */
export function openForGrants(path: string): DatabaseSync {
  return openAgain(path, busyTimeoutMs, 'synchronous = FULL');
}

/**
 * By SQLite alone: were the file opened otherwise and closed, the system would let go of all locks that this process has on
 * it. The next program to leave it would take itself for the last, and delete the write-ahead log that is written here.
 */
function openAgain(path: string, timeout: number, pragma: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout });
  db.exec(`PRAGMA ${pragma}; PRAGMA trusted_schema = OFF`);
  return db;
}

/** Runs `work` as one transaction that holds the write lock from its start. */
export function transact<T>(db: DatabaseSync, work: () => T): T {
  begin(db);
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** How long SQLite itself waits where it is asked again and again. */
const askAgainMs = 10;

/**
 * Takes the write lock. SQLite asks for it less and less often, some fifty times in all: where several processes write one
 * transaction after the other, one may never come upon a moment in which it is free. Asked every few milliseconds, all of
 * them get their turn.
 */
function begin(db: DatabaseSync): void {
  const untilMs = performance.now() + busyTimeoutMs;
  db.exec(`PRAGMA busy_timeout = ${askAgainMs}`);
  try {
    while (!hasBegun(db, performance.now() < untilMs));
  } finally {
    db.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
  }
}

/** `false` where another has the lock, which throws unless it `mayWait`. */
function hasBegun(db: DatabaseSync, mayWait: boolean): boolean {
  try {
    db.exec('BEGIN IMMEDIATE');
    return true;
  } catch (error) {
    if (mayWait && isBusy(error)) return false;
    throw error;
  }
}

const busyCode = 5;

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === busyCode;
}

function migrate(db: DatabaseSync, path: string): void {
  if (schemaVersion(db) === schemaSteps.length) return;
  transact(db, () => {
    // Asked again under the lock: another process may just have done it.
    const version = schemaVersion(db);
    if (version > schemaSteps.length)
      throw new AccountsError(
        `${path} was written by a newer sentlog (schema ${version}, this one knows ${schemaSteps.length}): run that version`,
      );
    for (const step of schemaSteps.slice(version)) db.exec(step);
    db.exec(`PRAGMA user_version = ${schemaSteps.length}`);
  });
}

function schemaVersion(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0);
}

const switchPauseMs = 20;

/** SQLite does not wait for its lock when the journal mode changes, so two first starts at once have to try again. */
export function switchToWriteAheadLog(db: DatabaseSync): void {
  const untilMs = performance.now() + busyTimeoutMs;
  for (;;) {
    try {
      db.exec('PRAGMA journal_mode = WAL');
      return;
    } catch (error) {
      if (performance.now() >= untilMs || !isBusy(error)) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, switchPauseMs);
    }
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Step by step: Node's own `recursive` never returns where a folder cannot hold others, as under /proc. */
export function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process that starts for the first time may have made it meanwhile.
    if (!existsSync(path)) throw error;
  }
}
