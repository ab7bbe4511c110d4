import { closeSync, existsSync, fchownSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { refuseEmptied } from '../accounts/sqlite/accounts-file.ts';
import { madeListName, Unusable, unusableText } from '../failures.ts';
import { isOutage } from '../store/embedded/files/damage.ts';
import { holdsLog } from '../store/embedded/files/folder.ts';

/** Databases of a data folder, besides those of the log and its accounts. */
const madeNames = ['mirrors.db', 'senders.db', 'outbox.db'] as const;
export type MadeName = (typeof madeNames)[number];

/**
 * Which databases were made in a data folder, a name a line in the file `databases`. SQLite would begin anew what was
 * deleted, without a word. Servers and commands may add to it at once: a line is appended whole, and may stand there twice.
 */
export class MadeFiles {
  readonly #dataDir: string;
  readonly #path: string;
  readonly #warn: (reason: string) => void;

  /** `warn` is told what keeps the list from being added to. */
  constructor(dataDir: string, warn: (reason: string) => void = () => {}) {
    this.#dataDir = dataDir;
    this.#warn = warn;
    this.#path = join(dataDir, madeListName);
  }

  /** Before any of them is opened. Throws `Unusable` where one that was made is not there any more, or empty, or nothing tells which were. */
  refuseLost(): void {
    const made = this.#told();
    // Of a folder of before this list, what is empty beside a log was emptied.
    if (made === undefined) {
      if (holdsLog(this.#dataDir)) refuseEmptied(madeNames.map(name => join(this.#dataDir, name)));
      return;
    }
    for (const name of madeNames.filter(one => made.has(one))) {
      if (this.#isHeld(name)) continue;
      const path = join(this.#dataDir, name);
      throw new Unusable(
        `${path} is ${existsSync(path) ? 'empty' : 'missing'}: restore it from a backup, or remove its line from ` +
          `${this.#path} to begin without what it held`,
      );
    }
  }

  /**
   * Whatever keeps it from being noted must not keep a server from starting, and is told: it is left to the next. The first
   * note of all takes up what an older version made.
   */
  note(...names: readonly MadeName[]): void {
    try {
      const made = this.#made();
      const before = made === undefined ? madeNames.filter(name => this.#isHeld(name)) : [];
      const added = [...new Set([...before, ...names])].filter(name => made?.has(name) !== true);
      if (made !== undefined && added.length === 0) return;
      const list = openOwned(this.#path);
      try {
        writeSync(list, added.map(name => `${name}\n`).join(''));
      } finally {
        closeSync(list);
      }
    } catch (error) {
      if (!isOutage(error)) throw error;
      this.#warn(unusableText(this.#path, error));
    }
  }

  /** It is there, and not empty. */
  #isHeld(name: MadeName): boolean {
    return (statSync(join(this.#dataDir, name), { throwIfNoEntry: false })?.size ?? 0) > 0;
  }

  #told(): ReadonlySet<string> | undefined {
    try {
      return this.#made();
    } catch (error) {
      if (!isOutage(error)) throw error;
      const advice = 'it tells which databases there were, and the user that sentlog runs as has to read and write it';
      throw new Unusable(`${unusableText(this.#path, error)}: ${advice}`, { cause: error });
    }
  }

  /** `undefined` where an older version made what is there. */
  #made(): ReadonlySet<string> | undefined {
    if (!existsSync(this.#path)) return undefined;
    return new Set(readFileSync(this.#path, 'utf8').split('\n'));
  }
}

/**
 * Opens a file to be added to. One that root makes is of the folder's owner, as whom the server runs: it has to open it
 * too. One that is there stays whose it is, since it may be a link to anything.
 */
function openOwned(path: string): number {
  let file: number;
  try {
    file = openSync(path, 'ax', 0o600);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return openSync(path, 'a');
    throw error;
  }
  try {
    const { uid, gid } = statSync(dirname(path));
    if (process.getuid?.() === 0 && uid !== 0) fchownSync(file, uid, gid);
  } catch (error) {
    // Where root may not give files away: whoever cannot open it is told.
    if (!isOutage(error)) throw error;
  }
  return file;
}

/** Opens one of them as a command does, beside a server or without. Throws as `refuseLost`, and what `open` throws. */
export function openedMade<T>(dataDir: string, name: MadeName, open: (path: string) => T): T {
  const made = new MadeFiles(dataDir);
  made.refuseLost();
  // Before it is made: what is left where that is cut short is not taken for what was emptied.
  made.note();
  // SQLite gives what it makes beside a file to whom that is.
  closeSync(openOwned(join(dataDir, name)));
  const opened = open(join(dataDir, name));
  made.note(name);
  return opened;
}
