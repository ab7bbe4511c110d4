/**
 * Looks for work again and again, one look at a time: at once when it is woken, else after as long as the last look said.
 * `look` handles its own failures.
 */
export class Looks {
  readonly #look: () => Promise<number>;
  #endPause: () => void = () => {};
  #isWoken = false;
  #isClosed = false;
  #running: Promise<void> | undefined;
  #waiting: (() => void)[] = [];

  /** `look` gives the milliseconds until the next one. */
  constructor(look: () => Promise<number>) {
    this.#look = look;
  }

  get isStarted(): boolean {
    return this.#running !== undefined;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** There may be work, or it is another time. */
  wake(): void {
    this.#isWoken = true;
    this.#endPause();
  }

  /** Resolves when a look that begins after this call has ended, or none will. */
  next(): Promise<void> {
    const look = new Promise<void>(resolve => this.#waiting.push(resolve));
    this.wake();
    return look;
  }

  /** Ends after the look that is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.wake();
    await this.#running;
    for (const tell of this.#waiting.splice(0)) tell();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      this.#isWoken = false;
      const waiting = this.#waiting.splice(0);
      const pauseMs = await this.#look();
      for (const tell of waiting) tell();
      if (this.#isWoken || this.#isClosed) continue;
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, pauseMs);
        this.#endPause = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
