import { statSync } from 'node:fs';
import { reasonOf, Unavailable } from './failures.ts';

/** `identity` tells a file from any other that may stand in its place; `undefined` when there is none. */
type Looked = { readonly identity: string | undefined; readonly isEmpty: boolean };

function looked(path: string): Looked {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return { identity: found && `${found.dev}:${found.ino}`, isEmpty: found?.size === 0n };
}

/** Tells a file or folder from any other that may stand in its place; `undefined` when there is none. */
export function identityOf(path: string): string | undefined {
  return looked(path).identity;
}

/**
 * A file that this process has open. One that was moved, removed or replaced meanwhile takes what is written, and nobody
 * finds it there; what others write to the one that stands in its place is not read here. Of one that was emptied a database
 * goes on for a while by what it remembers, and keeps pages that no later start makes anything of.
 */
export class OpenedFile {
  readonly path: string;
  readonly identity: string | undefined;

  readonly #look: (path: string) => Looked;
  #isFilled: boolean;

  /**
   * `identity`: of the one that was opened, for a thread that joins in later; without it, of the one that stands there.
   * `look` is how it is told, where another disk than the system's is asked, which is not asked whether it is empty.
   */
  constructor(path: string, identity?: string, look?: typeof identityOf) {
    this.path = path;
    this.#look = look === undefined ? looked : at => ({ identity: look(at), isEmpty: false });
    const found = this.#look(path);
    this.identity = identity ?? found.identity;
    this.#isFilled = !found.isEmpty;
  }

  /**
   * Throws `Unavailable` where the file that was opened is not the one that has its path, where all that it held was taken out
   * of it, and where that cannot be told now.
   */
  refuseMoved(): void {
    let found: Looked;
    try {
      found = this.#look(this.path);
    } catch (cause) {
      throw new Unavailable(`${this.path} cannot be looked at: ${reasonOf(cause)}`, undefined, { cause });
    }
    if (found.identity !== this.identity)
      throw new Unavailable(
        `${this.path} is not the file that this server opened: put that back, or stop the server first`,
      );
    if (found.isEmpty && this.#isFilled)
      throw new Unavailable(`${this.path} was emptied under this server: put back what it held`);
    this.#isFilled ||= !found.isEmpty;
  }
}
