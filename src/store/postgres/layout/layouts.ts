import { type Filter, valuesOf } from '../../../domain/filter.ts';
import type { AccountId } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import { integer, optional, truth } from '../../../postgres/cells.ts';
import type { Session, Statement } from '../../../postgres/session.ts';
import { UnderWay } from '../../../under-way.ts';
import { StoreUnavailable } from '../../store.ts';
import type { Database } from '../log/database.ts';
import type { Past } from '../log/past.ts';
import { type Slice, sliceAt, sliceIndexOf } from '../rows/slices.ts';
import type { ReadSealing, Sealing } from '../sealed/sealed-blocks.ts';

/** Over how many slices an account is spread, from some moment on. Numbers count up over all accounts. */
export type Layout = {
  readonly number: number;
  readonly account: AccountId;
  readonly slices: number;
  /** Otherwise it is announced: processes read as if it had begun, and record as if there were none. */
  readonly begun: boolean;
};

type Asked = { readonly account: AccountId; readonly filter: Filter };

/** Over how many slices an account is spread: now, by layouts that are over, and by any, announced ones too. */
type Slicing = { readonly own: number; readonly older: readonly number[]; readonly all: readonly number[] };

const unspread: Slicing = { own: 1, older: [], all: [1] };

/** Where the messages of accounts are, by the layouts of some moment. */
export class Placement {
  /** The newest layout that has begun: what a recording must have gone by. */
  readonly begun: number;
  /** Where messages may be in blocks; absent where none is. */
  readonly sealing: ReadSealing | undefined;
  readonly #slicings: ReadonlyMap<AccountId, Slicing>;

  /** Oldest first. */
  constructor(layouts: readonly Layout[], sealing?: ReadSealing) {
    this.sealing = sealing;
    this.begun = layouts.findLast(layout => layout.begun)?.number ?? 0;
    const slicings = Array.from(
      Map.groupBy(layouts, layout => layout.account),
      ([account, own]) => [account, slicingOf(own)] as const,
    );
    this.#slicings = new Map(slicings.filter(([, { all }]) => Math.max(...all) > 1));
  }

  /** Whether there is more to read from, or to record into, than the account's first slice. */
  has(account: AccountId): boolean {
    return this.#slicings.has(account);
  }

  /** All that hold, or may come to hold, anything of the account. */
  slicesOf(account: AccountId): readonly Slice[] {
    const { all } = this.#slicingOf(account);
    return Array.from({ length: Math.max(...all) }, (_, i) => sliceAt(account, i));
  }

  /** Where a message of this id is or would be, by any of the layouts. */
  slicesHolding(account: AccountId, messageId: string): readonly Slice[] {
    const indexes = this.#slicingOf(account).all.map(slices => sliceIndexOf(messageId, slices));
    return [...new Set(indexes)].map(index => sliceAt(account, index));
  }

  /** What each slice is asked that may hold any of what is asked of the account: of message ids, those that it may hold. */
  asked<Q extends Asked>(query: Q): readonly Q[] {
    const { account, filter } = query;
    if (!this.has(account)) return [query];
    const messageIds = valuesOf(filter, 'messageId');
    if (messageIds === undefined) return this.slicesOf(account).map(slice => ({ ...query, account: slice }));
    const idsOf = new Map<Slice, string[]>();
    for (const messageId of messageIds)
      for (const slice of this.slicesHolding(account, messageId))
        idsOf.set(slice, [...(idsOf.get(slice) ?? []), messageId]);
    return Array.from(idsOf, ([slice, ids]) => ({ ...query, account: slice, filter: { ...filter, messageId: ids } }));
  }

