import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoreUnusable } from '../../store.ts';
import { isOutage } from './damage.ts';
import { systemDisk } from './disk.ts';
import { HeldFile, isStill } from './held-file.ts';
import { refuseOtherKinds } from './kinds.ts';

/** The folder belongs to another process. */
export class FolderInUse extends StoreUnusable {
  constructor(dataDir: string, owner: string) {
    super(`the data folder ${dataDir} is in use by another sentlog process${owner}`);
    this.name = 'FolderInUse';
  }
}

/** SQLITE_BUSY: what the system says of a file may have any words in its path. */
function isBusy(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0;
  return (code & 0xff) === 5;
}

/** Only whoever is refused reads it: a full disk must not keep a server from starting. */
function notePid(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`);
  } catch (error) {
    if (!isOutage(error)) throw error;
  }
}

/** Where a data folder is made of a backup, until it is whole. */
export const partialName = '.sentlog-partial';

/** Before anything of it is missed: what is there may be half of it. Throws `StoreUnusable`. */
export function refusePartial(dataDir: string): void {
  if (!systemDisk.exists(join(dataDir, partialName))) return;
  throw new StoreUnusable(
    `${dataDir} is being restored, or that was cut short: then remove all that is in it, ${partialName} too, and restore it again`,
  );
}

/** How often the files of a lock are looked for: whoever removes them must not let in a second process. */
const lockLookMs = 250;

/**
 * Holds a data folder for this process until `release`, or until the process ends however it ends. By two files, so that
 * the folder is still held while one that somebody removed is made anew.
 */
export class FolderLock {
  readonly #held = new DisposableStack();
  readonly #timer: NodeJS.Timeout;

  constructor(dataDir: string) {
    refusePartial(dataDir);
    refuseOtherKinds(dataDir);
    const segments = join(dataDir, 'segments');
    mkdirSync(segments, { recursive: true });
    const pidFile = join(dataDir, 'lock.pid');
    const locks: HeldFile[] = [];
    let folder: string | undefined;
    try {
      // Open, so that no other folder gets its number while it is moved or removed: that tells the two apart.
      this.#held.adopt(systemDisk.open(segments, 'read'), file => systemDisk.close(file));
      folder = systemDisk.identity(dataDir);
      for (const path of [join(dataDir, 'lock.db'), join(segments, 'lock.db')])
        locks.push(this.#held.adopt(new HeldFile(path), lock => lock.release()));
    } catch (cause) {
      this.#held.dispose();
      if (!isBusy(cause)) throw cause;
      const owner = systemDisk.exists(pidFile) ? ` (process ${readFileSync(pidFile, 'utf8').trim()})` : '';
      throw new FolderInUse(dataDir, owner);
    }
    notePid(pidFile);
    this.#timer = setInterval(() => {
      // One that stands in its place is not held.
      if (isStill(dataDir, folder)) for (const lock of locks) lock.holdAgain();
    }, lockLookMs).unref();
  }

  release(): void {
    clearInterval(this.#timer);
    this.#held.dispose();
  }
}
