import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreUnusable } from '../store.ts';
import { syncFolder } from './disk.ts';

const segmentName = /^(\d{9,})\.rows\.db$/;

/** The files of one log in its data folder. */
export class Folder {
  readonly path: string;
  readonly #damaged: string;

  constructor(dataDir: string) {
    this.path = join(dataDir, 'segments');
    this.#damaged = join(dataDir, 'damaged');
    mkdirSync(this.path, { recursive: true });
  }

  rows(segmentId: number): string {
    return join(this.path, this.nameOf(segmentId));
  }

  /** What a segment is called to the operator: the name of its rows file. */
  nameOf(segmentId: number): string {
    return `${String(segmentId).padStart(9, '0')}.rows.db`;
  }

  index(segmentId: number): string {
    return join(this.path, `${String(segmentId).padStart(9, '0')}.index`);
  }

  /** The segments' ids, oldest first. */
  segmentIds(): readonly number[] {
    return idsIn(this.path);
  }

  /** An id greater than any that was ever used, also by a segment that was set aside. */
  nextSegmentId(): number {
    const used = [...idsIn(this.path), ...(existsSync(this.#damaged) ? idsIn(this.#damaged) : [])];
    return Math.max(0, ...used) + 1;
  }

  bytes(segmentId: number): number {
    return this.#files(segmentId)
      .map(path => statSync(path, { throwIfNoEntry: false })?.size ?? 0)
      .reduce((sum, size) => sum + size, 0);
  }

  /** What is free on the disk for a process without privileges. */
  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** The disk takes a while to free tens of megabytes: not the time of whoever calls. */
  async remove(segmentId: number): Promise<void> {
    await Promise.all(this.#files(segmentId).map(path => rm(path, { force: true })));
  }

  /** Leaves only what a sealed segment consists of. */
  removeLog(segmentId: number): void {
    for (const suffix of ['-wal', '-shm']) rmSync(this.rows(segmentId) + suffix, { force: true });
  }

  /** Moves a damaged segment out of the way, for somebody to look at; nothing of it is deleted. */
  setAside(segmentId: number): void {
    mkdirSync(this.#damaged, { recursive: true });
    for (const path of this.#files(segmentId))
      if (existsSync(path)) renameSync(path, join(this.#damaged, path.slice(this.path.length + 1)));
    syncFolder(this.path);
  }

  /** What was set aside, in this run or an earlier one. */
  setAsideNames(): readonly string[] {
    return existsSync(this.#damaged) ? readdirSync(this.#damaged).filter(name => segmentName.test(name)) : [];
  }

  sync(): void {
    syncFolder(this.path);
  }

  #files(segmentId: number): readonly string[] {
    const rows = this.rows(segmentId);
    return [rows, `${rows}-wal`, `${rows}-shm`, this.index(segmentId), `${this.index(segmentId)}.tmp`];
  }
}

/** Whether a data folder has a log with anything in it, damaged or not. */
export function holdsLog(dataDir: string): boolean {
  return ['segments', 'damaged'].some(name => {
    const path = join(dataDir, name);
    return existsSync(path) && idsIn(path).length > 0;
  });
}

function idsIn(path: string): readonly number[] {
  return readdirSync(path)
    .map(name => Number(segmentName.exec(name)?.[1]))
    .filter(id => id > 0)
    .sort((a, b) => a - b);
}

/** The folder belongs to another process. */
export class FolderInUse extends StoreUnusable {
  constructor(dataDir: string, owner: string) {
    super(`the data folder ${dataDir} is in use by another sentlog process${owner}`);
    this.name = 'FolderInUse';
  }
}

/** Holds a data folder for this process until `release`, or until the process ends however it ends. */
export class FolderLock {
  readonly #db: DatabaseSync;

  constructor(dataDir: string) {
    mkdirSync(dataDir, { recursive: true });
    const pidFile = join(dataDir, 'lock.pid');
    // SQLite's file lock is the operating system's: it is gone with the process, so a crash leaves nothing to clear.
    this.#db = new DatabaseSync(join(dataDir, 'lock.db'), { timeout: 0 });
    try {
      this.#db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    } catch (cause) {
      this.#db.close();
      if (!String(cause).includes('locked')) throw cause;
      const owner = existsSync(pidFile) ? ` (process ${readFileSync(pidFile, 'utf8').trim()})` : '';
      throw new FolderInUse(dataDir, owner);
    }
    writeFileSync(pidFile, `${process.pid}\n`);
  }

  release(): void {
    if (this.#db.isOpen) this.#db.close();
  }
}