  /** Where a message of this id is recorded that is not in the log. */
  sliceFor(account: AccountId, messageId: string): Slice {
    return sliceAt(account, sliceIndexOf(messageId, this.#slicingOf(account).own));
  }

  /** Where else a message of this id may be since before the layout that holds now. */
  olderSlicesFor(account: AccountId, messageId: string): readonly Slice[] {
    const { own, older } = this.#slicingOf(account);
    if (older.length === 0) return [];
    const indexes = new Set(older.map(slices => sliceIndexOf(messageId, slices)));
    indexes.delete(sliceIndexOf(messageId, own));
    return [...indexes].map(index => sliceAt(account, index));
  }

  #slicingOf(account: AccountId): Slicing {
    return this.#slicings.get(account) ?? unspread;
  }
}

function slicingOf(layouts: readonly Layout[]): Slicing {
  const own = layouts.findLast(layout => layout.begun)?.slices ?? 1;
  const older = layouts.filter(({ begun, slices }) => begun && slices !== own).map(({ slices }) => slices);
  return { own, older: [...new Set(older)], all: [...new Set([own, ...layouts.map(({ slices }) => slices)])] };
}

/** How old what is known may get before it is asked for anew, beside the reads that go by it. */
const askAgainMs = limits.layoutAgeMs / 5;
const readTriesMax = 4;

/** What was known of the layouts, and when it was last asked for. */
type Known = { readonly placement: Placement; readonly rows: string; askedAt: number };

/**
 * What this process knows of the layouts. A recording finds out in its transaction whether it went by the newest one
 * (`Recording.layout`). A reader cannot know, but a layout begins only when it was announced for longer than
 * `layoutAgeMs`: whoever knew all that were announced less than that ago, by the end of what it read, missed no slice
 * that holds anything.
 */
export class Layouts {
  readonly #database: Database;
  #known: Known | undefined;
  readonly #asking = new UnderWay<Known>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** What a recording goes by. */
  get placement(): Placement {
    if (this.#known === undefined) throw new Error('the layouts were not read yet');
    return this.#known.placement;
  }

  /** Asks for what there is now. */
  async refresh(): Promise<Placement> {
    await this.#asking.over();
    return (await this.#ask()).placement;
  }

  /** Reads by the layouts that are known; again when a layout that was announced meanwhile may have begun. */
  async reading<T>(read: (placement: Placement) => Promise<T>): Promise<T> {
    for (let tries = 1; tries <= readTriesMax; tries++) {
      const known = this.#known ?? (await this.#ask());
      // Beside the read, which has to wait for it, and hears of its failure, only when its knowledge is too old then.
      if (performance.now() - known.askedAt > askAgainMs) this.#ask().catch(() => {});
      const result = await read(known.placement);
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
    return this.#asking.share(() => this.#read());
  }

  async #read(): Promise<Known> {
    const askedAt = performance.now();
    const { layouts, sealing } = await layoutsIn(this.#database);
    const rows = JSON.stringify([layouts, sealing]);
    if (this.#known?.rows === rows) this.#known.askedAt = askedAt;
    else {
      const { damage } = this.#database;
      this.#known = { placement: new Placement(layouts, sealing && { ...sealing, damage }), rows, askedAt };
    }
    return this.#known;
  }
}

const allLayouts: Statement = {
  name: 'layouts',
  text: `SELECT s.seed, s.until_sent_at, l.number, l.account_id, l.slices, l.begun_at IS NOT NULL
    FROM (SELECT max(s.seed) AS seed, max(s.until_sent_at) AS until_sent_at FROM sealing s) s
    LEFT JOIN layout l ON true ORDER BY l.number`,
};

type LayoutsThere = { readonly layouts: readonly Layout[]; readonly sealing: Sealing | undefined };

async function layoutsIn(session: Pick<Database, 'read'>): Promise<LayoutsThere> {
  const rows = await session.read(allLayouts);
  const seed = optional(rows[0]?.[0], integer);
  const layouts = rows.flatMap(([, , number, account, slices, begun]) =>
    optional(number, integer) === undefined
      ? []
      : [{ number: integer(number), account: integer(account), slices: integer(slices), begun: truth(begun) }],
  );
  return { layouts, sealing: seed === undefined ? undefined : { seed, until: integer(rows[0]?.[1]) } };
}

/** Forgets layouts whose messages are all past. */
export async function forgetLayouts(session: Session, past: Past): Promise<void> {
  await past.forget(session, {
    table: 'layout',
    before: moment => `newest_sent_at < ${moment}`,
    until: 'newest_sent_at',
  });
}
