/**
 * No look begins sooner than `leastMs` after the one before began, nor sooner after its end than it took, up to `mostMs`:
 * what comes meanwhile is looked at together, and the longer a look takes, the more of it there is.
 */
export type Rest = { readonly leastMs: number; readonly mostMs: number };

/**
 * Looks for work again and again, one look at a time: at once when it is woken, else after as long as the last look said.
 * `look` handles its own failures.
 */
export class Looks {
  readonly #look: () => Promise<number>;
  readonly #rest: Rest;
  #endPause: () => void = () => {};
  #endRest: () => void = () => {};
  #isWoken = false;
  #isClosed = false;
  #running: Promise<void> | undefined;
  #waiting: (() => void)[] = [];

  /** `look` gives the milliseconds until the next one. */
  constructor(look: () => Promise<number>, rest: Rest = { leastMs: 0, mostMs: 0 }) {
    this.#look = look;
    this.#rest = rest;
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
    this.#endRest();
    return look;
  }

  /** Ends after the look that is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.wake();
    this.#endRest();
    await this.#running;
    for (const tell of this.#waiting.splice(0)) tell();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      this.#isWoken = false;
      const waiting = this.#waiting.splice(0);
      const begunMs = performance.now();
      const pauseMs = await this.#look();
      const endedMs = performance.now();
      for (const tell of waiting) tell();
      if (!this.#isWoken && !this.#isClosed)
        await timeOr(pauseMs, end => {
          this.#endPause = end;
        });
      const { leastMs, mostMs } = this.#rest;
      const restedMs = Math.max(begunMs + leastMs, endedMs + Math.min(mostMs, endedMs - begunMs));
      const restMs = restedMs - performance.now();
      // Whoever waits for a look waits for no rest.
      if (restMs > 0 && this.#waiting.length === 0 && !this.#isClosed)
        await timeOr(restMs, end => {
          this.#endRest = end;
        });
    }
  }
}

/** Resolves after the time, or when what `ending` is given is called. */
function timeOr(durationMs: number, ending: (end: () => void) => void): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, durationMs);
    ending(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
