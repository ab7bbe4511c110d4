import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { DamagedRow, OtherFormat } from '../files/damage.ts';
import { Statements } from '../files/statements.ts';
import { messageOfCells, reportOfCells } from './row-cells.ts';
import { messageFits, reportFits, stateFits } from './row-sums.ts';
import type { HeldOf, MessageRow, ReportRow, ReportState, Rows, RowsMeta } from './rows.ts';

const formatVersion = 2;
/** Each open file has its own cache; the operating system's serves all of them. */
const cacheKib = 512;

/** What is read of a row has its checksum last. */
const messageColumns =
  'ordinal, account, sent_at, received_at, status, error, at, done_at, seen_at, price, currency, message_count, extra, body, sum';
const stateColumns = 'sequence, previous, status, error, at, done_at, seen_at, price, currency, extra, sum';
const reportColumns = stateColumns.replace('sum', 'message, received_at, said, account, sent_at, changed, moved, sum');
const columnCount = (columns: string) => columns.split(',').length;
export const messageColumnCount = columnCount(messageColumns);
export const reportColumnCount = columnCount(reportColumns);

const reportsFrom = (columns: string) => `SELECT ${columns} FROM report WHERE sequence >= ? ORDER BY sequence LIMIT ?`;

type Kind<R> = {
  readonly what: string;
  readonly of: (cells: readonly unknown[]) => R;
  readonly fits: (row: R, sum: number) => boolean;
};
const aMessage: Kind<MessageRow> = { what: 'message', of: messageOfCells, fits: messageFits };
const aReport: Kind<ReportRow> = { what: 'report', of: reportOfCells, fits: reportFits };
const aState: Kind<ReportState> = { what: 'report', of: reportOfCells, fits: stateFits };

/** A row as it was read, without its checksum; throws `DamagedRow` where that does not fit. */
function sound<R>({ what, of, fits }: Kind<R>, read: unknown): R {
  if (!Array.isArray(read)) throw new DamagedRow(what);
  const sum: unknown = read.at(-1);
  const row = of(read.slice(0, -1));
  if (typeof sum !== 'number' || !fits(row, sum)) throw new DamagedRow(`${what} ${read[0]}`);
  return row;
}

/** How a file is opened: beside its write-ahead log, without one, or to move that into it. */
export type EarlierAccess = 'read' | 'sealed' | 'settle';

/**
 * The SQLite file that an earlier version wrote a segment's rows into. It is read, and what its write-ahead log holds moved
 * into it when it is sealed; nothing is written any more. `message` and `report` were only ever appended to. `sum` is a
 * checksum over the whole row (see row-sums.ts): SQLite does not notice a flipped bit inside a value.
 */
export class EarlierRows implements Rows {
  readonly #db: DatabaseSync;
  readonly #statements: Statements;

  constructor(path: string, access: EarlierAccess) {
    if (access === 'sealed') {
      const url = pathToFileURL(path);
      url.searchParams.set('immutable', '1');
      this.#db = new DatabaseSync(url, { readOnly: true });
    } else this.#db = new DatabaseSync(path, { readOnly: access === 'read', timeout: 5000 });
    this.#statements = new Statements(this.#db);
    this.#db.exec(`PRAGMA cache_size = -${cacheKib}; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0`);
  }

  meta(): RowsMeta {
    const value = (name: string): number => {
      const row = this.#statements.of('SELECT value FROM meta WHERE name = ?').get(name);
      if (!Array.isArray(row) || typeof row[0] !== 'number') throw new DamagedRow(`meta ${name}`);
      return row[0];
    };
    if (value('formatVersion') !== formatVersion)
      throw new OtherFormat('a segment of the log is', value('formatVersion'), formatVersion);
    return { segment: value('segment'), firstSequence: value('firstSequence'), createdAt: value('createdAt') };
  }

  message(ordinal: number): MessageRow | undefined {
    const read = this.#statements.of(`SELECT ${messageColumns} FROM message WHERE ordinal = ?`).get(ordinal);
    return read === undefined ? undefined : sound(aMessage, read);
  }

  report(sequence: number): ReportRow | undefined {
    const read = this.#statements.of(`SELECT ${reportColumns} FROM report WHERE sequence = ?`).get(sequence);
    return read === undefined ? undefined : sound(aReport, read);
  }

  messages(ordinals: readonly number[]): readonly MessageRow[] {
    return this.#among('message', 'ordinal', messageColumns, ordinals).map(read => sound(aMessage, read));
  }

  states(sequences: readonly number[]): readonly ReportState[] {
    return this.#among('report', 'sequence', stateColumns, sequences).map(read => sound(aState, read));
  }

  reports(sequences: readonly number[]): readonly ReportRow[] {
    return this.#among('report', 'sequence', reportColumns, sequences).map(read => sound(aReport, read));
  }

  count(): number {
    const row = this.#statements.of('SELECT coalesce(max(ordinal) + 1, 0) FROM message').get();
    return Array.isArray(row) && typeof row[0] === 'number' ? row[0] : 0;
  }

  accounts(): readonly HeldOf[] {
    const sql = 'SELECT account, count(*), max(sent_at), min(ordinal) FROM message GROUP BY account';
    const rows = this.#statements.of(sql).all() as unknown as readonly (readonly number[])[];
    return rows.map(([account = 0, messages = 0, newestSentAt = 0, firstOrdinal = 0]) => ({
      account,
      messages,
      newestSentAt,
      firstOrdinal,
    }));
  }

  reportCount(firstSequence: number): number {
    const row = this.#statements.of('SELECT max(sequence) FROM report').get();
    return Array.isArray(row) && typeof row[0] === 'number' ? row[0] + 1 - firstSequence : 0;
  }

  messagesFrom(from: number, count: number): readonly MessageRow[] {
    const sql = `SELECT ${messageColumns} FROM message WHERE ordinal >= ? ORDER BY ordinal LIMIT ?`;
    return this.#all(aMessage, sql, from, count);
  }

  reportsFrom(from: number, count: number): readonly ReportRow[] {
    return this.#all(aReport, reportsFrom(reportColumns), from, count);
  }

  /** Moves everything out of the write-ahead log into the file itself. */
  checkpoint(): void {
    const row = this.#statements.of('PRAGMA wal_checkpoint(TRUNCATE)').get();
    if (!Array.isArray(row) || row[0] !== 0) throw new Error('the write-ahead log is still in use');
  }

  close(): void {
    this.#statements.clear();
    if (this.#db.isOpen) this.#db.close();
  }

  #all<R>(kind: Kind<R>, sql: string, ...parameters: number[]): readonly R[] {
    const rows: readonly unknown[] = this.#statements.of(sql).all(...parameters);
    return rows.map(read => sound(kind, read));
  }

  #among(table: string, key: string, columns: string, keys: readonly number[]): readonly unknown[] {
    const [least, greatest] = [Math.min(...keys), Math.max(...keys)];
    if (greatest - least < keys.length * 2) {
      const rows: readonly unknown[] = this.#statements
        .of(`SELECT ${columns} FROM ${table} WHERE ${key} BETWEEN ? AND ?`)
        .all(least, greatest);
      if (greatest - least + 1 === keys.length) return rows;
      const wanted = new Set(keys);
      return rows.filter(row => Array.isArray(row) && wanted.has(row[0]));
    }
    return this.#statements
      .of(`SELECT ${columns} FROM ${table} WHERE ${key} IN (SELECT value FROM json_each(?))`)
      .all(JSON.stringify(keys));
  }
}
