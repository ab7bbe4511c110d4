import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import threads from 'node:worker_threads';

/** The threads of stores that a test opens begin with the entries of the bundle that `bundled-threads.ts` made. */
class BundledWorker extends threads.Worker {
  constructor(file: string | URL, options?: threads.WorkerOptions) {
    super(bundled(String(file)), options);
  }
}

const sources = new URL('../../src/', import.meta.url).href;

function bundled(file: string): URL {
  const isSource = file.startsWith(sources);
  return isSource ? new URL(`${basename(file, '.ts')}.js`, process.env.THREAD_BUNDLE) : new URL(file);
}

// A process may run one file after the other.
if (process.env.THREAD_BUNDLE !== undefined && threads.Worker.name !== BundledWorker.name) {
  threads.Worker = BundledWorker;
  syncBuiltinESMExports();
}
