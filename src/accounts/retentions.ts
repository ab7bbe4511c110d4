import type { AccountId, EpochMs } from '../domain/message.ts';
import { Slices } from '../slices.ts';
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
  #shortestMs: number;
  /** How often they were asked for, and which of these answers holds: of two that are read side by side, the later. */
  #reads = 0;
  #heldRead = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `failed` is told when the times cannot be read any more: those that were known hold meanwhile. */
  constructor(rows: Pick<AccountRows, 'retentions'>, commonMs: number, failed: (error: unknown) => void) {
    this.#rows = rows;
    this.#commonMs = commonMs;
    this.#shortestMs = commonMs;
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
    const read = ++this.#reads;
    const own = await this.#rows.retentions(mayRemember);
    const shortestMs = own === this.#own ? this.#shortestMs : await this.#shortestOf(own);
    if (read < this.#heldRead) return;
    this.#heldRead = read;
    this.#own = own;
    this.#shortestMs = shortestMs;
  }

  async #shortestOf(own: ReadonlyMap<AccountId, number>): Promise<number> {
    const slices = new Slices();
    let shortestMs = this.#commonMs;
    for (const keptMs of own.values()) {
      shortestMs = Math.min(shortestMs, keptMs);
      const pause = slices.pause();
      if (pause !== undefined) await pause;
    }
    return shortestMs;
  }

  /** Of an account, in milliseconds. */
  readonly of = (account: AccountId): number => this.#own.get(account) ?? this.#commonMs;

  /** Of the account that keeps its own shortest, in milliseconds. */
  readonly shortestMs = (): number => this.#shortestMs;

  /** Before which moment messages are past: of accounts with a time of their own, and of all others. */
  horizons(now: EpochMs): { readonly others: EpochMs; readonly own: OwnMoments } {
    return { others: now - this.#commonMs, own: new OwnMoments(this.#own, now) };
  }
}

/** What is past, reckoned as it is asked for: of a hundred thousand accounts it would take a long piece of the thread. */
class OwnMoments {
  readonly #keptMs: ReadonlyMap<AccountId, number>;
  readonly #now: EpochMs;

  constructor(keptMs: ReadonlyMap<AccountId, number>, now: EpochMs) {
    this.#keptMs = keptMs;
    this.#now = now;
  }

  get size(): number {
    return this.#keptMs.size;
  }

  get(account: AccountId): EpochMs | undefined {
    const keptMs = this.#keptMs.get(account);
    return keptMs === undefined ? undefined : this.#now - keptMs;
  }

  *[Symbol.iterator](): Generator<readonly [account: AccountId, before: EpochMs]> {
    for (const [account, keptMs] of this.#keptMs) yield [account, this.#now - keptMs];
  }
}
