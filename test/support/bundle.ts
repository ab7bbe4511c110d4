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
import { join, relative } from 'node:path';
import { build, type Plugin } from 'vite';

export const root = join(import.meta.dirname, '../..');
export const sources = join(root, 'src');
const cache = join(root, 'node_modules/.cache');
const keptForMs = 24 * 3_600_000;

/** Where a source stands in a bundle. */
export const placeOf = (source: string) => relative(sources, source).replace(/\.ts$/, '.js');

/** What the program's threads begin with. */
export const threads = (): readonly string[] => globSync('src/**/*-thread.ts', { cwd: root });

/** Makes few files of these sources and all that they import, the largest of the dependencies too. */
export async function bundle(entries: readonly string[], folder: string, plugins: Plugin[] = []): Promise<void> {
  const files = entries.map(file => join(root, file));
  await build({
    configFile: false,
    root,
    logLevel: 'warn',
    publicDir: false,
    plugins,
    ssr: { noExternal: [/^typebox(\/|$)/] },
    build: {
      ssr: true,
      outDir: folder,
      minify: false,
      target: 'esnext',
      rolldownOptions: {
        input: Object.fromEntries(files.map(file => [placeOf(file), file])),
        output: { entryFileNames: '[name]', chunkFileNames: '[name]-[hash].js', keepNames: true },
      },
    },
  });
}

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
    if (other !== folder && statSync(other).mtimeMs < Date.now() - keptForMs)
      rmSync(other, { recursive: true, force: true });
  return folder;
}

function contentOf(folder: string): string {
  const hash = createHash('sha256');
  for (const file of globSync(['bin/*', 'package.json', 'dist/**/*.js'], { cwd: folder }).sort())
    hash.update(`${file}\0`).update(readFileSync(join(folder, file)));
  return hash.digest('hex').slice(0, 16);
}
