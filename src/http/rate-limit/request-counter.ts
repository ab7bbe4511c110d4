import { RateLimiterMemory } from 'rate-limiter-flexible';

/** How long what a key was counted stays, from its first request on. */
export const windowMs = 60_000;

/** What a key has in its present minute. */
export type Counted = { readonly requests: number; readonly resetMs: number };

/**
 * Counts the requests of each key; the minute of a key begins with its first request, and when it is over there is
 * nothing of it. Calls reject with `Unavailable` when nothing can be counted now.
 */
export interface RequestCounter {
  /** Counts one more. Beyond `enough` what it says need not be exact, but is beyond `enough`. */
  add(key: string, enough: number): Promise<Counted>;
  /** What `add` has counted; `undefined` when there is nothing. */
  look(key: string): Promise<Counted | undefined>;
}

/** Counts for this process alone. */
export class MemoryRequestCounter implements RequestCounter {
  /** It only counts: the limits differ from key to key, so they are compared elsewhere. */
  readonly #counter = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: windowMs / 1000 });

  async add(key: string): Promise<Counted> {
    const { consumedPoints, msBeforeNext } = await this.#counter.penalty(key);
    return counted(consumedPoints, msBeforeNext);
  }

  async look(key: string): Promise<Counted | undefined> {
    const found = await this.#counter.get(key);
    return found === null ? undefined : counted(found.consumedPoints, found.msBeforeNext);
  }
}

/** A wall clock that was set back would have the minute end in hours; its counter is dropped in time all the same. */
function counted(requests: number, resetMs: number): Counted {
  return { requests, resetMs: Math.min(resetMs, windowMs) };
}
