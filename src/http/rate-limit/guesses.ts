import type { Allowance } from './rate-limit.ts';

type Network = { underWay: number; readonly waiting: (() => void)[] };

/**
 * Attempts that may fail, by the network they come from: no more are under way than may still fail, as each of them may.
 * Further ones wait until one is over.
 */
export class Guesses {
  readonly #networks = new Map<string, Network>();

  /**
   * `look` tells what the network may still fail; `refuse` throws when that is nothing. An attempt that has failed must be
   * counted when `attempt` ends.
   */
  async run<T>(
    name: string,
    look: () => Promise<Allowance>,
    refuse: (allowance: Allowance) => void,
    attempt: () => Promise<T>,
  ): Promise<T> {
    const network = this.#networks.get(name) ?? { underWay: 0, waiting: [] };
    this.#networks.set(name, network);
    for (;;) {
      // Before the look: whichever ends meanwhile is in the one number or in the other.
      const place = ++network.underWay;
      let isOver = true;
      try {
        const allowance = await look();
        refuse(allowance);
        if (place <= allowance.remaining) return await attempt();
        isOver = false;
      } finally {
        network.underWay--;
        if (isOver) network.waiting.shift()?.();
        if (network.underWay === 0 && network.waiting.length === 0) this.#networks.delete(name);
      }
      // Of those that only looked the last one to leave looks again.
      if (network.underWay > 0) await new Promise<void>(resolve => network.waiting.push(resolve));
      this.#networks.set(name, network);
    }
  }
}
