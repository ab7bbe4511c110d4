import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isDamagedFile, madeListName, Unusable, unusableText } from '../../failures.ts';
import { giveUpUnsent } from '../../outbox/sqlite/give-up.ts';
import { type Disk, systemDisk } from '../../store/embedded/files/disk.ts';
import { partialName } from '../../store/embedded/files/folder-lock.ts';
import { CommandError } from '../terminal.ts';
import { copyLog, segmentsIn } from './backup-log.ts';
import { type Mark, markName, readMark, writeMark } from './backup-mark.ts';
import { type Checksums, checksumsOf, compare, filesIn } from './checksums.ts';
import { copyIfThere } from './copy-file.ts';

const outboxName = 'outbox.db';

export type Copied = { readonly segments: number; readonly bytes: number };

export type Restored = Copied & {
  /** `undefined` when nobody knows. */
  readonly madeAt: string | undefined;
  /** What was to be told of, a line each: files that are not the backup's, or not as they were. */
  readonly notes: readonly string[];
};

export type RestoreOptions = {
  /** Have what was on its way to be sent sent. */
  readonly sends: boolean;
  /** Restore a backup whose files are not what they were. */
  readonly despiteDamage?: boolean;
};

/** Makes `to`, which must not be there yet, a backup of a data folder. */
export async function backUp(dataDir: string, to: string, disk: Disk = systemDisk): Promise<Copied> {
  if (!existsSync(join(dataDir, 'log.json')))
    throw new CommandError(`there is no log in ${dataDir}: --data-dir says where it is`);
  return whole(to, async folder => {
    const segments = await copyLog(dataDir, folder, disk);
    const copied = { segments, bytes: bytesIn(folder) };
    writeMark(folder, { madeAt: new Date().toISOString(), ...copied, files: checksumsOf(folder) });
    return copied;
  });
}

/**
 * Makes a data folder of a backup, once its copy is known to hold what was backed up. What was on its way to be sent is not
 * sent from there, unless `sends`: whoever went on from the same folder may have sent it. What the log was not told yet of
 * any message it hears in any case.
 */
export async function restore(
  from: string,
  dataDir: string,
  { sends, despiteDamage = false }: RestoreOptions,
): Promise<Restored> {
  const mark = readMark(from);
  if (mark === undefined && !despiteDamage)
    throw new CommandError(
      `${join(from, markName)} is damaged, and nothing was restored: whether the rest is whole cannot be told by it. ` +
        '--despite-damage restores the rest, once its databases have been looked through',
    );
  return whole(dataDir, async folder => {
    copyFolder(from, folder, [markName, notOurs]);
    const notes = notesOn(mark, from, folder, despiteDamage);
    const outbox = join(folder, outboxName);
    if (!sends && existsSync(outbox)) giveUp(outbox, from);
    return {
      segments: segmentsIn(join(folder, 'segments')).length,
      bytes: bytesIn(folder),
      madeAt: mark?.madeAt,
      notes,
    };
  });
}

function notesOn(mark: Mark | undefined, from: string, copy: string, despiteDamage: boolean): readonly string[] {
  if (mark === undefined) return lookedThrough(from, copy);
  if (mark.files !== undefined) return proven(from, copy, mark.files, despiteDamage);
  return ['the backup is of an earlier version, which kept no checksums: whether its files are whole is not known'];
}

/** Without checksums: the databases say themselves whether they are whole, and the log's own files when they are read. */
function lookedThrough(from: string, copy: string): readonly string[] {
  for (const needed of ['log.json', 'segments'])
    if (!existsSync(join(copy, needed))) throw new CommandError(`${from} has no ${needed}: there is no log in it`);
  const faults = readdirSync(copy).flatMap(name => (name.endsWith('.db') ? databaseFault(join(copy, name)) : []));
  return [
    `restored despite damage: of ${markName}, so it is not known whether the rest is as it was; a start of the server says ` +
      'what of the log cannot be read',
    ...faults,
  ];
}

