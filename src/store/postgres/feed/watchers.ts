import type { AccountId } from '../../../domain/message.ts';
import { reasonOf } from '../../../failures.ts';
import { bigints } from '../../../postgres/arrays.ts';
import { integer } from '../../../postgres/cells.ts';
import type { StoreObserver } from '../../store.ts';
import type { Layouts } from '../layout/layouts.ts';
import type { Database } from '../log/database.ts';
import type { Watermark } from '../log/watermark.ts';
import { Recurring } from '../server/recurring.ts';

/** How often what other processes recorded is looked for, for all watched accounts at once. */
const lookEveryMs = 250;

type Watched = { readonly wakes: Set<() => void>; lookedToTx: number };

/**
 * Wakes whoever follows an account. The own process tells what it recorded; what others did is polled while anybody
 * watches. `NOTIFY` would tell at once, but its commits wait for each other, and recording would be as slow as one
 * transaction at a time.
 */
export class Watchers {
  readonly #database: Database;
  readonly #layouts: Layouts;
  readonly #watermark: Watermark;
  readonly #observer: StoreObserver;
  readonly #watched = new Map<AccountId, Watched>();
  readonly #looks: Recurring;
  #failing = false;

  constructor(database: Database, layouts: Layouts, watermark: Watermark, observer: StoreObserver) {
    this.#database = database;
    this.#layouts = layouts;
    this.#watermark = watermark;
    this.#observer = observer;
    this.#looks = new Recurring(lookEveryMs, observer, () => this.#look());
  }

  start(): void {
    this.#looks.start();
  }

  watch(account: AccountId, wake: () => void): () => void {
    const watched = this.#watched.get(account) ?? { wakes: new Set(), lookedToTx: this.#watermark.latestTx };
    this.#watched.set(account, watched);
    // One for each call, so that the same function can watch twice.
    const own = () => wake();
    watched.wakes.add(own);
    return () => {
      watched.wakes.delete(own);
      if (watched.wakes.size === 0 && this.#watched.get(account) === watched) this.#watched.delete(account);
    };
  }

  /** This process recorded something of the account. */
  tell(account: AccountId): void {
    for (const wake of [...(this.#watched.get(account)?.wakes ?? [])]) wake();
  }

  stop(): Promise<void> {
    return this.#looks.stop();
  }

  async #look(): Promise<void> {
    if (this.#watched.size === 0) return;
    try {
      const { tx } = await this.#watermark.read();
      // Whose node is away keeps no others from being told, and is told when it is back.
      const { nodes } = this.#database;
      const { placement } = this.#layouts;
      const asked = [...this.#watched].filter(
        ([account]) => !placement.slicesOf(account).some(one => nodes.isAway(one)),
      );
      const since = asked.reduce((least, [, { lookedToTx }]) => Math.min(least, lookedToTx), tx);
      const newestTx = await this.#newest(new Set(asked.map(([account]) => account)), since, tx);
      for (const [account, watched] of asked) {
        const isNews = (newestTx.get(account) ?? 0) >= watched.lookedToTx;
        watched.lookedToTx = tx;
        if (isNews) this.tell(account);
      }
      if (this.#failing) this.#observer.note({ level: 'info', message: 'what is recorded can be followed again' });
      this.#failing = false;
    } catch (error) {
      const reason = reasonOf(error);
      if (!this.#failing)
        this.#observer.note({ level: 'warn', message: 'what is recorded cannot be followed', detail: { reason } });
      this.#failing = true;
    }
  }

  /** The newest recording of each account that has any from `since` on and before `tx`, in whichever slice. */
  async #newest(accounts: ReadonlySet<AccountId>, since: number, tx: number): Promise<ReadonlyMap<AccountId, number>> {
    return this.#layouts.reading(async placement => {
      const slices = Array.from(accounts, account =>
        placement.slicesOf(account).map(slice => [slice, account] as const),
      );
      const accountOf = new Map(slices.flat());
      const rows = await this.#database.read(newestOfAll, [bigints([...accountOf.keys()]), since, tx]);
      const newest = new Map<AccountId, number>();
      for (const row of rows) {
        const account = accountOf.get(integer(row[0]));
        if (account !== undefined) newest.set(account, Math.max(newest.get(account) ?? 0, integer(row[1])));
      }
      return newest;
    });
  }
}

const newestOfAll = {
  name: 'newest of all',
  text: `
    SELECT r.account_id, max(r.tx) FROM recording r
    WHERE r.account_id = ANY ($1::bigint[]) AND r.tx >= $2 AND r.tx < $3 GROUP BY r.account_id`,
};
