import type { AccountId, EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { integer, truth } from '../../postgres/cells.ts';
import type { Session, Statement } from '../../postgres/session.ts';
import { StoreUnavailable } from '../store.ts';
import type { Database } from './database.ts';
import { type Slice, sliceAt, sliceIndexOf } from './slices.ts';

/** Over how many slices an account is spread, from some moment on. Numbers count up over all accounts. */
export type Layout = {
  readonly number: number;
  readonly account: AccountId;
  readonly slices: number;
  /** Otherwise it is announced: processes read as if it had begun, and record as if there were none. */
  readonly begun: boolean;
};

/** Where the messages of an account are, by the layouts of some moment. */
export class Spread {
  /** The newest layout, announced ones too. */
  readonly newest: number;
  /** The newest layout that has begun: what a recording must have gone by. */
  readonly begun: number;
  /** Oldest first, of accounts that were ever spread. */
  readonly #layouts: ReadonlyMap<AccountId, readonly Layout[]>;

  constructor(layouts: readonly Layout[]) {
    this.#layouts = Map.groupBy(layouts, layout => layout.account);
    this.newest = layouts.at(-1)?.number ?? 0;
    this.begun = layouts.findLast(layout => layout.begun)?.number ?? 0;
  }

  /** Whether there is more than the account's first slice to read from, or to record into. */
  has(account: AccountId): boolean {
    return this.#layouts.has(account) && this.#countsOf(account).some(count => count > 1);
  }

  /** All that hold, or may come to hold, anything of the account. */
  slicesOf(account: AccountId): readonly Slice[] {
    if (!this.has(account)) return [account];
    return Array.from({ length: Math.max(...this.#countsOf(account)) }, (_, i) => sliceAt(account, i));
  }

  /** Where a message of this id is or would be, by any of the layouts. */
  slicesHolding(account: AccountId, messageId: string): readonly Slice[] {
    if (!this.has(account)) return [account];
    const indexes = this.#countsOf(account).map(count => sliceIndexOf(messageId, count));
    return [...new Set(indexes)].map(index => sliceAt(account, index));
  }

  /** Where a message of this id is recorded that is not in the log. */
  sliceFor(account: AccountId, messageId: string): Slice {
    const layout = this.#layouts.get(account)?.findLast(one => one.begun);
    return layout === undefined ? account : sliceAt(account, sliceIndexOf(messageId, layout.slices));
  }

  /** Where else a message of this id may be since before the layout that holds now. */
  olderSlicesFor(account: AccountId, messageId: string): readonly Slice[] {
    if (!this.has(account)) return [];
    const own = this.sliceFor(account, messageId);
    return this.slicesHolding(account, messageId).filter(slice => slice !== own);
  }

  #countsOf(account: AccountId): readonly number[] {
    return [...new Set(this.#layouts.get(account)?.map(layout => layout.slices))];
  }
}

/** How old what is known may get before it is asked for anew, beside the reads that go by it. */
const askAgainMs = limits.layoutAgeMs / 5;
const readTriesMax = 4;

/** What was known of the layouts, and when it was last asked for. */
type Known = { readonly spread: Spread; readonly rows: string; askedAt: number };

/**
 * What this process knows of the layouts. A recording finds out in its transaction whether it went by the newest one
 * (`Recording.layout`). A reader cannot know, but a layout begins only when it was announced for longer than
 * `layoutAgeMs`: whoever knew all that were announced less than that ago, by the end of what it read, missed no slice
 * that holds anything.
 */
export class Layouts {
  readonly #database: Database;
  #known: Known | undefined;
  #asking: Promise<Known> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** What a recording goes by. */
  get spread(): Spread {
    if (this.#known === undefined) throw new Error('the layouts were not read yet');
    return this.#known.spread;
  }

  /** Asks for what there is now. */
  async refresh(): Promise<Spread> {
    await this.#asking?.catch(() => {});
    return (await this.#ask()).spread;
  }

  /** Reads by the layouts that are known; again when a layout that was announced meanwhile may have begun. */
  async reading<T>(read: (spread: Spread) => Promise<T>): Promise<T> {
    for (let tries = 1; tries <= readTriesMax; tries++) {
      const known = this.#known ?? (await this.#ask());
      // Beside the read, which has to wait for it, and hears of its failure, only when its knowledge is too old then.
      if (performance.now() - known.askedAt > askAgainMs) this.#ask().catch(() => {});
      const result = await read(known.spread);
      if (await this.#heldUntil(known, performance.now())) return result;
    }
    throw new StoreUnavailable('the layouts of accounts change too often');
  }

  async #heldUntil(known: Known, end: number): Promise<boolean> {
    while (known.askedAt + limits.layoutAgeMs < end) {
      if (this.#known !== known) return false;
      await this.#ask();
    }
    return true;
  }

  /** Those who ask meanwhile share the answer. */
  #ask(): Promise<Known> {
    this.#asking ??= this.#read().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #read(): Promise<Known> {
    const askedAt = performance.now();
    const layouts = await layoutsIn(this.#database);
    const rows = JSON.stringify(layouts);
    if (this.#known?.rows === rows) this.#known.askedAt = askedAt;
    else this.#known = { spread: new Spread(layouts), rows, askedAt };
    return this.#known;
  }
}

const allLayouts: Statement = {
  name: 'layouts',
  text: 'SELECT l.number, l.account_id, l.slices, l.begun_at IS NOT NULL FROM layout l ORDER BY l.number',
};

async function layoutsIn(session: Pick<Database, 'read'>): Promise<readonly Layout[]> {
  return (await session.read(allLayouts)).map(([number, account, slices, begun]) => ({
    number: integer(number),
    account: integer(account),
    slices: integer(slices),
    begun: truth(begun),
  }));
}

/** Forgets layouts whose messages are all past. */
export async function forgetLayouts(session: Session, sentAt: EpochMs): Promise<void> {
  await session.query('DELETE FROM layout WHERE newest_sent_at < $1', [sentAt]);
}
