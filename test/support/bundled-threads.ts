import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundle, named, threads } from '../../scripts/bundle.ts';
import { keptBundle } from './bundle.ts';
import { isThorough } from './properties.ts';

/**
 * A store has four threads, and hundreds of stores are opened: threads that load a dozen files instead of a hundred make
 * that half as dear. `thread-entries.ts` has them begin there. Where the time is there they run the sources.
 */
export default async function setup(): Promise<void> {
  if (isThorough || process.env.THREAD_BUNDLE !== undefined) return;
  const folder = await keptBundle('threads', next => bundle(named(threads), join(next, 'dist')));
  process.env.THREAD_BUNDLE = pathToFileURL(join(folder, 'dist/')).href;
}
