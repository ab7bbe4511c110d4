import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';
import type { TestProject } from 'vitest/node';
import { bundle, keptBundle, placeOf, root, sources, threads } from './bundle.ts';
import { isThorough } from './properties.ts';

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
  return keptBundle('program', async next => {
    await bundle(['src/cli/main.ts', ...threads()], join(next, 'dist'), [inPlace]);
    for (const path of ['bin', 'package.json']) cpSync(join(root, path), join(next, path), { recursive: true });
    mkdirSync(join(next, 'web'));
    symlinkSync(join(root, 'web/dist'), join(next, 'web/dist'));
  });
}
