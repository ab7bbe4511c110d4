import { closeSync, fsyncSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';

const crcChunkBytes = 1 << 20;

/** The CRC-32 of a whole file. */
export function fileCrc(path: string): number {
  return atOnce(fileCrcSteps(path));
}

/** As `fileCrc`, a megabyte a step. */
export function* fileCrcSteps(path: string): Generator<void, number> {
  const chunk = Buffer.allocUnsafe(crcChunkBytes);
  const fd = openSync(path, 'r');
  try {
    let sum = 0;
    for (let read = readSync(fd, chunk); read > 0; read = readSync(fd, chunk)) {
      sum = crc32(chunk.subarray(0, read), sum);
      yield;
    }
    return sum;
  } finally {
    closeSync(fd);
  }
}

/** Does work that comes in steps without a pause. */
export function atOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** Makes renames and new files in a folder survive a power cut. */
export function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
