import type { AccountId, EpochMs } from '../domain/message.ts';
import type { AccountRows } from './rows.ts';

/** What a change of an account's retention takes to hold. */
const refreshMs = 1000;
/** Of so many looks, one reads them whatever was told of changes. */
const looksPerReading = 60;

/** How long each account keeps its messages: as the server is set, where the account has no time of its own. */
export class Retentions {
  readonly #rows: Pick<AccountRows, 'retentions'>;
  readonly #commonMs: number;
  readonly #failed: (error: unknown) => void;
  #own: ReadonlyMap<AccountId, number> = new Map();
  #timer: NodeJS.Timeout | undefined;

  /** `failed` is told when the times cannot be read any more: those that were known hold meanwhile. */
  constructor(rows: Pick<AccountRows, 'retentions'>, commonMs: number, failed: (error: unknown) => void) {
    this.#rows = rows;
    this.#commonMs = commonMs;
    this.#failed = failed;
  }

  /** Reads them, and again from now on. Rejects when they cannot be read. */
  async start(): Promise<void> {
    await this.refresh();
    let looks = 0;
    const look = () => this.#read(++looks % looksPerReading !== 0);
    let isFailing = false;
    const failed = (error: unknown) => {
      if (!isFailing) this.#failed(error);
      isFailing = true;
    };
    const read = () => {
      isFailing = false;
    };
    const again = () => {
      this.#timer = setTimeout(() => look().then(read, failed).finally(again), refreshMs).unref();
    };
    again();
  }

  stop(): void {
    // One that is being read sets another timer, which keeps nothing going.
    clearTimeout(this.#timer);
  }

  refresh(): Promise<void> {
    return this.#read(false);
  }

  async #read(mayRemember: boolean): Promise<void> {
    this.#own = await this.#rows.retentions(mayRemember);
  }

  /** Of an account, in milliseconds. */
  readonly of = (account: AccountId): number => this.#own.get(account) ?? this.#commonMs;

  /** Of the account that keeps its own shortest, in milliseconds. */
  readonly shortestMs = (): number =>
    this.#own.values().reduce((least, keptMs) => Math.min(least, keptMs), this.#commonMs);

  /** Before which moment messages are past: of accounts with a time of their own, and of all others. */
  horizons(now: EpochMs): { readonly others: EpochMs; readonly own: ReadonlyMap<AccountId, EpochMs> } {
    return {
      others: now - this.#commonMs,
      own: new Map(Array.from(this.#own, ([account, keptMs]) => [account, now - keptMs])),
    };
  }
}
