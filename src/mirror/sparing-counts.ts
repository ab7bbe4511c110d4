import type { Following } from './rows.ts';

/** Counting takes at most one in so many parts of the time. */
const parts = 100;

/**
 * How many messages each mirror follows, counted at most so often that counting takes a hundredth of the time: where it is
 * not kept, as over PostgreSQL, it takes the longer the more there are.
 */
export class SparingCounts {
  readonly #count: (id: number) => Promise<Following>;
  readonly #clockMs: () => number;
  readonly #counted = new Map<number, { readonly following: Following; readonly goodUntilMs: number }>();

  /** `clockMs` never goes back. */
  constructor(count: (id: number) => Promise<Following>, clockMs: () => number) {
    this.#count = count;
    this.#clockMs = clockMs;
  }

  async followed(id: number): Promise<Following> {
    const begunMs = this.#clockMs();
    const counted = this.#counted.get(id);
    if (counted !== undefined && begunMs < counted.goodUntilMs) return counted.following;
    const following = await this.#count(id);
    const endedMs = this.#clockMs();
    this.#counted.set(id, { following, goodUntilMs: endedMs + (endedMs - begunMs) * (parts - 1) });
    return following;
  }

  /** Forgets the mirrors that are not among these. */
  keep(ids: ReadonlySet<number>): void {
    for (const id of this.#counted.keys()) if (!ids.has(id)) this.#counted.delete(id);
  }
}
