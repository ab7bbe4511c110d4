/** The page, built into `web/dist` when its sources are others than those it was built from. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeOf, run } from './run.mjs';

/** What the page is made of; of the rest of `src` it takes types alone. */
const sources = ['web/index.html', 'web/vite.config.ts', 'web/public', 'web/src', 'src/client', 'package-lock.json'];
const folderOf = root => join(root, 'web', 'dist');
/** Beside the page stands what it was built from. A date would not do: a checkout of older sources has younger ones. */
const stampOf = folder => join(folder, 'built-from');

function filesUnder(root, path) {
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path))
    .sort()
    .flatMap(name => filesUnder(root, `${path}/${name}`));
}

function fingerprint(root) {
  const hash = createHash('sha256');
  for (const file of sources.flatMap(source => filesUnder(root, source)))
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  return hash.digest('hex');
}

export function isPageCurrent(root) {
  try {
    return readFileSync(stampOf(folderOf(root)), 'utf8') === fingerprint(root);
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

/** Builds; says why it could not, or nothing. The page that is there stays whole until the new one is. */
export async function builtPage(root) {
  const folder = folderOf(root);
  const next = `${folder}.next`;
  const stamp = fingerprint(root);
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  const args = ['build', 'web', '--outDir', next, '--emptyOutDir', '--logLevel', 'warn'];
  const { ok, output } = await run(nodeOf(root), [vite, ...args], { cwd: root });
  if (!ok) return `${output}\nThe page could not be built.`;
  writeFileSync(stampOf(next), stamp);
  rmSync(folder, { recursive: true, force: true });
  renameSync(next, folder);
  return undefined;
}
