import type { AccountRows } from '../accounts/rows.ts';
import type { AccountId } from '../domain/message.ts';
import { limits } from '../limits.ts';

/** Accounts that are not there, in ascending order; more may be found meanwhile. */
export type LostNote = { readonly count: number; readonly first: readonly AccountId[] };

export type LostAccountsOptions = {
  /** Those that others than the accounts know of, each as often as it comes. */
  readonly known: () => AsyncIterable<Iterable<AccountId>>;
  readonly rows: Pick<AccountRows, 'lacking' | 'newestAccounts'>;
  readonly found: (lost: LostNote) => void;
  /** Told once until it can be looked again. */
  readonly failed: (error: unknown) => void;
};

/** Whether accounts were removed is asked so often; all is looked through once in so many of these. */
const lookMs = 60_000;
const looksPerSearch = 60;
/** Accounts that are asked for at once. */
const askedMax = 1000;

/**
 * Accounts that the log has messages of, or that mirrors and senders are of, and that are not there themselves: a row was
 * lost, or the accounts were restored as they were before. Nobody reads what they have, or may, until they are restored or
 * adopted. Looked for beside all other work: after a start, when there are fewer accounts than a minute ago, and each hour.
 */
export class LostAccounts {
  readonly #options: LostAccountsOptions;
  #found: readonly AccountId[] = [];
  #total: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  #isFailing = false;
  #looks = 0;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: LostAccountsOptions) {
    this.#options = options;
  }

  /** In ascending order. */
  get found(): readonly AccountId[] {
    return this.#found;
  }

  /** Looks for them, and again from now on. */
  start(): void {
    this.#looking = this.look().then(
      () => {
        this.#isFailing = false;
      },
      (error: unknown) => {
        // What was closed under it has not failed.
        if (!this.#isStopped && !this.#isFailing) this.#options.failed(error);
        this.#isFailing = true;
      },
    );
    void this.#looking.then(() => {
      if (!this.#isStopped) this.#timer = setTimeout(() => this.start(), lookMs).unref();
    });
  }

  /** Resolves when nothing is being looked at any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  /** Looks where it is time to, or where accounts are gone since the last look. */
  async look(): Promise<void> {
    const { total } = await this.#options.rows.newestAccounts(0);
    const isDue = this.#looks % looksPerSearch === 0 || this.#found.length > 0 || total < (this.#total ?? 0);
    // A search that fails stays due: a database may be away at a start.
    if (isDue) await this.#search();
    this.#looks++;
    this.#total = total;
  }

  async #search(): Promise<void> {
    const seen = new Set<AccountId>();
    const lost: AccountId[] = [];
    const ask = async (ids: readonly AccountId[]) => {
      if (ids.length > 0) lost.push(...(await this.#options.rows.lacking(ids)));
    };
    for await (const part of this.#options.known()) {
      let fresh: AccountId[] = [];
      for (const id of part) {
        if (this.#isStopped) return;
        if (seen.has(id)) continue;
        seen.add(id);
        if (fresh.push(id) < askedMax) continue;
        await ask(fresh);
        fresh = [];
        // Others take their turns between.
        await new Promise(setImmediate);
      }
      await ask(fresh);
    }
    lost.sort((a, b) => a - b);
    const told = new Set(this.#found);
    const isNews = lost.some(id => !told.has(id));
    this.#found = lost;
    if (isNews) this.#options.found({ count: lost.length, first: lost.slice(0, limits.lostAccountsNamedMax) });
  }
}
