import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { isUnread } from '../../../failures.ts';
import { limits } from '../../../limits.ts';
import { OpenedFile } from '../../../opened-file.ts';
import { DamagedRow, isDamage, OtherFormat } from '../files/damage.ts';
import { type Disk, systemDisk } from '../files/disk.ts';
import { nothingWaits, type WaitingHeld } from '../files/ledger.ts';
import { Statements } from '../files/statements.ts';
import type { Durability } from '../rows/journal-writer.ts';

/**
 * Reports that wait for their messages, in a file of its own: few, and gone as soon as their messages come. `said` is
 * what `waitingText` made; `sum` is a checksum over it, since SQLite does not notice a flipped bit inside a value.
 * `taken_at` is by the clock of `WaitingReports`, which decides how long a report waits at most. `taken` counts all that ever
 * waited: a file that lost the last of them says less than was answered (see `Ledger.waiting`).
 */
const schema = `
  CREATE TABLE waiting (
    number INTEGER PRIMARY KEY, account INTEGER NOT NULL, message_id TEXT NOT NULL, received_at INTEGER NOT NULL,
    taken_at INTEGER NOT NULL, said TEXT NOT NULL, sum INTEGER NOT NULL
  );
  CREATE INDEX waiting_message ON waiting (account, message_id, number);
  CREATE INDEX waiting_age ON waiting (taken_at);`;

const takenSchema = `
  CREATE TABLE IF NOT EXISTS taken (reports INTEGER NOT NULL);
  INSERT INTO taken SELECT (SELECT count(*) FROM waiting) WHERE NOT EXISTS (SELECT 1 FROM taken)`;

/** Which log the reports are of; earlier versions wrote none, and pass over it. */
const ofLogSchema = `
  CREATE TABLE IF NOT EXISTS of_log (hash_seed INTEGER NOT NULL)`;

const formatVersion = 1;
const fileName = 'waiting.db';

export type WaitingRow = {
  readonly number: number;
  readonly account: AccountId;
  readonly messageId: string;
  readonly receivedAt: EpochMs;
  /** `undefined` where it is damaged. */
  readonly said: string | undefined;
};

/** How reports are kept, and the seed of the log that they are of. */
export type WaitingKept = { readonly durability: Durability; readonly hashSeed: number };

/** Its reports are sound, and none of this log's. */
class OtherLog extends DamagedRow {
  constructor() {
    super('the file (it is of another log)');
  }
}

/** The file, what was wrong with the one that stood there, and how many reports are lost of those that waited in it. */
export type OpenedWaiting = { readonly file: WaitingFile; readonly damage?: string; readonly lost: number };

/**
 * Opens the file of a data folder. A damaged one is moved to `damaged/`, and a new one begun with what can still be read
 * of it; of another log's, nothing. `known` is what was answered: what of it is not there any more is lost.
 */
export function openWaitingFile(
  dataDir: string,
  kept: WaitingKept,
  disk: Disk = systemDisk,
  known: WaitingHeld = nothingWaits,
): OpenedWaiting {
  const { file, damage } = openOrMend(dataDir, join(dataDir, fileName), kept, disk, known.reports > 0);
  const lost = Math.max(0, Math.min(known.taken - file.taken, known.reports - file.size));
  return { file, ...(damage !== undefined && { damage }), lost };
}

function openOrMend(
  dataDir: string,
  path: string,
  kept: WaitingKept,
  disk: Disk,
  isNeeded: boolean,
): Omit<OpenedWaiting, 'lost'> {
  if (isLeftMended(path, disk)) putMended(dataDir, path, disk);
  try {
    // SQLite would begin anew, and delete the write-ahead log that is left of the old one.
    if (isNeeded && (disk.size(path) ?? 0) === 0) throw new DamagedRow('the file (it is missing or empty)');
    return { file: new WaitingFile(path, kept) };
  } catch (error) {
    if (isUnread(error)) error.message += ` '${path}'`;
    if (!isDamage(error)) throw error;
    removeWhole(path + mendedSuffix, disk);
    const mended = new WaitingFile(path + mendedSuffix, kept);
    try {
      const readable = error instanceof OtherLog ? [] : readableRows(path, disk);
      for (const { said, takenAt, ...row } of readable) if (said !== undefined) mended.add({ ...row, said }, takenAt);
      mended.commit();
    } finally {
      mended.close();
    }
    const aside = putMended(dataDir, path, disk);
    const file = new WaitingFile(path, kept);
    const reason = error instanceof Error ? error.message : String(error);
    return { file, damage: aside ? `${reason}; it was set aside, and ${file.size} reports brought back` : reason };
  }
}

/** What a mended file is called until the damaged one is out of the way: what could be read stands in one of the two. */
const mendedSuffix = '.mended';
const walSuffixes = ['', '-wal', '-shm'];

