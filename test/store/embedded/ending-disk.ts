import { type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';

export class Killed extends Error {}

/** A disk of a process that ends when it changes something for the so many-th time. */
export class EndingDisk {
  changes = 0;
  readonly disk: Disk;

  constructor(changesMax: number) {
    const change = <T extends unknown[], R>(work: (...args: T) => R) => {
      return (...args: T): R => {
        if (this.changes === changesMax) throw new Killed();
        this.changes++;
        return work(...args);
      };
    };
    const { write, truncate, rename, link, remove, makeFolder } = systemDisk;
    this.disk = {
      ...systemDisk,
      write: change(write),
      truncate: change(truncate),
      rename: change(rename),
      link: change(link),
      remove: change(remove),
      makeFolder: change(makeFolder),
    };
  }
}
