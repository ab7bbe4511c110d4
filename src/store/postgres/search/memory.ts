/** Remembers something for a while of each of the keys that were set last. */
export class Memory<T> {
  readonly #kept = new Map<string, { readonly value: T; readonly until: number }>();
  readonly #max: number;
  readonly #keptMs: number;

  constructor(max: number, keptMs: number) {
    this.#max = max;
    this.#keptMs = keptMs;
  }

  get(key: string): T | undefined {
    const found = this.#kept.get(key);
    return found === undefined || found.until < performance.now() ? undefined : found.value;
  }

  set(key: string, value: T): void {
    // Set anew, so that what was set longest ago comes first.
    this.#kept.delete(key);
    this.#kept.set(key, { value, until: performance.now() + this.#keptMs });
    if (this.#kept.size <= this.#max) return;
    for (const [oldest] of this.#kept) {
      this.#kept.delete(oldest);
      break;
    }
  }
}
