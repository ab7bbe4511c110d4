import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { bigints } from '../../../postgres/arrays.ts';
import { integer } from '../../../postgres/cells.ts';
import type { Session, Value } from '../../../postgres/session.ts';
import { Slices } from '../../../slices.ts';
import { type Horizons, horizonOf, horizonsOf, ownHorizons } from '../../horizons.ts';
import { columnMs } from '../rows/column-ms.ts';

/** Accounts that one statement looks at, where each has a moment of its own. */
const accountsAtOnce = 1000;
/** Accounts whose moments lie so near to one another are looked at together. */
const spansOfMoments = 100;

/** Rows that are past: the condition of a statement, and its values. */
export type PastRows = { readonly where: string; readonly values: readonly Value[] };

/** Rows of a table that can be past. */
export type Expiring = {
  readonly table: string;
  /** The condition that a row is past, for an account's moment. */
  readonly before: (moment: string) => string;
  /** The greatest moment by which a row is not past yet. */
  readonly until: string;
};

type Queries = Pick<Session, 'query'>;

/**
 * What is past, as statements take it. Each of its conditions can be told by the account alone, so that Citus passes them on as
 * they are; and accounts with a moment of their own are looked at only where they have something that may be past.
 */
export class Past {
  /** By what accounts are called in the table. */
  readonly horizons: Horizons;

  constructor(horizons: Horizons) {
    this.horizons = horizons;
  }

  /** `idsOf` gives what an account is called in the table. */
  static async of(horizons: Horizons, idsOf: (account: AccountId) => readonly number[]): Promise<Past> {
    const own = new Map<number, EpochMs>();
    const slices = new Slices();
    for (const [account, before] of ownHorizons(horizons)) {
      const pause = slices.pause();
      if (pause !== undefined) await pause;
      for (const id of idsOf(account)) own.set(id, columnMs(before));
    }
    return new Past(await horizonsOf(columnMs(horizons.others), own));
  }

  /** What is past of every account, in parts; they are asked for one by one, and what was deleted meanwhile is in none. */
  async *rows(session: Queries, { table, before, until }: Expiring): AsyncGenerator<PastRows> {
    const { horizons } = this;
    if (horizons.accounts.length === 0) {
      yield { where: before('$1'), values: [horizons.others] };
      return;
    }
    const candidates = `SELECT account_id, min(${until}) FROM ${table} WHERE account_id > $1 AND ${before('$2')}
      GROUP BY account_id ORDER BY account_id LIMIT ${accountsAtOnce}`;
    for (let after = Number.MIN_SAFE_INTEGER, isOver = false; !isOver; ) {
      const found = await session.query(candidates, [after, horizons.latest]);
      const past = found
        .map(row => integer(row[0]))
        .filter((id, i) => integer(found[i]?.[1]) < horizonOf(horizons, id));
      if (past.length > 0) {
        const where = `account_id = ANY ($1::bigint[]) AND ${before(momentOf('$1', '$2'))}`;
        yield { where, values: [bigints(past), bigints(past.map(id => horizonOf(horizons, id)))] };
      }
      isOver = found.length < accountsAtOnce;
      after = found.reduce((_, row) => integer(row[0]), after);
    }
  }

  /** Deletes, of every account, what is past. */
  async forget(session: Queries, expiring: Expiring): Promise<void> {
    for await (const { where, values } of this.rows(session, expiring))
      await session.query(`DELETE FROM ${expiring.table} WHERE ${where}`, values);
  }

  /** Whether a table of rows from before `to` has any that is kept: by the index, where only accounts of their own can. */
  async keepsAny(session: Queries, table: string, to: EpochMs): Promise<boolean> {
    const { others } = this.horizons;
    for (const batch of await this.#ownBefore(to)) {
      const least = batch.reduce((a, [, before]) => Math.min(a, before), to);
      const kept = `SELECT 1 FROM ${table} WHERE account_id = ANY ($1::bigint[]) AND sent_at >= $3
        AND sent_at >= ${momentOf('$1', '$2')} LIMIT 1`;
      const values = [bigints(batch.map(([id]) => id)), bigints(batch.map(([, before]) => before)), least];
      if ((await session.query(kept, values)).length > 0) return true;
    }
    if (others >= to) return false;
    const kept = `SELECT DISTINCT account_id FROM ${table} WHERE account_id > $1 AND sent_at >= $2
      ORDER BY account_id LIMIT ${accountsAtOnce}`;
    for (let after = Number.MIN_SAFE_INTEGER; ; ) {
      const ids = (await session.query(kept, [after, others])).map(row => integer(row[0]));
      if (ids.some(id => horizonOf(this.horizons, id) === others)) return true;
      if (ids.length < accountsAtOnce) return false;
      after = ids.at(-1) ?? after;
    }
  }

  /** Accounts whose own moments are before `to`, those together that are near to one another. */
  async #ownBefore(to: EpochMs): Promise<readonly (readonly (readonly [id: number, before: EpochMs])[])[]> {
    const { earliest } = this.horizons;
    const spanMs = Math.max(1, (to - earliest) / spansOfMoments);
    const spans = new Map<number, (readonly [id: number, before: EpochMs])[]>();
    const full: (readonly (readonly [id: number, before: EpochMs])[])[] = [];
    const slices = new Slices();
    for (const pair of ownHorizons(this.horizons)) {
      const pause = slices.pause();
      if (pause !== undefined) await pause;
      if (pair[1] >= to) continue;
      const span = Math.floor((pair[1] - earliest) / spanMs);
      const pairs = spans.get(span) ?? [];
      pairs.push(pair);
      spans.set(span, pairs);
      if (pairs.length < accountsAtOnce) continue;
      full.push(pairs);
      spans.delete(span);
    }
    return [...full, ...spans.values()];
  }
}

/** The moment that stands where an account's id does. */
function momentOf(ids: string, moments: string): string {
  return `(${moments}::bigint[])[array_position(${ids}::bigint[], account_id)]`;
}
