import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { until } from './sqlite-log.ts';

/** The bytes of each file by its path in a folder. */
type Reading = ReadonlyMap<string, Buffer>;

/**
 * Makes what a kill would leave of the data folder of a store that works on it: all of one moment. Its files are read until
 * two readings, one after the other, are the same, since what is the same in both stood there between them. So nobody may be
 * recording all the while. `to` need not be there.
 */
export async function crashImage(from: string, to: string): Promise<void> {
  let last: Reading | undefined;
  await until(() => {
    const before = last;
    last = readingOf(from);
    return before !== undefined && last !== undefined && isSame(before, last);
  });
  for (const [path, bytes] of last ?? []) {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    writeFileSync(join(to, path), bytes);
  }
}

/** `undefined` where a file went before it was read. */
function readingOf(folder: string): Reading | undefined {
  try {
    const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
      // Whoever closes a file lets go of all locks that its own process has on it.
      entry => entry.isFile() && !entry.name.startsWith('lock'),
    );
    const paths = names.map(({ parentPath, name }) => join(parentPath, name));
    return new Map(paths.map(path => [path.slice(folder.length + 1), readFileSync(path)]));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function isSame(a: Reading, b: Reading): boolean {
  return a.size === b.size && [...a].every(([path, bytes]) => b.get(path)?.equals(bytes));
}
