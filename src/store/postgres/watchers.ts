import type { AccountId } from '../../domain/message.ts';
import { integer, optional } from '../../postgres/cells.ts';
import type { StoreObserver } from '../store.ts';
import { bigints } from './arrays.ts';
import type { Database } from './database.ts';
import type { Watermark } from './watermark.ts';

/** How often what other processes recorded is looked for, for all watched accounts at once. */
const lookEveryMs = 250;

type Watched = { readonly wakes: Set<() => void>; newestTx: number };

/**
 * Wakes whoever follows an account. The own process tells what it recorded; what others did is polled while anybody
 * watches. `NOTIFY` would tell at once, but its commits wait for each other, and recording would be as slow as one
 * transaction at a time.
 */
export class Watchers {
  readonly #database: Database;
  readonly #watermark: Watermark;
  readonly #observer: StoreObserver;
  readonly #watched = new Map<AccountId, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #failing = false;
  #stopped = false;

  constructor(database: Database, watermark: Watermark, observer: StoreObserver) {
    this.#database = database;
    this.#watermark = watermark;
    this.#observer = observer;
  }

  watch(account: AccountId, wake: () => void): () => void {
    const watched = this.#watched.get(account) ?? { wakes: new Set(), newestTx: 0 };
    this.#watched.set(account, watched);
    // One for each call, so that the same function can watch twice.
    const own = () => wake();
    watched.wakes.add(own);
    this.#lookLater();
    return () => {
      watched.wakes.delete(own);
      if (watched.wakes.size === 0 && this.#watched.get(account) === watched) this.#watched.delete(account);
    };
  }

  /** This process recorded something of the account. */
  tell(account: AccountId): void {
    for (const wake of [...(this.#watched.get(account)?.wakes ?? [])]) wake();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #lookLater(): void {
    if (this.#timer !== undefined || this.#stopped || this.#watched.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => {
        this.#timer = undefined;
        this.#lookLater();
      });
    }, lookEveryMs);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    try {
      const { tx } = await this.#watermark.read();
      const asked = [...this.#watched];
      const newest = await this.#database.read(newestOfAll, [
        bigints(asked.map(([account]) => account)),
        bigints(asked.map(([, { newestTx }]) => newestTx)),
        tx,
      ]);
      for (const row of newest) this.#advance(integer(row[0]), optional(row[1], integer));
      if (this.#failing) this.#observer.note({ level: 'info', message: 'what is recorded can be followed again' });
      this.#failing = false;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!this.#failing && !this.#stopped)
        this.#observer.note({ level: 'warn', message: 'what is recorded cannot be followed', detail: { reason } });
      this.#failing = true;
    }
  }

  #advance(account: AccountId, newestTx: number | undefined): void {
    const watched = this.#watched.get(account);
    if (watched === undefined || newestTx === undefined || newestTx <= watched.newestTx) return;
    watched.newestTx = newestTx;
    this.tell(account);
  }
}

const newestOfAll = {
  name: 'newest of all',
  text: `
    SELECT a.account_id, (
      SELECT r.tx FROM recording r WHERE r.account_id = a.account_id AND r.tx > a.newest_tx AND r.tx < $3
      ORDER BY r.tx DESC LIMIT 1
    )
    FROM unnest($1::bigint[], $2::bigint[]) a (account_id, newest_tx)`,
};
