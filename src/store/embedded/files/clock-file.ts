import { join } from 'node:path';
import type { EpochMs } from '../../../domain/message.ts';
import { isOutage } from './damage.ts';
import { type Disk, readWhole, systemDisk } from './disk.ts';

const digits = 16;

/** `clock`: what the clock said when the log was last swept. Written over in place: it takes no room on a full disk. */
export class ClockFile {
  readonly #path: string;
  readonly #disk: Disk;

  constructor(dataDir: string, disk: Disk = systemDisk) {
    this.#path = join(dataDir, 'clock');
    this.#disk = disk;
  }

  /**
   * `undefined` when nothing was ever written. What cannot be read is taken for the beginning of time: any clock is a
   * leap from there, so that a sweep waits that would drop most, and says so.
   */
  async seen(): Promise<EpochMs | undefined> {
    try {
      if (!this.#disk.exists(this.#path)) return undefined;
      const text = readWhole(this.#disk, this.#path).toString('latin1', 0, digits + 1);
      return /^\d{16}\n$/.test(text) ? Number(text) : 0;
    } catch (error) {
      if (!isOutage(error)) throw error;
      return 0;
    }
  }

  /** Where the disk has no room for the file, there is none until it has. */
  async see(now: EpochMs): Promise<void> {
    try {
      const file = this.#disk.open(this.#path, 'update');
      try {
        this.#disk.write(file, Buffer.from(`${String(Math.trunc(now)).padStart(digits, '0')}\n`), 0);
        this.#disk.syncData(file);
      } finally {
        this.#disk.close(file);
      }
    } catch (error) {
      if (!isOutage(error)) throw error;
      this.#removeTorn();
    }
  }

  /** A new file that found no room must not pass for one that cannot be read. */
  #removeTorn(): void {
    try {
      if ((this.#disk.size(this.#path) ?? 0) <= digits) this.#disk.remove(this.#path);
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
  }
}
