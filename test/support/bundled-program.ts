import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { bundle, program } from '../../scripts/bundle.ts';
import { keptBundle, root } from './bundle.ts';
import { isThorough } from './properties.ts';

/**
 * The tests start hundreds of servers, and of a thousand files each takes half as much CPU again as of a hundred: so they
 * start it bundled as it is for the package, in a folder like that of the package. Where the time is there they start the
 * sources as they stand.
 */
export default async function setup(project: TestProject): Promise<void> {
  if (!isThorough) project.provide('program', join(await bundled(), 'bin/sentlog'));
}

async function bundled(): Promise<string> {
  return keptBundle('program', async next => {
    await bundle(program, join(next, 'dist'));
    for (const path of ['bin', 'package.json']) cpSync(join(root, path), join(next, path), { recursive: true });
    mkdirSync(join(next, 'web'));
    symlinkSync(join(root, 'web/dist'), join(next, 'web/dist'));
  });
}
