import { join } from 'node:path';
import { inject } from 'vitest';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The path of the program where it was bundled; see `bundled-program.ts`. */
    readonly program?: string;
  }
}

/** What is started for a test: without a bundle, the sources as they stand. */
export const program = inject('program') ?? join(import.meta.dirname, '../../bin/sentlog');
