import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { EpochMs } from '../../../domain/message.ts';
import { isOutage } from './damage.ts';

const digits = 16;

/** `clock`: what the clock said when the log was last swept. Written over in place: it takes no room on a full disk. */
export class ClockFile {
  readonly #path: string;

  constructor(dataDir: string) {
    this.#path = join(dataDir, 'clock');
  }

  /** `undefined` when nothing was ever written, or what was cannot be read. */
  async seen(): Promise<EpochMs | undefined> {
    try {
      const text = readFileSync(this.#path, 'latin1').slice(0, digits + 1);
      return /^\d{16}\n$/.test(text) ? Number(text) : undefined;
    } catch (error) {
      if (!isOutage(error)) throw error;
      return undefined;
    }
  }

  /** Where the disk has no room for the file, there is none until it has. */
  async see(now: EpochMs): Promise<void> {
    try {
      const file = openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
      try {
        writeSync(file, `${String(Math.trunc(now)).padStart(digits, '0')}\n`, 0);
      } finally {
        closeSync(file);
      }
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
  }
}
