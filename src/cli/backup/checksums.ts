import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

/** What a file held, by which another is known to hold the same; `sha256` as hexadecimal. */
export type Checksum = { readonly bytes: number; readonly sha256: string };
/** By the path in the folder, with `/` between its parts. */
export type Checksums = Readonly<Record<string, Checksum>>;

const chunkBytes = 1 << 20;

/** The paths of the files in a folder and in those below it. */
export function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, '/'));
}

export function checksumsOf(folder: string): Checksums {
  return Object.fromEntries(filesIn(folder).map(path => [path, checksumOf(join(folder, path))]));
}

/** How the files of a folder differ from what they were; `others` are those that were not there. */
export function compare(
  folder: string,
  checksums: Checksums,
): { readonly faults: readonly string[]; readonly others: readonly string[] } {
  const there = new Set(filesIn(folder));
  const faults = Object.entries(checksums).flatMap(([path, was]) => {
    if (!there.has(path)) return [`${path} is missing`];
    const { bytes, sha256 } = checksumOf(join(folder, path));
    if (bytes !== was.bytes) return [`${path} has ${bytes} bytes, and had ${was.bytes}`];
    return sha256 === was.sha256 ? [] : [`${path} holds something else than it did`];
  });
  return { faults, others: [...there].filter(path => !Object.hasOwn(checksums, path)) };
}

function checksumOf(path: string): Checksum {
  const file = openSync(path, 'r');
  try {
    const [hash, chunk] = [createHash('sha256'), Buffer.allocUnsafe(chunkBytes)];
    for (let bytes = 0; ; ) {
      const read = readSync(file, chunk, 0, chunkBytes, bytes);
      if (read === 0) return { bytes, sha256: hash.digest('hex') };
      hash.update(chunk.subarray(0, read));
      bytes += read;
    }
  } finally {
    closeSync(file);
  }
}
