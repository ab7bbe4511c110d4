import { createHash } from 'node:crypto';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');
const cache = join(root, 'node_modules/.cache');
const keptForMs = 24 * 3_600_000;

/** The folder that holds what `make` makes: of one content there is one. */
export async function keptBundle(kind: string, make: (folder: string) => Promise<void>): Promise<string> {
  mkdirSync(cache, { recursive: true });
  const next = mkdtempSync(join(cache, `next-${kind}-`));
  await make(next);
  // Other runs may be using it, and what is compiled of it is kept by its path.
  const folder = join(cache, `${kind}-${contentOf(next)}`);
  try {
    if (!existsSync(folder)) renameSync(next, folder);
  } catch (error) {
    // Another run was first.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(next, { recursive: true, force: true });
  }
  // Another run, of other sources, removes what has not been used for long.
  utimesSync(folder, new Date(), new Date());
  for (const other of globSync(`${kind}-*`, { cwd: cache }).map(name => join(cache, name)))
    if (other !== folder && (statSync(other, { throwIfNoEntry: false })?.mtimeMs ?? 0) < Date.now() - keptForMs)
      rmSync(other, { recursive: true, force: true });
  return folder;
}

function contentOf(folder: string): string {
  const hash = createHash('sha256');
  for (const file of globSync(['bin/*', 'package.json', 'dist/**/*.js'], { cwd: folder }).sort())
    hash.update(`${file}\0`).update(readFileSync(join(folder, file)));
  return hash.digest('hex').slice(0, 16);
}
