import { join } from 'node:path';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The path of the program where it was bundled; see `bundled-program.ts`. */
    readonly program?: string;
  }
}

/** Only what a test runner runs may ask it: `scripts/screenshots.ts` starts servers, too. */
const bundled = process.env.VITEST === undefined ? undefined : (await import('vitest')).inject('program');

/** What is started for a test: without a bundle, the sources as they stand. */
export const program = bundled ?? join(import.meta.dirname, '../../bin/sentlog');
