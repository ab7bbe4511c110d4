import { appendFileSync, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { refuseEmptied } from '../accounts/sqlite/accounts-file.ts';
import { Unusable } from '../failures.ts';
import { isOutage } from '../store/embedded/files/damage.ts';
import { holdsLog } from '../store/embedded/files/folder.ts';

/** Databases of a data folder, besides those of the log and its accounts. */
const madeNames = ['mirrors.db', 'senders.db', 'outbox.db'] as const;
export type MadeName = (typeof madeNames)[number];

const listName = 'databases';

/**
 * Which databases were made in a data folder, a name a line in the file `databases`. SQLite would begin anew what was
 * deleted, without a word. Servers and commands may add to it at once: a line is appended whole, and may stand there twice.
 */
export class MadeFiles {
  readonly #dataDir: string;
  readonly #path: string;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#path = join(dataDir, listName);
  }

  /** Before any of them is opened. Throws `Unusable` where one that was made is not there any more, or empty. */
  refuseLost(): void {
    const made = this.#made();
    // Of a folder of before this list, what is empty beside a log was emptied.
    if (made === undefined) {
      if (holdsLog(this.#dataDir)) refuseEmptied(madeNames.map(name => join(this.#dataDir, name)));
      return;
    }
    for (const name of madeNames.filter(one => made.has(one))) {
      const path = join(this.#dataDir, name);
      const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      if (size > 0) continue;
      throw new Unusable(
        `${path} is ${existsSync(path) ? 'empty' : 'missing'}: restore it from a backup, or remove its line from ` +
          `${this.#path} to begin without what it held`,
      );
    }
  }

  /** On a full disk, which must not keep a server from starting, it is left to the next. */
  note(...names: readonly MadeName[]): void {
    const made = this.#made();
    const added = names.filter(name => made?.has(name) !== true);
    if (made !== undefined && added.length === 0) return;
    try {
      appendFileSync(this.#path, added.map(name => `${name}\n`).join(''), { mode: 0o600 });
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
  }

  /** `undefined` where an older version made what is there. */
  #made(): ReadonlySet<string> | undefined {
    if (!existsSync(this.#path)) return undefined;
    return new Set(readFileSync(this.#path, 'utf8').split('\n'));
  }
}

/** Opens one of them as a command does, beside a server or without. Throws as `refuseLost`, and what `open` throws. */
export function openedMade<T>(dataDir: string, name: MadeName, open: (path: string) => T): T {
  const made = new MadeFiles(dataDir);
  made.refuseLost();
  const opened = open(join(dataDir, name));
  made.note(name);
  return opened;
}
