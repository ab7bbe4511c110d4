import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, named, threads } from '../../scripts/bundle.ts';
import { keptBundle, root } from '../../test/support/bundle.ts';

let made: Promise<string> | undefined;

/**
 * The path of a program of the bench with its threads, bundled as the package's is, and once for all: what a start costs is
 * what it costs users, and not the thousand sources of it.
 */
export async function bundled(program: 'server' | 'sending'): Promise<string> {
  made ??= keptBundle('bench', async next => {
    const programs = { server: 'bench/server/process.ts', sending: 'bench/sending/process.ts' };
    await bundle({ ...programs, ...named(threads) }, join(next, 'dist'));
    cpSync(join(root, 'package.json'), join(next, 'package.json'));
  });
  return join(await made, 'dist', `${program}.js`);
}