/** Sets the damaged file aside and puts the mended one in its place; `false` when there was nothing to set aside. */
function putMended(dataDir: string, path: string, disk: Disk): boolean {
  const aside = setAside(dataDir, path, disk);
  disk.rename(path + mendedSuffix, path);
  disk.syncFolder(dataDir);
  return aside;
}

/** A process that ended in between left the mended file whole: it is closed before the damaged one is moved. */
function isLeftMended(path: string, disk: Disk): boolean {
  return !disk.exists(path) && disk.exists(path + mendedSuffix) && !disk.exists(`${path + mendedSuffix}-wal`);
}

function removeWhole(path: string, disk: Disk): void {
  for (const suffix of walSuffixes) disk.remove(path + suffix);
}

/** `false` when there was nothing. */
function setAside(dataDir: string, path: string, disk: Disk): boolean {
  const aside = join(dataDir, 'damaged');
  const files = walSuffixes.filter(suffix => disk.exists(path + suffix));
  if (files.length === 0) return false;
  disk.makeFolder(aside);
  let name = fileName;
  for (let number = 2; disk.exists(join(aside, name)); number++) name = `${number}.${fileName}`;
  for (const suffix of files) disk.rename(path + suffix, join(aside, name + suffix));
  return true;
}

type ReadableRow = Omit<WaitingRow, 'number'> & { readonly takenAt: EpochMs };

/** What of a damaged file can be read: each row is looked for by itself, by the numbers that an index still has. */
function readableRows(path: string, disk: Disk): readonly ReadableRow[] {
  if ((disk.size(path) ?? 0) === 0) return [];
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!isDamage(error)) throw error;
      return undefined;
    }
  };
  const db = attempt(() => new DatabaseSync(path, { readOnly: true }));
  if (db === undefined) return [];
  try {
    const numbersBy = (index: string) =>
      attempt(() => db.prepare(`SELECT number FROM waiting INDEXED BY ${index} ORDER BY number`).all());
    const numbers = numbersBy('waiting_age') ?? numbersBy('waiting_message') ?? [];
    return numbers.flatMap(({ number }) => {
      const row = attempt(() => db.prepare('SELECT * FROM waiting WHERE number = ?').get(number ?? 0));
      if (row === undefined) return [];
      const [said, sum] = [String(row.said), Number(row.sum)];
      if (crc32(said) !== sum) return [];
      const [account, messageId] = [Number(row.account), String(row.message_id)];
      return [{ account, messageId, receivedAt: Number(row.received_at), takenAt: Number(row.taken_at), said }];
    });
  } finally {
    db.close();
  }
}

/** What changes joins a transaction that `commit` ends; the segment that a report went to must be durable before. */
export class WaitingFile {
  readonly #db: DatabaseSync;
  readonly #opened: OpenedFile;
  readonly #statements: Statements;
  /** How many wait for each message, and of each account: nearly every message is one that nothing waits for. */
  readonly #ofMessage = new Map<string, number>();
  readonly #ofAccount = new Map<AccountId, number>();
  #size = 0;
  #taken = 0;

