import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, named, threads } from '../../scripts/bundle.ts';
import { keptBundle, root } from '../../test/support/bundle.ts';

/**
 * The path of the server's program with its threads, bundled as the package's is: what a start costs is what it costs
 * users, and not the thousand sources of it.
 */
export async function bundledServer(): Promise<string> {
  const folder = await keptBundle('bench', async next => {
    await bundle({ server: 'bench/server/process.ts', ...named(threads) }, join(next, 'dist'));
    cpSync(join(root, 'package.json'), join(next, 'package.json'));
  });
  return join(folder, 'dist/server.js');
}
