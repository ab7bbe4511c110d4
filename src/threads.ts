import { basename } from 'node:path';

/** What each thread begins with. */
const sources = {
  writer: './store/embedded/record/writer-thread.ts',
  reader: './store/embedded/read/reader-thread.ts',
  sealer: './store/embedded/upkeep/sealer-thread.ts',
  outbox: './outbox/sqlite/outbox-thread.ts',
  grants: './accounts/sqlite/grant-thread.ts',
} as const;

export type ThreadName = keyof typeof sources;

/** All files of the bundle lie beside each other, whatever room their sources are in: see `scripts/bundle.ts`. */
export function threadFile(name: ThreadName): URL {
  const isSource = import.meta.url.endsWith('.ts');
  return new URL(isSource ? sources[name] : `${basename(sources[name], '.ts')}.js`, import.meta.url);
}

/** What few threads ever need: to load it is an eighth of a thread's start. */
export const nodeCrypto = (): typeof import('node:crypto') => process.getBuiltinModule('node:crypto');