  /** Throws what `isDamage` knows when the file is not what was written. */
  constructor(path: string, { durability, hashSeed }: WaitingKept) {
    this.#db = new DatabaseSync(path, { timeout: 5000 });
    this.#opened = new OpenedFile(path);
    this.#statements = new Statements(this.#db);
    try {
      this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'}`);
      const [version] = this.#row('PRAGMA user_version');
      if (version === 0) this.#db.exec(`BEGIN; ${schema} PRAGMA user_version = ${formatVersion}; COMMIT`);
      else if (version !== formatVersion) throw new OtherFormat(`${path} is`, version, formatVersion);
      this.#db.exec(takenSchema);
      this.#refuseOtherLog(hashSeed);
      // With what the indexes say: by them reports are found.
      const [flaw] = this.#row('PRAGMA integrity_check(1)');
      if (flaw !== 'ok') throw new DamagedRow(`the file (${String(flaw)})`);
      this.#learn();
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  get size(): number {
    return this.#size;
  }

  /** How many ever waited, those of an open transaction among them. */
  get taken(): number {
    return this.#taken;
  }

  /** When the last of those that wait was taken. */
  get youngest(): number | undefined {
    const [takenAt] = this.#row('SELECT max(taken_at) FROM waiting');
    return typeof takenAt === 'number' ? takenAt : undefined;
  }

  has(account: AccountId, messageId: string): boolean {
    return this.#size > 0 && this.#ofMessage.has(keyOf(account, messageId));
  }

  /** What waits in a file that was moved or replaced nobody would find: throws `Unavailable`. */
  refuseMoved(): void {
    this.#opened.refuseMoved();
  }

  /** `false` when no more may wait. What waits already is not taken again. */
  add(row: Omit<WaitingRow, 'number'> & { readonly said: string }, takenAt: EpochMs): boolean {
    const { account, messageId, receivedAt, said } = row;
    const onMessage = this.#ofMessage.get(keyOf(account, messageId)) ?? 0;
    const repeats = 'SELECT count(*) FROM waiting WHERE account = ? AND message_id = ? AND said = ?';
    if (onMessage > 0 && this.#row(repeats, account, messageId, said)[0] !== 0) return true;
    const ofAccount = this.#ofAccount.get(account) ?? 0;
    const { waitingOnMessageMax, waitingOfAccountMax, waitingMax } = limits;
    if (onMessage >= waitingOnMessageMax || ofAccount >= waitingOfAccountMax || this.#size >= waitingMax) return false;
    this.#change(
      'INSERT INTO waiting (account, message_id, received_at, taken_at, said, sum) VALUES (?, ?, ?, ?, ?, ?)',
      account,
      messageId,
      receivedAt,
      takenAt,
      said,
      crc32(said),
    );
    this.#change('UPDATE taken SET reports = reports + 1');
    this.#taken++;
    this.#count(account, messageId, 1);
    return true;
  }

  /** The reports that wait for a message, in the order they came. */
  of(account: AccountId, messageId: string): readonly WaitingRow[] {
    return this.#rows('account = ? AND message_id = ? ORDER BY number', account, messageId);
  }

  /** Some that came after the one of this number, in the order they came. */
  after(number: number, count: number): readonly WaitingRow[] {
    return this.#rows('number > ? ORDER BY number LIMIT ?', number, count);
  }

  remove({ number, account, messageId }: WaitingRow): void {
    this.#change('DELETE FROM waiting WHERE number = ?', number);
    this.#count(account, messageId, -1);
  }

  /** Some that were taken before this moment, in the order they came. */
  before(takenAt: EpochMs, count: number): readonly WaitingRow[] {
    return this.#rows('taken_at < ? ORDER BY number LIMIT ?', takenAt, count);
  }

  /** When it returns, what was changed is durable. */
  commit(): void {
    if (this.#db.isTransaction) this.#db.exec('COMMIT');
  }

  undo(): void {
    if (!this.#db.isTransaction) return;
    this.#db.exec('ROLLBACK');
    this.#learn();
  }

  close(): void {
    this.#statements.clear();
    if (this.#db.isOpen) this.#db.close();
  }

  #refuseOtherLog(hashSeed: number): void {
    this.#db.exec(ofLogSchema);
    const [found] = this.#row('SELECT hash_seed FROM of_log');
    if (found === undefined) this.#statements.of('INSERT INTO of_log VALUES (?)').run(hashSeed);
    else if (found !== hashSeed) throw new OtherLog();
  }

  #learn(): void {
    this.#ofMessage.clear();
    this.#ofAccount.clear();
    this.#size = 0;
    this.#taken = Number(this.#row('SELECT reports FROM taken')[0] ?? 0);
    const counts = this.#statements
      .of('SELECT account, message_id, count(*) FROM waiting GROUP BY account, message_id')
      .all();
    for (const [account, messageId, count] of counts as unknown as readonly (readonly [number, string, number])[])
      this.#count(account, messageId, count);
  }

  #count(account: AccountId, messageId: string, by: number): void {
    this.#size += by;
    add(this.#ofMessage, keyOf(account, messageId), by);
    add(this.#ofAccount, account, by);
  }

  /** A row that does not fit its checksum costs itself alone. */
  #rows(where: string, ...values: readonly (number | string)[]): readonly WaitingRow[] {
    const sql = `SELECT number, account, message_id, received_at, said, sum FROM waiting WHERE ${where}`;
    const rows = this.#statements.of(sql).all(...values) as unknown as readonly Stored[];
    return rows.map(([number, account, messageId, receivedAt, said, sum]) => ({
      number,
      account,
      messageId,
      receivedAt,
      said: crc32(said) === sum ? said : undefined,
    }));
  }

  #row(sql: string, ...values: readonly (number | string)[]): readonly unknown[] {
    const row: unknown = this.#statements.of(sql).get(...values);
    return Array.isArray(row) ? row : [];
  }

  #change(sql: string, ...values: readonly (number | string)[]): void {
    if (!this.#db.isTransaction) {
      this.refuseMoved();
      this.#db.exec('BEGIN IMMEDIATE');
    }
    this.#statements.of(sql).run(...values);
  }
}

type Stored = readonly [
  number: number,
  account: number,
  messageId: string,
  receivedAt: number,
  said: string,
  sum: number,
];

const keyOf = (account: AccountId, messageId: string) => `${account} ${messageId}`;

function add<K>(counts: Map<K, number>, key: K, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
