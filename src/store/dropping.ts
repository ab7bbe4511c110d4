import type { EpochMs } from '../domain/message.ts';

/** How many messages a sweep would drop, of all there are. */
export type Dropping = {
  readonly past: number;
  readonly all: number;
  /**
   * Whether more than half would go of what some accounts have that keep theirs equally long: of the whole log it may be
   * less, where others keep theirs longer.
   */
  readonly losesMost: boolean;
};

/** Adds up what would be dropped, by how long it is kept. */
export class DroppingSum {
  readonly #byHorizon = new Map<EpochMs, { past: number; all: number }>();

  /** Messages that are past before that moment, and whether they would go. */
  add(horizon: EpochMs, messages: number, goes: boolean): void {
    let sum = this.#byHorizon.get(horizon);
    if (sum === undefined) {
      sum = { past: 0, all: 0 };
      this.#byHorizon.set(horizon, sum);
    }
    sum.all += messages;
    if (goes) sum.past += messages;
  }

  total(): Dropping {
    const sums = [...this.#byHorizon.values()];
    return {
      past: sums.reduce((total, { past }) => total + past, 0),
      all: sums.reduce((total, { all }) => total + all, 0),
      losesMost: sums.some(({ past, all }) => past * 2 > all),
    };
  }
}
