import {
  closeSync,
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
import { type Disk, systemDisk } from '../store/embedded/files/disk.ts';
import { copyLog, segmentsIn } from './backup-log.ts';
import { copyIfThere } from './copy-file.ts';
import { CommandError } from './terminal.ts';

/** What names a folder as a whole backup; it is written last. */
const markName = 'backup.json';
/** On its way to be sent when the backup was made: whoever goes on from it would send it once more. */
const onItsWay = ['outbox.db'];

export type Copied = { readonly segments: number; readonly bytes: number };

/** Makes `to`, which must not be there yet, a backup of a data folder. */
export async function backUp(dataDir: string, to: string, disk: Disk = systemDisk): Promise<Copied> {
  if (!existsSync(join(dataDir, 'log.json')))
    throw new CommandError(`there is no log in ${dataDir}: --data-dir says where it is`);
  return whole(to, async folder => {
    const segments = await copyLog(dataDir, folder, disk);
    return { segments, bytes: bytesIn(folder) };
  });
}

/** Makes a data folder of a backup. What was on its way to be sent is left out, unless `withOutbox`. */
export async function restore(from: string, dataDir: string, withOutbox: boolean): Promise<Copied> {
  if (!existsSync(join(from, markName)))
    throw new CommandError(`${from} is no backup, or one that was not finished: it has no ${markName}`);
  return whole(dataDir, async folder => {
    const left = withOutbox ? [markName] : [markName, ...onItsWay];
    copyFolder(from, folder, left);
    return { segments: segmentsIn(join(folder, 'segments')).length, bytes: bytesIn(folder) };
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
