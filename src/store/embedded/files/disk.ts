import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { identityOf } from '../../../opened-file.ts';

/** `read`: the file must be there; `write`: anew, empty; `update`: as it is, or made, for its owner alone. */
export type OpenMode = 'read' | 'write' | 'update';

/**
 * Every file call of the engine but SQLite's own, so that a test can stand in for the disk: lose what was not synced,
 * or fail any call. Calls throw what the system throws. What was written is there after a power cut once `sync` or
 * `syncData` of the file returned, and a name once `syncFolder` of its folder did.
 */
export type Disk = {
  open(path: string, mode: OpenMode): number;
  close(file: number): void;
  /** Gives how many bytes were read, fewer at the end of the file; without a position from where the last read ended. */
  read(file: number, into: Uint8Array, position: number | null): number;
  write(file: number, from: Uint8Array, position: number): void;
  /** Cuts off all behind the first bytes. */
  truncate(file: number, bytes: number): void;
  sync(file: number): void;
  /** As `sync`, without what only tells when the file changed. */
  syncData(file: number): void;
  /** As `syncData`, some time from now; whether it failed shows at the next call on the file. */
  syncDataLater(file: number): void;
  syncFolder(path: string): void;
  /** Throws when that cannot be told: what cannot be looked at must not be taken for what is not there. */
  exists(path: string): boolean;
  /** Tells a folder from any other that may stand in its place; `undefined` when there is none. */
  identity(path: string): string | undefined;
  /** `undefined` when there is no such file. */
  size(path: string): number | undefined;
  list(path: string): readonly string[];
  makeFolder(path: string): void;
  rename(from: string, to: string): void;
  link(from: string, to: string): void;
  /** Nothing when there is no such file. */
  remove(path: string): void;
  /** As `remove`; the disk takes a while to free tens of megabytes: not the time of whoever calls. */
  removeLater(path: string): Promise<void>;
  /** What is free for a process without privileges. */
  freeBytes(path: string): number;
};

const openFlags = { read: 'r', write: 'w', update: constants.O_RDWR | constants.O_CREAT } as const;
const ownerOnly = 0o600;

/** Of open files: that one cannot be read the system says without its path, as it has it for other calls. */
const openPaths = new Map<number, string>();

export const systemDisk: Disk = {
  open(path, mode) {
    const file = openSync(path, openFlags[mode], mode === 'update' ? ownerOnly : undefined);
    openPaths.set(file, path);
    return file;
  },
  close(file) {
    openPaths.delete(file);
    closeSync(file);
  },
  read(file, into, position) {
    try {
      return readSync(file, into, 0, into.byteLength, position);
    } catch (error) {
      const path = openPaths.get(file);
      if (error instanceof Error && path !== undefined) error.message += ` '${path}'`;
      throw error;
    }
  },
  write(file, from, position) {
    for (let done = 0; done < from.byteLength; )
      done += writeSync(file, from, done, from.byteLength - done, position + done);
  },
  truncate: (file, bytes) => ftruncateSync(file, bytes),
  sync: file => fsyncSync(file),
  syncData: file => fdatasyncSync(file),
  syncDataLater: file => fdatasync(file, () => {}),
  syncFolder(path) {
    const folder = openSync(path, 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  },
  exists: path => statSync(path, { throwIfNoEntry: false }) !== undefined,
  identity: path => identityOf(path),
  size(path) {
    const found = statSync(path, { throwIfNoEntry: false });
    return found?.isFile() ? found.size : undefined;
  },
  list: path => readdirSync(path),
  makeFolder: path => void mkdirSync(path, { recursive: true }),
  rename: (from, to) => renameSync(from, to),
  link: (from, to) => linkSync(from, to),
  remove: path => rmSync(path, { force: true }),
  removeLater: path => rm(path, { force: true }),
  freeBytes(path) {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  },
};

/** Every call that goes by a path asks first: `refuse` throws where none may. What is open is what was opened. */
export function guarded(disk: Disk, refuse: () => void): Disk {
  const asking =
    <A extends unknown[], R>(call: (...given: A) => R) =>
    (...given: A): R => {
      refuse();
      return call(...given);
    };
  return {
    open: asking((path, mode) => disk.open(path, mode)),
    close: file => disk.close(file),
    read: (file, into, position) => disk.read(file, into, position),
    write: (file, from, position) => disk.write(file, from, position),
    truncate: (file, bytes) => disk.truncate(file, bytes),
    sync: file => disk.sync(file),
    syncData: file => disk.syncData(file),
    syncDataLater: file => disk.syncDataLater(file),
    syncFolder: asking(path => disk.syncFolder(path)),
    exists: asking(path => disk.exists(path)),
    identity: path => disk.identity(path),
    size: asking(path => disk.size(path)),
    list: asking(path => disk.list(path)),
    makeFolder: asking(path => disk.makeFolder(path)),
    rename: asking((from, to) => disk.rename(from, to)),
    link: asking((from, to) => disk.link(from, to)),
    remove: asking(path => disk.remove(path)),
    removeLater: asking(path => disk.removeLater(path)),
    freeBytes: path => disk.freeBytes(path),
  };
}

const chunkBytes = 1 << 20;

/** Reads until there is no more room, or no more in the file; gives how many bytes. */
export function readInto(disk: Disk, file: number, into: Uint8Array, position: number): number {
  let done = 0;
  while (done < into.byteLength) {
    const read = disk.read(file, done === 0 ? into : into.subarray(done), position + done);
    if (read === 0) break;
    done += read;
  }
  return done;
}

/**
 * Opens a file of a segment to be read. That it is missing, though its folder is the one that was opened, is damage of the
 * segment, and `damage` makes of it what is thrown then.
 */
export function openedHere(disk: Disk, path: string, damage: (reason: string) => Error): number {
  try {
    return disk.open(path, 'read');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw damage('the file is missing');
    throw error;
  }
}

/** All that a file holds; the file must be there. */
export function readWhole(disk: Disk, path: string): Buffer {
  const file = disk.open(path, 'read');
  try {
    const parts: Buffer[] = [];
    for (;;) {
      const part = Buffer.allocUnsafe(64 * 1024);
      const read = disk.read(file, part, null);
      if (read === 0) return Buffer.concat(parts);
      parts.push(part.subarray(0, read));
    }
  } finally {
    disk.close(file);
  }
}

/** Writes a file under another name and renames it when it is whole and, mostly, synced; the name itself is not synced. */
export function writeWhole(disk: Disk, path: string, parts: Iterable<Uint8Array>, sync = true): void {
  const temporary = `${path}.tmp`;
  const file = disk.open(temporary, 'write');
  try {
    let at = 0;
    for (const part of parts) {
      disk.write(file, part, at);
      at += part.byteLength;
    }
    if (sync) disk.sync(file);
  } finally {
    disk.close(file);
  }
  disk.rename(temporary, path);
}

/** The CRC-32 of a whole file. */
export function fileCrc(disk: Disk, path: string): number {
  return atOnce(fileCrcSteps(disk, path));
}

/** As `fileCrc`, a megabyte a step. */
export function* fileCrcSteps(disk: Disk, path: string): Generator<void, number> {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  const file = disk.open(path, 'read');
  try {
    let sum = 0;
    for (let read = disk.read(file, chunk, null); read > 0; read = disk.read(file, chunk, null)) {
      sum = crc32(chunk.subarray(0, read), sum);
      yield;
    }
    return sum;
  } finally {
    disk.close(file);
  }
}

/** Does work that comes in steps without a pause. */
export function atOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
