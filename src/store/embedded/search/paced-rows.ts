/** What a step of looking rows through may take: others wait for it. */
const stepMs = 5;

/**
 * How many rows the next step takes, by how long the last one took: what is asked of a row may take a microsecond, and words
 * milliseconds where its content is long.
 */
export class PacedRows {
  count: number;
  readonly #max: number;

  constructor(first: number, max: number) {
    this.count = first;
    this.#max = max;
  }

  took(ms: number): void {
    this.count = ms > stepMs ? Math.max(1, this.count >> 1) : Math.min(this.#max, 2 * this.count);
  }
}
