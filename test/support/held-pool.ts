import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, open, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** As many as the pool may have threads, by its own bound. */
const threadsMax = 1024;

/**
 * Holds the threads that Node compresses on, by files that open only when something is at their other end: what is asked of
 * them meanwhile waits until it is disposed of.
 */
export function heldPool(): AsyncDisposable {
  const folder = mkdtempSync(join(tmpdir(), 'sentlog-held-'));
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const opened = Array.from(
    { length: threadsMax },
    () =>
      new Promise<number>((resolve, reject) => {
        open(path, 'r', (error, file) => (error === null ? resolve(file) : reject(error)));
      }),
  );
  return {
    async [Symbol.asyncDispose]() {
      const other = openSync(path, 'r+');
      for (const file of await Promise.all(opened)) closeSync(file);
      closeSync(other);
      rmSync(folder, { recursive: true });
    },
  };
}
