import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { DamagedRow, OtherFormat } from '../files/damage.ts';
import type { Disk } from '../files/disk.ts';
import {
  type MessageRow,
  messageFits,
  messageSum,
  type ReportRow,
  type ReportState,
  reportFits,
  reportSum,
  stateFits,
} from './rows.ts';
import { noAccount } from './shared-segment.ts';

/**
 * A segment's SQLite file. `message` and `report` are only ever appended to: a message's row is what it was recorded
 * with, and each report row holds the state the message has from then on, with the sequence of the report before it.
 * So a sealed file never changes, and every earlier state can still be read.
 *
 * `body` packs the texts (see packed-batch.ts) because binding and reading one column costs a third of eight.
 * `sum` is a checksum over the whole row (see rows.ts): SQLite does not notice a flipped bit inside a value.
 */
const schema = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
  CREATE TABLE message (
    ordinal INTEGER PRIMARY KEY, account INTEGER NOT NULL, sent_at INTEGER NOT NULL, received_at INTEGER NOT NULL,
    status INTEGER NOT NULL, error INTEGER NOT NULL, at INTEGER NOT NULL, done_at INTEGER, seen_at INTEGER,
    price REAL, currency TEXT, message_count INTEGER NOT NULL, extra TEXT, sum INTEGER NOT NULL, body TEXT NOT NULL
  );
  CREATE TABLE report (
    sequence INTEGER PRIMARY KEY, previous INTEGER NOT NULL, status INTEGER NOT NULL, error INTEGER NOT NULL,
    at INTEGER NOT NULL, done_at INTEGER, seen_at INTEGER, price REAL, currency TEXT, extra TEXT, sum INTEGER NOT NULL,
    message INTEGER NOT NULL, received_at INTEGER NOT NULL, said TEXT NOT NULL,
    account INTEGER NOT NULL, sent_at INTEGER NOT NULL, changed INTEGER NOT NULL,
    moved TEXT
  );`;

const formatVersion = 2;
/** Larger pages hold more rows a read, and waste less on the row that did not fit. */
const pageBytes = 8192;
/** Each open file has its own cache; the operating system's serves all of them. */
const cacheKib = 512;

export type Durability = 'full' | 'os';

/** What is read of a row has its checksum last. */
const messageColumns =
  'ordinal, account, sent_at, received_at, status, error, at, done_at, seen_at, price, currency, message_count, extra, body, sum';
const stateColumns = 'sequence, previous, status, error, at, done_at, seen_at, price, currency, extra, sum';
const reportColumns = stateColumns.replace('sum', 'message, received_at, said, account, sent_at, changed, moved, sum');
const columnCount = (columns: string) => columns.split(',').length;
export const messageColumnCount = columnCount(messageColumns);
export const reportColumnCount = columnCount(reportColumns);

const reportsFrom = (columns: string) => `SELECT ${columns} FROM report WHERE sequence >= ? ORDER BY sequence LIMIT ?`;

type Kind<R> = { readonly what: string; readonly fits: (row: R, sum: number) => boolean };
const aMessage: Kind<MessageRow> = { what: 'message', fits: messageFits };
const aReport: Kind<ReportRow> = { what: 'report', fits: reportFits };
const aState: Kind<ReportState> = { what: 'report', fits: stateFits };

/** A row as it was read, without its checksum; throws `DamagedRow` where that does not fit. */
function sound<R>({ what, fits }: Kind<R>, read: unknown): R {
  if (!Array.isArray(read)) throw new DamagedRow(what);
  const sum: unknown = read.pop();
  const row = read as R & { readonly 0: number };
  if (typeof sum !== 'number' || !fits(row, sum)) throw new DamagedRow(`${what} ${row[0]}`);
  return row;
}

/** Creates a segment's file with nothing in it, under a temporary name first: a file that is there is whole. */
export function createRowsFile(
  disk: Disk,
  path: string,
  segmentId: number,
  firstSequence: number,
  createdAt: number,
): void {
  const temporary = `${path}.tmp`;
  for (const suffix of ['', '-wal', '-shm']) disk.remove(temporary + suffix);
  const db = new DatabaseSync(temporary);
  try {
    db.exec(`PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN;`);
    db.exec(schema);
    const insert = db.prepare('INSERT INTO meta (name, value) VALUES (?, ?)');
    insert.run('formatVersion', formatVersion);
    insert.run('segment', segmentId);
    insert.run('firstSequence', firstSequence);
    insert.run('createdAt', createdAt);
    db.exec('COMMIT');
  } finally {
    db.close();
  }
  disk.rename(temporary, path);
}

/** What a segment holds of an account; how many, when the newest was sent, and which was recorded first. */
export type HeldOf = readonly [account: number, messages: number, newestSentAt: number, firstOrdinal: number];

export type RowsMeta = { readonly segment: number; readonly firstSequence: number; readonly createdAt: number };

/** How a file is opened: for the one writer, for reading beside it, or sealed, when nobody writes it any more. */
export type RowsAccess =
  | { readonly mode: 'write'; readonly durability: Durability }
  | { readonly mode: 'read' | 'sealed' };

export class RowsFile {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string, access: RowsAccess) {
    this.#path = path;
    if (access.mode === 'sealed') {
      const url = pathToFileURL(path);
      url.searchParams.set('immutable', '1');
      this.#db = new DatabaseSync(url, { readOnly: true });
    } else this.#db = new DatabaseSync(path, { readOnly: access.mode === 'read', timeout: 5000 });
    this.#db.exec(`PRAGMA cache_size = -${cacheKib}`);
    if (access.mode === 'write') {
      const synchronous = access.durability === 'full' ? 'FULL' : 'NORMAL';
      // The sealer checkpoints once, when the segment is full: the write path never stops for it.
      this.#db.exec(`PRAGMA synchronous = ${synchronous}; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -16384`);
    }
  }

  meta(): RowsMeta {
    const value = (name: string): number => {
      const row = this.#prepare('SELECT value FROM meta WHERE name = ?').get(name);
      if (!Array.isArray(row) || typeof row[0] !== 'number') throw new DamagedRow(`meta ${name}`);
      return row[0];
    };
    if (value('formatVersion') !== formatVersion)
      throw new OtherFormat('a segment of the log is', value('formatVersion'), formatVersion);
    return { segment: value('segment'), firstSequence: value('firstSequence'), createdAt: value('createdAt') };
  }

  begin(): void {
    this.#db.exec('BEGIN IMMEDIATE');
  }

  commit(): void {
    this.#db.exec('COMMIT');
  }

  rollback(): void {
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }

  insertMessage(row: MessageRow): void {
    this.#prepare(`INSERT INTO message (${messageColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`).run(
      ...row,
      messageSum(row),
    );
  }

  insertReport(row: ReportRow): void {
    this.#prepare(
      `INSERT INTO report (${reportColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ).run(...row, reportSum(row));
  }

  message(ordinal: number): MessageRow | undefined {
    const read = this.#prepare(`SELECT ${messageColumns} FROM message WHERE ordinal = ?`).get(ordinal);
    return read === undefined ? undefined : sound(aMessage, read);
  }

  report(sequence: number): ReportRow | undefined {
    const read = this.#prepare(`SELECT ${reportColumns} FROM report WHERE sequence = ?`).get(sequence);
    return read === undefined ? undefined : sound(aReport, read);
  }

  /** The rows of the given ordinals, in no particular order; a run of neighbours is read as one range. */
  messages(ordinals: readonly number[]): readonly MessageRow[] {
    return this.#among('message', 'ordinal', messageColumns, ordinals).map(read => sound(aMessage, read));
  }

  /** The states that the given reports left their messages in, in no particular order. */
  states(sequences: readonly number[]): readonly ReportState[] {
    return this.#among('report', 'sequence', stateColumns, sequences).map(read => sound(aState, read));
  }

  /** The given reports, in no particular order. */
  reports(sequences: readonly number[]): readonly ReportRow[] {
    return this.#among('report', 'sequence', reportColumns, sequences).map(read => sound(aReport, read));
  }

  /** How many messages there are, the lost ones in between included: their ordinals run on from 0. */
  count(): number {
    const row = this.#prepare('SELECT coalesce(max(ordinal) + 1, 0) FROM message').get();
    return Array.isArray(row) && typeof row[0] === 'number' ? row[0] : 0;
  }

  accounts(): readonly HeldOf[] {
    const sql = 'SELECT account, count(*), max(sent_at), min(ordinal) FROM message GROUP BY account';
    return this.#prepare(sql).all() as unknown as readonly HeldOf[];
  }

  /** How many reports there are, the lost ones in between included; their sequences run on from the first. */
  reportCount(firstSequence: number): number {
    const row = this.#prepare('SELECT max(sequence) FROM report').get();
    return Array.isArray(row) && typeof row[0] === 'number' ? row[0] + 1 - firstSequence : 0;
  }

  /** Makes a message nobody's. */
  disown(ordinal: number): void {
    const row = this.message(ordinal);
    if (row === undefined) throw new RangeError(`there is no message ${ordinal}`);
    row[1] = noAccount;
    this.#prepare('UPDATE message SET account = ?, sum = ? WHERE ordinal = ?').run(noAccount, messageSum(row), ordinal);
  }

  setFirstSequence(firstSequence: number): void {
    this.#prepare("UPDATE meta SET value = ? WHERE name = 'firstSequence'").run(firstSequence);
  }

  /** Every row from `from` on, `count` at a time: for rebuilding what is kept in memory. */
  messagesFrom(from: number, count: number): readonly MessageRow[] {
    const sql = `SELECT ${messageColumns} FROM message WHERE ordinal >= ? ORDER BY ordinal LIMIT ?`;
    return this.#all(aMessage, sql, from, count);
  }

  reportsFrom(from: number, count: number): readonly ReportRow[] {
    return this.#all(aReport, reportsFrom(reportColumns), from, count);
  }

  /** Which message each report is on, and the status it left it in. */
  outcomesFrom(from: number, count: number): readonly (readonly [sequence: number, message: number, status: number])[] {
    const rows = this.#prepare(reportsFrom('sequence, message, status')).all(from, count);
    return rows as unknown as readonly (readonly [number, number, number])[];
  }

  /** An account's messages among the ordinals from `from` to before `to`, in order, at most `count`. */
  messagesOf(account: number, from: number, to: number, count: number): readonly MessageRow[] {
    const sql = `SELECT ${messageColumns} FROM message WHERE ordinal >= ? AND ordinal < ? AND account = ? ORDER BY ordinal LIMIT ?`;
    return this.#all(aMessage, sql, from, to, account, count);
  }

  /** The reports that changed an account's logs, among the sequences from `from` to before `to`, in order. */
  changesOf(account: number, from: number, to: number, count: number): readonly ReportRow[] {
    const sql = `SELECT ${reportColumns} FROM report WHERE sequence >= ? AND sequence < ? AND account = ? AND changed = 1
       ORDER BY sequence LIMIT ?`;
    return this.#all(aReport, sql, from, to, account, count);
  }

  /** Moves everything out of the write-ahead log into the file itself. */
  checkpoint(): void {
    const row = this.#prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
    if (!Array.isArray(row) || row[0] !== 0) throw new Error('the write-ahead log is still in use');
  }

  get isOpen(): boolean {
    return this.#db.isOpen;
  }

  /** As `close`, without copying the write-ahead log into the file, since there may be no room for it. */
  closeAsItIs(): void {
    // Only the last connection copies, and one that may only read cannot.
    const last = new RowsFile(this.#path, { mode: 'read' });
    last.count();
    this.close();
    last.close();
  }

  close(): void {
    this.#statements.clear();
    if (this.#db.isOpen) this.#db.close();
  }

  #all<R>(kind: Kind<R>, sql: string, ...parameters: number[]): readonly R[] {
    const rows: readonly unknown[] = this.#prepare(sql).all(...parameters);
    return rows.map(read => sound(kind, read));
  }

  #among(table: string, key: string, columns: string, keys: readonly number[]): readonly unknown[] {
    const [least, greatest] = [Math.min(...keys), Math.max(...keys)];
    if (greatest - least < keys.length * 2) {
      const rows: readonly unknown[] = this.#prepare(
        `SELECT ${columns} FROM ${table} WHERE ${key} BETWEEN ? AND ?`,
      ).all(least, greatest);
      if (greatest - least + 1 === keys.length) return rows;
      const wanted = new Set(keys);
      return rows.filter(row => Array.isArray(row) && wanted.has(row[0]));
    }
    return this.#prepare(`SELECT ${columns} FROM ${table} WHERE ${key} IN (SELECT value FROM json_each(?))`).all(
      JSON.stringify(keys),
    );
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      statement.setReturnArrays(true);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
