import { join } from 'node:path';
import { nodeCrypto } from '../../../threads.ts';
import { StoreUnavailable } from '../../store.ts';
import { isOutage } from './damage.ts';
import { type Disk, systemDisk, writeWhole } from './disk.ts';

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
  readonly #disk: Disk;
  #wasTaken: boolean;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(dataDir: string, disk: Disk = systemDisk) {
    this.#dataDir = dataDir;
    this.#disk = disk;
    this.#wasTaken = isWhole(disk, dataDir);
  }

  /** Throws `StoreUnavailable` when there is no room for it. One that was removed or cut short is taken again. */
  hold(): void {
    if (this.#wasTaken && isWhole(this.#disk, this.#dataDir)) return;
    const isTooSoon = performance.now() - this.#askedAt < askedAgainMs;
    if (isTooSoon || this.#disk.freeBytes(this.#dataDir) < freeBytesMin) throw new StoreUnavailable('the disk is full');
    this.#askedAt = performance.now();
    const path = pathIn(this.#dataDir);
    try {
      // At random, so that no file system can do with less.
      writeWhole(this.#disk, path, [nodeCrypto().randomFillSync(Buffer.alloc(reserveBytes))]);
    } catch (error) {
      this.#disk.remove(`${path}.tmp`);
      throw error;
    }
    this.#wasTaken = true;
    this.#askedAt = Number.NEGATIVE_INFINITY;
  }

  /** As `hold`, where it was taken before: for when nobody records, and the disk fills all the same. */
  keep(): void {
    if (this.#wasTaken) this.hold();
  }
}

/** What readers do without, and a segment gets again once there is room. */
const sparedName = /\.(?:facets|words|checkpoint)$/;

/**
 * Before anything of the data folder is opened: where the disk is full, gives up what was reserved for this. Others may have
 * taken that after an earlier start: then files that can be made again go, those of the oldest segments first. Gives how many.
 */
export function makeRoomToOpen(dataDir: string, disk: Disk = systemDisk): number {
  const isFull = () => disk.freeBytes(dataDir) < reserveBytes;
  if (!disk.exists(dataDir) || !isFull()) return 0;
  disk.remove(pathIn(dataDir));
  const segments = join(dataDir, 'segments');
  const spared = disk.exists(segments) ? disk.list(segments).filter(name => sparedName.test(name)) : [];
  let gone = 0;
  for (const name of spared.sort()) {
    if (!isFull()) break;
    disk.remove(join(segments, name));
    gone++;
  }
  return gone;
}

/** Less than this opens no log. */
const keptBytesMin = 64 * 1024;

/**
 * After all of the data folder was closed: where the disk is full, keeps what that has freed for the next start. SQLite
 * removes files that it will make again, and whoever fills the disk would take their room.
 */
export function keepRoomToOpen(dataDir: string, disk: Disk = systemDisk): void {
  if (!disk.exists(dataDir) || hasRoom(disk, dataDir)) return;
  const path = pathIn(dataDir);
  for (
    let bytes = Math.min(reserveBytes, disk.freeBytes(dataDir));
    bytes >= keptBytesMin;
    bytes = Math.floor(bytes / 2)
  )
    try {
      return writeWhole(disk, path, [nodeCrypto().randomFillSync(Buffer.alloc(bytes))]);
    } catch (error) {
      if (!isOutage(error)) throw error;
      disk.remove(`${path}.tmp`);
    }
}

/** Whether anything may be written that is not needed to read and to drop. */
export function hasRoom(disk: Disk, dataDir: string): boolean {
  return isWhole(disk, dataDir) || disk.freeBytes(dataDir) >= freeBytesMin;
}

function isWhole(disk: Disk, dataDir: string): boolean {
  return (disk.size(pathIn(dataDir)) ?? 0) >= reserveBytes;
}
