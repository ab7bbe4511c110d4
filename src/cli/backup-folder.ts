import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { CommandError } from './terminal.ts';

/**
 * A copy of a data folder whose server goes on. It is what a crash would leave, of a moment after the backup began: each
 * kind of file is copied before whatever it may be behind of, never before what it must not be ahead of.
 *
 * - `ledger` says what must be there: before the rows, which only grow.
 * - A report leaves `waiting.db` once it is in the rows; a mirror's place moves, and the outbox lets go, once the log
 *   has what they tell of: before the rows. What is said to the log again, it knows.
 * - An account is there before its first message: after the rows.
 */
const databasesBefore = ['waiting.db', 'mirrors.db', 'senders.db', 'outbox.db'];
const filesBefore = ['log.json', 'log.json.copy', 'ledger', 'ledger.copy', 'clock'];
const databasesAfter = ['accounts.db'];
/** What names a folder as a whole backup; it is written last. */
const markName = 'backup.json';
/** On its way to be sent when the backup was made: whoever goes on from it would send it once more. */
const onItsWay = ['outbox.db'];
const triesMax = 5;

export type Copied = { readonly segments: number; readonly bytes: number };

/** Something was sealed or dropped while it was copied: what was copied of it is of two moments. */
class Moved extends Error {}

/** Makes `to`, which must not be there yet, a backup of a data folder. */
export async function backUp(dataDir: string, to: string): Promise<Copied> {
  if (!existsSync(join(dataDir, 'log.json')))
    throw new CommandError(`there is no log in ${dataDir}: --data-dir says where it is`);
  return whole(to, async folder => {
    for (let tries = 1; ; tries++)
      try {
        return await copyLog(dataDir, folder);
      } catch (error) {
        if (!(error instanceof Moved)) throw error;
        if (tries === triesMax)
          throw new CommandError('the log changed too much meanwhile: try again', { cause: error });
        rmSync(folder, { recursive: true });
        mkdirSync(folder, { mode: 0o700 });
      }
  });
}

async function copyLog(dataDir: string, to: string): Promise<Copied> {
  const segments = join(dataDir, 'segments');
  for (const name of databasesBefore) await copyDatabase(dataDir, to, name);
  for (const name of filesBefore) copyIfThere(join(dataDir, name), join(to, name));
  const ids = segmentNames(segments);
  mkdirSync(join(to, 'segments'), { mode: 0o700 });
  for (const id of ids) copySegment(segments, join(to, 'segments'), id);
  if (existsSync(join(dataDir, 'damaged'))) {
    mkdirSync(join(to, 'damaged'), { mode: 0o700 });
    for (const name of readdirSync(join(dataDir, 'damaged')))
      copyIfThere(join(dataDir, 'damaged', name), join(to, 'damaged', name));
  }
  for (const name of databasesAfter) await copyDatabase(dataDir, to, name);
  const kept = new Set(segmentNames(segments));
  if (ids.some(id => !kept.has(id))) throw new Moved('a segment was dropped');
  return { segments: ids.length, bytes: bytesIn(to) };
}

function segmentNames(folder: string): readonly string[] {
  return readdirSync(folder)
    .flatMap(name => /^(\d{9,})\.rows\.db$/.exec(name)?.[1] ?? [])
    .sort();
}

/**
 * The log before its file, which stays as it is until the segment is sealed: what is appended meanwhile is cut off, as
 * by a crash.
 */
function copySegment(from: string, to: string, id: string): void {
  const rows = `${id}.rows.db`;
  for (let tries = 1; tries <= triesMax; tries++) {
    const before = stampOf(join(from, rows));
    const hasLog = copyIfThere(join(from, `${rows}-wal`), join(to, `${rows}-wal`));
    if (!copyIfThere(join(from, rows), join(to, rows))) throw new Moved('a segment was dropped');
    const index = copyIfThere(join(from, `${id}.index`), join(to, `${id}.index`));
    if (stampOf(join(from, rows)) === before && hasLog === existsSync(join(from, `${rows}-wal`))) {
      if (index) copyIfThere(join(from, `${id}.facets`), join(to, `${id}.facets`));
      return;
    }
    for (const name of [rows, `${rows}-wal`, `${id}.index`]) rmSync(join(to, name), { force: true });
  }
  throw new Moved('a segment was sealed');
}

function stampOf(path: string): string {
  const { mtimeNs, size, ino } = statSync(path, { bigint: true });
  return `${mtimeNs} ${size} ${ino}`;
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

/** Makes a data folder of a backup. What was on its way to be sent is left out, unless `withOutbox`. */
export async function restore(from: string, dataDir: string, withOutbox: boolean): Promise<Copied> {
  if (!existsSync(join(from, markName)))
    throw new CommandError(`${from} is no backup, or one that was not finished: it has no ${markName}`);
  return whole(dataDir, async folder => {
    const left = withOutbox ? [markName] : [markName, ...onItsWay];
    copyFolder(from, folder, left);
    return { segments: segmentNames(join(folder, 'segments')).length, bytes: bytesIn(folder) };
  });
}

function copyFolder(from: string, to: string, left: readonly string[]): void {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (left.includes(entry.name)) continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (!entry.isDirectory()) copyIfThere(source, target);
    else {
      mkdirSync(target, { mode: 0o700 });
      copyFolder(source, target, []);
    }
  }
}

/** Works in a folder beside, which takes its name when all of it is on disk: what is there is whole. */
async function whole(path: string, work: (folder: string) => Promise<Copied>): Promise<Copied> {
  const to = resolve(path);
  if (existsSync(to) && readdirSync(to).length > 0)
    throw new CommandError(`${path} is not empty: nothing is written over`);
  const partial = `${to}.partial`;
  mkdirSync(dirname(to), { recursive: true });
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { mode: 0o700 });
  try {
    const copied = await work(partial);
    writeFileSync(join(partial, markName), `${JSON.stringify({ madeAt: new Date().toISOString(), ...copied })}\n`);
    syncAll(partial);
    renameSync(partial, to);
    sync(dirname(to));
    return copied;
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error;
  }
}

/** Whether there was such a file. Where the file system can, both share their blocks until one changes. */
function copyIfThere(from: string, to: string): boolean {
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT' && !existsSync(from)) return false;
    throw error;
  }
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name));
}

const bytesIn = (folder: string) => filesIn(folder).reduce((sum, path) => sum + statSync(path).size, 0);

function syncAll(folder: string): void {
  const files = filesIn(folder);
  for (const path of [...files, ...new Set(files.map(dirname)), folder]) sync(path);
}

function sync(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** When a backup was made. */
export function madeAt(folder: string): string {
  const mark: unknown = JSON.parse(readFileSync(join(folder, markName), 'utf8'));
  return typeof mark === 'object' && mark !== null && 'madeAt' in mark ? String(mark.madeAt) : 'an unknown time';
}
