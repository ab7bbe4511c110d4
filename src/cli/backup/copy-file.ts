import { constants, copyFileSync, statSync } from 'node:fs';
import { type Disk, systemDisk } from '../../store/embedded/files/disk.ts';

const chunkBytes = 1 << 20;

/**
 * Whether there was such a file. Where the file system can, both share their blocks until one changes; elsewhere it is
 * read to where it ends by then. Node's own copy goes on for ever once a file has become shorter than it was.
 */
export function copyIfThere(from: string, to: string, disk: Disk = systemDisk): boolean {
  if (disk === systemDisk && isCloned(from, to)) return true;
  let source: number;
  try {
    source = disk.open(from, 'read');
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  try {
    copyBytes(disk, source, to);
  } finally {
    disk.close(source);
  }
  return true;
}

function isCloned(from: string, to: string): boolean {
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    // Why not shows when it is read: most often the file system has no clones.
    return false;
  }
}

function copyBytes(disk: Disk, source: number, to: string): void {
  // As each of the engine's own files: for its owner alone.
  const target = disk.open(to, 'update');
  try {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    for (let at = 0; ; ) {
      const read = disk.read(source, chunk, at);
      if (read === 0) return;
      disk.write(target, chunk.subarray(0, read), at);
      at += read;
    }
  } finally {
    disk.close(target);
  }
}

/** What tells a file from what stands in its place later, or what it has become; `undefined` when there is none. */
export function stampOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.ino} ${found.size} ${found.mtimeNs}`;
}

/** A file that only grows, as long as it is the same one. */
export type Growing = { readonly ino: bigint; readonly bytes: bigint };

export function growingAt(path: string): Growing | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && { ino: found.ino, bytes: found.size };
}

/**
 * Whether it is the file that it was, or there was none either time, and nothing of it was cut off: neither of what was
 * there before, nor of what came until it was copied.
 */
export function hasOnlyGrown(
  before: Growing | undefined,
  copy: Growing | undefined,
  after: Growing | undefined,
): boolean {
  if (before === undefined || after === undefined) return before === after;
  return before.ino === after.ino && before.bytes <= after.bytes && (copy?.bytes ?? 0n) <= after.bytes;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
