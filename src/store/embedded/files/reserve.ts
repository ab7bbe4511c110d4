import { randomFillSync } from 'node:crypto';
import { existsSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoreUnavailable } from '../../store.ts';

/** What opening every file of a data folder may take on the disk: SQLite makes files beside each that it reads. */
const reserveBytes = 2 * 1024 * 1024;
/** Taken only where as much is left besides. */
const freeBytesMin = 2 * reserveBytes;
/** A full disk is not asked more often. */
const askedAgainMs = 1000;

const pathIn = (dataDir: string) => join(dataDir, 'reserve');

/**
 * Room on the disk that nobody uses, so that a log whose disk is full can still be opened: to be read, and to drop what
 * is past retention. Nothing is recorded until it is taken again.
 */
export class Reserve {
  readonly #dataDir: string;
  #isHeld: boolean;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#isHeld = existsSync(pathIn(dataDir));
  }

  /** Throws `StoreUnavailable` when there is no room for it. */
  hold(): void {
    if (this.#isHeld) return;
    const isTooSoon = performance.now() - this.#askedAt < askedAgainMs;
    if (isTooSoon || freeBytes(this.#dataDir) < freeBytesMin) throw new StoreUnavailable('the disk is full');
    this.#askedAt = performance.now();
    const path = pathIn(this.#dataDir);
    try {
      // At random, so that no file system can do with less.
      writeFileSync(`${path}.tmp`, randomFillSync(Buffer.alloc(reserveBytes)), { flush: true });
      renameSync(`${path}.tmp`, path);
    } catch (error) {
      rmSync(`${path}.tmp`, { force: true });
      throw error;
    }
    this.#isHeld = true;
  }
}

/** Before anything of the data folder is opened: where the disk is full, gives up what was reserved for this. */
export function giveUpReserveIfFull(dataDir: string): void {
  if (existsSync(pathIn(dataDir)) && freeBytes(dataDir) < reserveBytes) rmSync(pathIn(dataDir));
}

/** Whether anything may be written that is not needed to read and to drop. */
export function hasRoom(dataDir: string): boolean {
  return existsSync(pathIn(dataDir)) || freeBytes(dataDir) >= freeBytesMin;
}

/** For a process without privileges. */
function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}
