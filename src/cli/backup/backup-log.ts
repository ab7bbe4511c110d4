import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { type Disk, systemDisk } from '../../store/embedded/files/disk.ts';
import { holdingsIn, isLedgerEmpty, Ledger } from '../../store/embedded/files/ledger.ts';
import { CommandError } from '../terminal.ts';
import { copyIfThere, growingAt, hasOnlyGrown, stampOf } from './copy-file.ts';

/**
 * A copy of a data folder whose server goes on. It is what a crash would leave, of a moment after the backup began: each
 * kind of file is copied before whatever it may be behind of, never before what it must not be ahead of.
 *
 * - `ledger` says what must be there: before the rows, which only grow, and before the reports that wait; and before
 *   `log.json`, where what is lost or dropped is told first.
 * - A report leaves `waiting.db` once it is in the rows; a mirror's place moves, and the outbox lets go, once the log
 *   has what they tell of: before the rows. What is said to the log again, it knows.
 * - `databases` names those that must be there: before them.
 * - An account is there before its first message: after the rows.
 */
const databasesBefore = ['waiting.db', 'mirrors.db', 'senders.db', 'outbox.db'];
const filesBefore = ['databases', 'ledger', 'ledger.copy', 'log.json', 'log.json.copy', 'clock'];
const databasesAfter = ['accounts.db'];
/** A segment is sealed, has its facets made, then a volume, and loses its rows file: each may come while it is copied. */
const triesMax = 20;

const segmentName = /^(\d{9,})\.(?:journal|rows\.db|volume)$/;

/** Copies a data folder into an empty one; gives how many segments there are. */
export async function copyLog(dataDir: string, to: string, disk: Disk = systemDisk): Promise<number> {
  const [from, into] = [join(dataDir, 'segments'), join(to, 'segments')];
  copyFilesBefore(dataDir, to, disk);
  // The log's first record came meanwhile: `log.json` may tell of a ledger that held nothing when it was copied.
  if (isLedgerEmpty(to) && !isLedgerEmpty(dataDir)) copyFilesBefore(dataDir, to, disk);
  for (const name of databasesBefore) await copyDatabase(dataDir, to, name);
  mkdirSync(into, { mode: 0o700 });
  for (const id of segmentsIn(from)) copySegment(from, into, id, disk);
  const damaged = join(dataDir, 'damaged');
  if (existsSync(damaged)) {
    mkdirSync(join(to, 'damaged'), { mode: 0o700 });
    for (const name of readdirSync(damaged)) copyIfThere(join(damaged, name), join(to, 'damaged', name), disk);
  }
  for (const name of databasesAfter) await copyDatabase(dataDir, to, name);
  if (leaveOutDropped(dataDir, to)) await takeTrust(dataDir, to);
  return segmentsIn(into).length;
}

function copyFilesBefore(dataDir: string, to: string, disk: Disk): void {
  for (const name of filesBefore) {
    rmSync(join(to, name), { force: true });
    copyIfThere(join(dataDir, name), join(to, name), disk);
  }
}

/** The segments in a folder, by the number that their files begin with. */
export function segmentsIn(folder: string): readonly string[] {
  const ids = readdirSync(folder).flatMap(name => segmentName.exec(name)?.[1] ?? []);
  return [...new Set(ids)].sort();
}

const fixedFilesOf = (id: string) => [`${id}.rows.db`, `${id}.volume`, `${id}.index`, `${id}.facets`];

/** What only grows: a journal, and the write-ahead log of an earlier version, before its file. */
const growingFilesOf = (id: string) => [`${id}.rows.db-wal`, `${id}.journal`];

/**
 * What grows is copied before what stays as it is until the segment is sealed: what is appended meanwhile is cut off, as by
 * a crash. Nothing is copied of what is dropped meanwhile.
 */
function copySegment(from: string, to: string, id: string, disk: Disk): void {
  const stamps = () => fixedFilesOf(id).map(name => stampOf(join(from, name)) ?? '');
  const grown = (folder = from) => growingFilesOf(id).map(name => growingAt(join(folder, name)));
  for (let tries = 1; tries <= triesMax; tries++) {
    const [before, grownBefore] = [stamps(), grown()];
    const copied = [...growingFilesOf(id), ...fixedFilesOf(id)].filter(name =>
      copyIfThere(join(from, name), join(to, name), disk),
    );
    const [copies, grownAfter] = [grown(to), grown()];
    const isOfOneMoment =
      stamps().every((stamp, i) => stamp === before[i]) &&
      grownAfter.every((after, i) => hasOnlyGrown(grownBefore[i], copies[i], after));
    const hasRows = copied.some(name => segmentName.test(name));
    const isWhole = growingFilesOf(id).every((name, i) => copied.includes(name) === (grownAfter[i] !== undefined));
    if (isOfOneMoment && hasRows && isWhole) return;
    removeSegment(to, id);
    if (isOfOneMoment && !hasRows) return;
  }
  throw new CommandError(`segment ${id} changed too often while it was copied: try again`);
}

function removeSegment(folder: string, id: string): void {
  for (const name of [...growingFilesOf(id), ...fixedFilesOf(id)]) rmSync(join(folder, name), { force: true });
}

/**
 * Makes the copied ledger name what is in the copy. A segment leaves the ledger before its files go: one that the log's
 * own ledger still names must be there, or among what was set aside. Whether any was dropped.
 */
function leaveOutDropped(dataDir: string, to: string): boolean {
  const [named, kept] = [holdingsIn(to), holdingsIn(dataDir)];
  const dropped = [...named.keys()].filter(id => !kept.has(id));
  for (const id of dropped) removeSegment(join(to, 'segments'), String(id).padStart(9, '0'));
  const folders = [join(to, 'segments'), join(to, 'damaged')].filter(folder => existsSync(folder));
  const there = new Set(folders.flatMap(segmentsIn).map(Number));
  const lacking = [...named.keys()].filter(id => kept.has(id) && !there.has(id));
  if (lacking.length > 0)
    throw new CommandError(
      `the ledger names segment ${lacking.join(', ')}, of which there are no rows in ${join(dataDir, 'segments')}: ` +
        'a start of the server says what is lost',
    );
  if (dropped.length === 0) return false;
  const ledger = new Ledger(to);
  try {
    ledger.remove(dropped);
  } finally {
    ledger.close();
  }
  return true;
}

/** Before anything is dropped, `log.json` says from when on the counts still add up: its copy may be older than that. */
async function takeTrust(dataDir: string, to: string): Promise<void> {
  const { LogFile } = await import('../../store/embedded/log/log-file.ts');
  const present = join(to, 'present');
  mkdirSync(present, { mode: 0o700 });
  for (const name of ['log.json', 'log.json.copy']) copyIfThere(join(dataDir, name), join(present, name));
  const { trust, setAside, gaps } = new LogFile(present);
  const copied = new LogFile(to);
  copied.trusting(trust, setAside);
  if (gaps) copied.noteGaps();
  rmSync(present, { recursive: true });
}

/** By SQLite itself, as of one moment, whoever writes to it meanwhile. */
async function copyDatabase(from: string, to: string, name: string): Promise<void> {
  const path = join(from, name);
  if (!existsSync(path)) return;
  const source = new DatabaseSync(path, { readOnly: true, timeout: 10_000 });
  try {
    // All pages at once: in parts, a writer that does not rest would have it begin anew for ever.
    await backup(source, join(to, name), { rate: 0x7fff_ffff });
  } finally {
    source.close();
  }
}
