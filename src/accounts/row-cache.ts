/** How old a cached row may be: a change by any process shows after this long at the latest. */
const rowAgeMsMax = 250;

type Cached<Value> = { readonly row: Value; readonly askedMs: number };

/**
 * Rows by their key, read when first asked for and again when they are too old; of those who ask at once, one reads.
 * What is not there is never remembered: a new key works at once, and made-up keys take no memory. Rejects with what
 * reading rejects with.
 */
export class RowCache<Value> {
  readonly #read: (key: string) => Promise<Value | undefined>;
  readonly #sizeMax: number;
  readonly #monotonicMs: () => number;
  readonly #rows = new Map<string, Cached<Value>>();
  readonly #reading = new Map<string, Promise<Value | undefined>>();

  constructor(
    sizeMax: number,
    read: (key: string) => Promise<Value | undefined>,
    monotonicMs: () => number = () => performance.now(),
  ) {
    this.#sizeMax = sizeMax;
    this.#read = read;
    this.#monotonicMs = monotonicMs;
  }

  /** Whether `get` would answer without reading. */
  has(key: string): boolean {
    return this.#fresh(key, this.#monotonicMs()) !== undefined;
  }

  async get(key: string): Promise<Value | undefined> {
    const askedMs = this.#monotonicMs();
    const fresh = this.#fresh(key, askedMs);
    if (fresh !== undefined) return fresh.row;
    const running = this.#reading.get(key);
    if (running !== undefined) return running;
    const started = this.#refresh(key, askedMs).finally(() => this.#reading.delete(key));
    this.#reading.set(key, started);
    return started;
  }

  forget(key: string): void {
    this.#rows.delete(key);
  }

  #fresh(key: string, nowMs: number): Cached<Value> | undefined {
    const cached = this.#rows.get(key);
    return cached !== undefined && nowMs - cached.askedMs < rowAgeMsMax ? cached : undefined;
  }

  /** Its age counts from when it was asked for: that is the moment before which no change is missed. */
  async #refresh(key: string, askedMs: number): Promise<Value | undefined> {
    const row = await this.#read(key);
    this.#rows.delete(key);
    if (row === undefined) return undefined;
    const [oldest] = this.#rows.keys();
    if (oldest !== undefined && this.#rows.size >= this.#sizeMax) this.#rows.delete(oldest);
    this.#rows.set(key, { row, askedMs });
    return row;
  }
}
