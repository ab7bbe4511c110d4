import { writeSync } from 'node:fs';

/**
 * Where the lines of the program's log go: a file descriptor, written at once. A disk that is full, a reader that is gone
 * or does not read costs lines, never the work that they tell of: the next line that can be written follows one that says
 * how many are missing.
 */
export class LogOutput {
  readonly #fd: number;
  #lost = 0;
  /** The line before was cut short. */
  #isTorn = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(line: string): void {
    const gap =
      this.#lost === 0 ? '' : `{"level":"warn","msg":"${this.#lost} lines of this log could not be written"}\n`;
    if (this.#isWritten(Buffer.from(`${this.#isTorn ? '\n' : ''}${gap}${line}`))) this.#lost = 0;
    else this.#lost++;
  }

  #isWritten(bytes: Buffer): boolean {
    let done = 0;
    try {
      while (done < bytes.byteLength) done += writeSync(this.#fd, bytes, done);
    } catch {
      if (done > 0) this.#isTorn = bytes[done - 1] !== 0x0a;
      return false;
    }
    this.#isTorn = false;
    return true;
  }
}
