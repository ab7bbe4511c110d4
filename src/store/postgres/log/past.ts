import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { bigints } from '../../../postgres/arrays.ts';
import type { Session, Value } from '../../../postgres/session.ts';
import { earliestOf, type Horizons, latestOf } from '../../horizons.ts';
import { columnMs } from '../rows/column-ms.ts';

/** Accounts, or what they are called in a table, whose messages before a moment are past. */
type Group = { readonly before: EpochMs; readonly ids: readonly number[] };

/** Rows that are past: the condition of a statement, and its values. */
export type PastRows = { readonly where: string; readonly values: readonly Value[] };

/**
 * What is past, as statements take it: accounts by their moment, since many share one. Each of its conditions can be told
 * by the account alone, so that Citus passes them on as they are.
 */
export class Past {
  /** Before it everything is past, and from `latest` on nothing. */
  readonly earliest: EpochMs;
  readonly latest: EpochMs;
  readonly #others: EpochMs;
  readonly #own: readonly Group[];

  /** `idsOf` gives what an account is called in the table. */
  constructor(horizons: Horizons, idsOf: (account: AccountId) => readonly number[]) {
    this.earliest = columnMs(earliestOf(horizons));
    this.latest = columnMs(latestOf(horizons));
    this.#others = columnMs(horizons.others);
    const groups = Map.groupBy(horizons.own, ([, before]) => columnMs(before));
    this.#own = Array.from(groups, ([before, pairs]) => ({
      before,
      ids: pairs.flatMap(([account]) => idsOf(account)),
    }));
  }

  /** The condition for what is past of every account, in parts; `before('$1')` gives what is before its moment. */
  conditions(before: (moment: string) => string): readonly PastRows[] {
    const all = bigints(this.#own.flatMap(({ ids }) => ids));
    return [
      { where: `${before('$1')} AND account_id <> ALL ($2::bigint[])`, values: [this.#others, all] },
      ...this.#own.map(({ before: own, ids }) => ({
        where: `${before('$1')} AND account_id = ANY ($2::bigint[])`,
        values: [own, bigints(ids)],
      })),
    ];
  }

  /** Deletes, of every account, what `before` says is before its moment. */
  async forget(session: Pick<Session, 'query'>, table: string, before: (moment: string) => string): Promise<void> {
    for (const { where, values } of this.conditions(before))
      await session.query(`DELETE FROM ${table} WHERE ${where}`, values);
  }

  /** Whether a table of rows from before `to` has any that is kept: by the index, where only accounts of their own can. */
  async keepsAny(session: Pick<Session, 'query'>, table: string, to: EpochMs): Promise<boolean> {
    for (const { before, ids } of this.#own) {
      if (before >= to) continue;
      const kept = `SELECT 1 FROM ${table} WHERE account_id = ANY ($1::bigint[]) AND sent_at >= $2 LIMIT 1`;
      if ((await session.query(kept, [bigints(ids), before])).length > 0) return true;
    }
    if (this.#others >= to) return false;
    const all = bigints(this.#own.flatMap(({ ids }) => ids));
    const kept = `SELECT 1 FROM ${table} WHERE account_id <> ALL ($1::bigint[]) AND sent_at >= $2 LIMIT 1`;
    return (await session.query(kept, [all, this.#others])).length > 0;
  }
}
