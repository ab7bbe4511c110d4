import { closeSync, ftruncateSync, openSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { isDamage, isOutage } from './damage.ts';
import { systemDisk } from './disk.ts';

/**
 * A file that one process holds at a time. SQLite's lock on it is the operating system's: it is gone with the process, so
 * a crash leaves nothing to clear.
 */
export class HeldFile {
  readonly #path: string;
  #db: DatabaseSync;
  #inode: bigint | undefined;

  /** Throws what SQLite throws when another process holds it. */
  constructor(path: string) {
    this.#path = path;
    this.#db = held(path);
    this.#inode = inodeOf(path);
  }

  /**
   * Makes and holds it anew when it is not there any more, or another file in its place. Where that cannot be done or
   * told now, for a full disk or since another process holds that file, the old one is kept.
   */
  holdAgain(): void {
    if (!this.#db.isOpen) return;
    try {
      const inode = inodeOf(this.#path);
      if (inode !== undefined && inode === this.#inode) return;
      const db = held(this.#path);
      this.#db.close();
      this.#db = db;
      this.#inode = inodeOf(this.#path);
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
  }

  release(): void {
    if (this.#db.isOpen) this.#db.close();
  }
}

/** Whether what has a path is what had it; not where that cannot be told now. */
export function isStill(path: string, identity: string | undefined): boolean {
  try {
    return systemDisk.identity(path) === identity;
  } catch (error) {
    if (!isOutage(error)) throw error;
    return false;
  }
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** Nothing in it is of any worth: what is no database is emptied, and stays the same file to whoever else opens it. */
function held(path: string): DatabaseSync {
  try {
    return heldDatabase(path);
  } catch (error) {
    if (!isDamage(error)) throw error;
    const file = openSync(path, 'r+');
    ftruncateSync(file);
    closeSync(file);
    return heldDatabase(path);
  }
}

function heldDatabase(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
