import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LaunchOptions } from './server-process.ts';

const preload = join(import.meta.dirname, 'shifted-clock.ts');

/** The wall clock of the processes that are started with `launch`, which a test puts forward and back. */
export class ClockFile {
  readonly launch: Pick<LaunchOptions, 'nodeArgs' | 'env'>;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sentlog-clock-'));
  readonly #file = join(this.#folder, 'shift');
  readonly #opened = openSync(this.#file, 'w');
  #shiftMs = 0;

  constructor() {
    this.launch = { nodeArgs: ['--import', preload], env: { SHIFTED_CLOCK_FILE: this.#file } };
    this.shiftMs = 0;
  }

  /** How far ahead of the real one it runs. Processes see a change when they next look. */
  get shiftMs(): number {
    return this.#shiftMs;
  }

  set shiftMs(ms: number) {
    this.#shiftMs = ms;
    writeSync(this.#opened, new Float64Array([ms]), 0, 8, 0);
  }

  now(): number {
    return Date.now() + this.#shiftMs;
  }

  remove(): void {
    closeSync(this.#opened);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
