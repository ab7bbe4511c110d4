import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { Unavailable } from '../failures.ts';

/** How old a cached row may be: a change by any process shows after this long at the latest. */
const checkEveryMs = 100;

/** Tells when another connection, of this process or another, has changed the file. */
export class ChangeWatch {
  readonly #version: StatementSync;
  readonly #monotonicMs: () => number;
  #seen: unknown;
  #checkedMs = Number.NEGATIVE_INFINITY;
  #generation = 0;

  constructor(db: DatabaseSync, monotonicMs: () => number = () => performance.now()) {
    this.#version = db.prepare('PRAGMA data_version');
    this.#monotonicMs = monotonicMs;
  }

  /** Grows with every change that was noticed. */
  generation(): number {
    const now = this.#monotonicMs();
    if (now - this.#checkedMs < checkEveryMs) return this.#generation;
    this.#checkedMs = now;
    const seen = readOrUnavailable(() => this.#version.get()?.data_version);
    if (seen !== this.#seen) this.#generation++;
    this.#seen = seen;
    return this.#generation;
  }
}

/**
 * Rows by their key, read from the file when first asked for and again after it changed. What is not there is never
 * remembered: a new key works at once, and made-up keys take no memory. Throws `Unavailable` when the file
 * cannot be read.
 */
export class RowCache<Value> {
  readonly #watch: ChangeWatch;
  readonly #read: (key: string) => Value | undefined;
  readonly #sizeMax: number;
  readonly #rows = new Map<string, Value>();
  #generation = 0;

  constructor(watch: ChangeWatch, sizeMax: number, read: (key: string) => Value | undefined) {
    this.#watch = watch;
    this.#read = read;
    this.#sizeMax = sizeMax;
  }

  get(key: string): Value | undefined {
    const generation = this.#watch.generation();
    if (generation !== this.#generation) this.#rows.clear();
    this.#generation = generation;
    const cached = this.#rows.get(key);
    if (cached !== undefined) return cached;
    const row = readOrUnavailable(() => this.#read(key));
    if (row === undefined) return undefined;
    const [oldest] = this.#rows.keys();
    if (oldest !== undefined && this.#rows.size >= this.#sizeMax) this.#rows.delete(oldest);
    this.#rows.set(key, row);
    return row;
  }

  forget(key: string): void {
    this.#rows.delete(key);
  }
}

function readOrUnavailable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Unavailable(`cannot read the accounts file: ${reason}`, 1000, { cause: error });
  }
}
