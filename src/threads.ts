import { basename } from 'node:path';
import { Worker } from 'node:worker_threads';

/** What each thread begins with. */
const sources = {
  writer: './store/embedded/record/writer-thread.ts',
  reader: './store/embedded/read/reader-thread.ts',
  sealer: './store/embedded/upkeep/sealer-thread.ts',
  outbox: './outbox/sqlite/outbox-thread.ts',
  grants: './accounts/sqlite/grant-thread.ts',
} as const;

export type ThreadName = keyof typeof sources;

/**
 * What a thread makes it soon drops; by default each would let 48 MiB of that pile up. It holds where V8 was not started
 * with `--max-semi-space-size`, or `bin/sentlog` took that back.
 */
const youngGenerationMib = 12;
/** The sealer sorts outside its heap, and grants are few: both do as fast with the least that V8 has. */
const youngGenerationOf: Partial<Record<ThreadName, number>> = { sealer: 3, grants: 3 };

/** Starts one; `workerData` is what it finds there. */
export function startThread(name: ThreadName, workerData: unknown): Worker {
  // All files of the bundle lie beside each other, whatever room their sources are in: see `scripts/bundle.ts`.
  const isSource = import.meta.url.endsWith('.ts');
  const file = new URL(isSource ? sources[name] : `${basename(sources[name], '.ts')}.js`, import.meta.url);
  const resourceLimits = { maxYoungGenerationSizeMb: youngGenerationOf[name] ?? youngGenerationMib };
  return new Worker(file, { workerData, name, resourceLimits });
}

/** What few threads ever need: to load it is an eighth of a thread's start. */
export const nodeCrypto = (): typeof import('node:crypto') => process.getBuiltinModule('node:crypto');
