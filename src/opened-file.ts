import { statSync } from 'node:fs';
import { reasonOf, Unavailable } from './failures.ts';

/** Tells a file or folder from any other that may stand in its place; `undefined` when there is none. */
export function identityOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}

/**
 * A file that this process has open. One that was moved, removed or replaced meanwhile takes what is written, and nobody
 * finds it there; what others write to the one that stands in its place is not read here.
 */
export class OpenedFile {
  readonly path: string;
  readonly identity: string | undefined;

  /** `identity`: of the one that was opened, for a thread that joins in later; without it, of the one that stands there. */
  constructor(path: string, identity = identityOf(path)) {
    this.path = path;
    this.identity = identity;
  }

  /** Throws `Unavailable` where the file that was opened is not the one that has its path, and where that cannot be told now. */
  refuseMoved(): void {
    let found: string | undefined;
    try {
      found = identityOf(this.path);
    } catch (cause) {
      throw new Unavailable(`${this.path} cannot be looked at: ${reasonOf(cause)}`, undefined, { cause });
    }
    if (found !== this.identity)
      throw new Unavailable(
        `${this.path} is not the file that this server opened: put that back, or stop the server first`,
      );
  }
}
