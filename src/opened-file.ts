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

  readonly #identityOf: typeof identityOf;

  /**
   * `identity`: of the one that was opened, for a thread that joins in later; without it, of the one that stands there.
   * `look` is how it is told, where another disk than the system's is asked.
   */
  constructor(path: string, identity?: string, look = identityOf) {
    this.path = path;
    this.#identityOf = look;
    this.identity = identity ?? look(path);
  }

  /** Throws `Unavailable` where the file that was opened is not the one that has its path, and where that cannot be told now. */
  refuseMoved(): void {
    let found: string | undefined;
    try {
      found = this.#identityOf(this.path);
    } catch (cause) {
      throw new Unavailable(`${this.path} cannot be looked at: ${reasonOf(cause)}`, undefined, { cause });
    }
    if (found !== this.identity)
      throw new Unavailable(
        `${this.path} is not the file that this server opened: put that back, or stop the server first`,
      );
  }
}
