/** A change by another process shows after this long, and what reading takes: all in all within a second. */
const ageMsMax = 500;

/** What was read a moment ago, for whoever asks for it all the time. */
export class Known<T> {
  readonly #read: () => Promise<T>;
  #value: Promise<T> | undefined;
  #askedMs = 0;

  constructor(read: () => Promise<T>) {
    this.#read = read;
  }

  value(): Promise<T> {
    const now = performance.now();
    if (this.#value === undefined || now - this.#askedMs > ageMsMax) {
      this.#askedMs = now;
      const asked = this.#read();
      this.#value = asked;
      // What could not be read is asked for again, and not remembered.
      asked.catch(() => {
        if (this.#value === asked) this.#value = undefined;
      });
    }
    return this.#value;
  }

  forget(): void {
    this.#value = undefined;
  }
}