function databaseFault(path: string): readonly string[] {
  try {
    const db = new DatabaseSync(path);
    try {
      const { quick_check: found } = db.prepare('PRAGMA quick_check(1)').get() ?? {};
      return found === 'ok' ? [] : [`${basename(path)} is damaged: ${found}`];
    } finally {
      db.close();
    }
  } catch (error) {
    if (!isDamagedFile(error)) throw error;
    return [`${basename(path)} is damaged: ${error instanceof Error ? error.message : error}`];
  }
}

/** What may be sent twice is not restored, unless whoever restores leaves it out. */
function giveUp(outbox: string, from: string): void {
  try {
    giveUpUnsent(outbox, Date.now());
  } catch (error) {
    const cause = error instanceof Unusable ? error.cause : error;
    if (!isDamagedFile(cause)) throw error;
    throw new CommandError(unusableText(join(from, outboxName), cause, join(from, madeListName)), { cause: error });
  }
}

const faultsToldMax = 5;

/** Leaves in a copy what the backup held; throws where that is not whole. */
function proven(from: string, copy: string, files: Checksums, despiteDamage: boolean): readonly string[] {
  const { faults, others } = compare(copy, files);
  const more = faults.length > faultsToldMax ? [`and ${faults.length - faultsToldMax} more`] : [];
  const told = [...faults.slice(0, faultsToldMax), ...more].join('; ');
  if (faults.length > 0 && !despiteDamage)
    throw new CommandError(
      `${from} is damaged, and nothing was restored: ${told}. --despite-damage restores what there is`,
    );
  for (const other of others) rmSync(join(copy, other));
  return [
    ...(faults.length > 0 ? [`restored despite damage: ${told}`] : []),
    ...others.map(other => `${other} is not of the backup, and was left out`),
  ];
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

/** What is moved last: without them nobody takes a folder for a log, or for a backup. */
const movedLast = ['log.json', markName];
/** The root of a file system of its own has it. */
const notOurs = 'lost+found';

/**
 * Makes a folder, which may be there empty: a volume or a link too. Works in a folder inside it, whose entries are moved
 * up when all of them are on disk; as long as that is there, nobody starts on it.
 */
async function whole<T extends Copied>(path: string, work: (folder: string) => Promise<T>): Promise<T> {
  const to = resolve(path);
  const partial = join(to, partialName);
  const isNew = !existsSync(to);
  if (isNew) {
    mkdirSync(dirname(to), { recursive: true });
    mkdirSync(to, { mode: 0o700 });
    sync(dirname(to));
  }
  refuseFull(path);
  makePartial(path, partial);
  let isMoving = false;
  try {
    refuseFull(path, partialName);
    const copied = await work(partial);
    syncAll(partial);
    isMoving = true;
    moveUp(partial, to);
    return copied;
  } catch (error) {
    // What was moved up already is not whole without the rest, and says so as long as that is there.
    if (isMoving) throw error;
    rmSync(partial, { recursive: true, force: true });
    if (isNew && readdirSync(to).length === 0) rmdirSync(to);
    throw error;
  }
}

function moveUp(partial: string, to: string): void {
  const names = readdirSync(partial);
  const move = (name: string) => renameSync(join(partial, name), join(to, name));
  for (const name of names.filter(one => !movedLast.includes(one))) move(name);
  sync(to);
  for (const name of movedLast.filter(one => names.includes(one))) move(name);
  sync(to);
  rmdirSync(partial);
  sync(to);
}

function refuseFull(path: string, allowed?: string): void {
  const names = readdirSync(path).filter(name => name !== notOurs && name !== allowed);
  if (names.length === 0) return;
  const unfinished = names.includes(partialName)
    ? ` (${partialName} is of a backup or restore that goes on, or was cut short)`
    : '';
  throw new CommandError(`${path} is not empty: nothing is written over${unfinished}`);
}

/** Of two that find the folder empty, one makes it. */
function makePartial(path: string, partial: string): void {
  try {
    mkdirSync(partial, { mode: 0o700 });
  } catch (error) {
    refuseFull(path);
    throw error;
  }
}

const bytesIn = (folder: string) => filesIn(folder).reduce((sum, path) => sum + statSync(join(folder, path)).size, 0);

function syncAll(folder: string): void {
  const files = filesIn(folder).map(path => join(folder, path));
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
