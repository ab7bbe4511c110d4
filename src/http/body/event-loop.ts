import { setImmediate } from 'node:timers/promises';
import { limits } from '../../limits.ts';

/** What any item costs besides its characters. */
const itemChars = 250;

/**
 * One event loop that all requests share. Loops over what a caller sent run in stretches of bounded work, and of all
 * loops together only one has a stretch between two looks at what else has come: however many callers send however much,
 * whoever asks for little waits for one stretch.
 */
export class EventLoop {
  #last: Promise<void> = Promise.resolve();

  /** For one loop; `await` what `spend` gives for each item. */
  stretch(): Stretch {
    return new Stretch(() => this.#turn());
  }

  #turn(): Promise<void> {
    this.#last = this.#last.then(() => setImmediate());
    return this.#last;
  }
}

export class Stretch {
  readonly #turn: () => Promise<void>;
  /** The first one is short: it begins without a turn, beside others that do, and for most bodies it is enough. */
  #left: number = limits.stretchChars / 10;

  constructor(turn: () => Promise<void>) {
    this.#turn = turn;
  }

  /** Counts an item of so many characters. When the stretch is over it gives what to wait for before the next. */
  spend(chars: number): Promise<void> | undefined {
    this.#left -= chars + itemChars;
    if (this.#left > 0) return undefined;
    this.#left = limits.stretchChars;
    return this.#turn();
  }

  /** Does work that says after each of its steps how many characters it took. */
  async run<T>(work: Generator<number, T>): Promise<T> {
    for (;;) {
      const step = work.next();
      if (step.done === true) return step.value;
      const pause = this.spend(step.value);
      if (pause !== undefined) await pause;
    }
  }
}
