import type { EpochMs } from '../domain/message.ts';

/** How often a key or a user has let somebody in, and when it last did. */
export type Use = {
  /** A key by its id, a user by the number it has in the rows. */
  readonly of: { readonly key: string } | { readonly user: number };
  readonly count: number;
  readonly lastAt: EpochMs;
};

/** Uses are kept this often: what shows of them is so old at most, and a kill -9 costs so much of them. */
const keepEveryMs = 10_000;

/** Counts uses in memory, and has them kept once in a while: whoever is let in waits for none of it. */
export class Uses {
  readonly #keep: (uses: readonly Use[]) => Promise<void>;
  readonly #everyMs: number;
  #counted = new Map<string, Use>();
  #timer: NodeJS.Timeout | undefined;

  /** `keep` adds to what is kept. */
  constructor(keep: (uses: readonly Use[]) => Promise<void>, everyMs = keepEveryMs) {
    this.#keep = keep;
    this.#everyMs = everyMs;
  }

  count(of: Use['of'], at: EpochMs): void {
    this.#add({ of, count: 1, lastAt: at });
  }

  /** What could not be kept is counted on, and kept later. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const uses = [...this.#counted.values()];
    if (uses.length === 0) return;
    this.#counted = new Map();
    try {
      await this.#keep(uses);
    } catch {
      // Where callers are proven by the same rows, they are told that these cannot be used now.
      for (const use of uses) this.#add(use);
    }
  }

  /** Keeps what was counted, if it can be kept now. */
  async close(): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
  }

  #add({ of, count, lastAt }: Use): void {
    const name = 'key' in of ? `key ${of.key}` : `user ${of.user}`;
    const before = this.#counted.get(name);
    this.#counted.set(name, {
      of,
      count: count + (before?.count ?? 0),
      lastAt: Math.max(lastAt, before?.lastAt ?? 0),
    });
    this.#timer ??= setTimeout(() => void this.flush(), this.#everyMs).unref();
  }
}
