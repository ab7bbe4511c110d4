import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { build, type Plugin } from 'vite';
import type { TestProject } from 'vitest/node';
import { isThorough } from './properties.ts';

const root = join(import.meta.dirname, '../..');
const sources = join(root, 'src');
const cache = join(root, 'node_modules/.cache');
const keptForMs = 24 * 3_600_000;
const placeOf = (source: string) => relative(sources, source).replace(/\.ts$/, '.js');

/** Files that are loaded by where they are stay there from the root of `dist` on, which holds all others. */
const inPlace: Plugin = {
  name: 'in-place',
  enforce: 'pre',
  transform: (code, id) =>
    id.startsWith(sources)
      ? code.replaceAll('import.meta.url', `new URL('./${placeOf(id)}', import.meta.url).href`)
      : undefined,
};

/**
 * The tests start hundreds of servers, and of a thousand files each takes half as much CPU again as of a hundred: so the
 * program is bundled, with the largest of its dependencies, into a folder like that of the package. Where the time is
 * there they start the sources as they stand.
 */
export default async function setup(project: TestProject): Promise<void> {
  if (!isThorough) project.provide('program', join(await bundled(), 'bin/sentlog'));
}

async function bundled(): Promise<string> {
  mkdirSync(cache, { recursive: true });
  const next = mkdtempSync(join(cache, 'next-program-'));
  await bundleInto(join(next, 'dist'));
  for (const path of ['bin', 'package.json']) cpSync(join(root, path), join(next, path), { recursive: true });
  mkdirSync(join(next, 'web'));
  symlinkSync(join(root, 'web/dist'), join(next, 'web/dist'));
  // Of one content there is one: other runs may be using it, and what is compiled of it is kept by its path.
  const folder = join(cache, `program-${contentOf(next)}`);
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
  for (const other of globSync('program-*', { cwd: cache }).map(name => join(cache, name)))
    if (other !== folder && statSync(other).mtimeMs < Date.now() - keptForMs)
      rmSync(other, { recursive: true, force: true });
  return folder;
}

async function bundleInto(folder: string): Promise<void> {
  const entries = ['src/cli/main.ts', ...globSync('src/**/*-thread.ts', { cwd: root })].map(file => join(root, file));
  await build({
    configFile: false,
    root,
    logLevel: 'warn',
    publicDir: false,
    plugins: [inPlace],
    ssr: { noExternal: [/^typebox(\/|$)/] },
    build: {
      ssr: true,
      outDir: folder,
      minify: false,
      target: 'esnext',
      rolldownOptions: {
        input: Object.fromEntries(entries.map(file => [placeOf(file), file])),
        output: { entryFileNames: '[name]', chunkFileNames: '[name]-[hash].js', keepNames: true },
      },
    },
  });
}

function contentOf(folder: string): string {
  const hash = createHash('sha256');
  for (const file of globSync(['bin/*', 'package.json', 'dist/**/*.js'], { cwd: folder }).sort())
    hash.update(`${file}\0`).update(readFileSync(join(folder, file)));
  return hash.digest('hex').slice(0, 16);
}
