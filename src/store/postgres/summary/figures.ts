import type { EpochMs } from '../../../domain/message.ts';
import { bigints } from '../../../postgres/arrays.ts';
import { integer, truth } from '../../../postgres/cells.ts';
import type { Dropping, StoreStats } from '../../store.ts';
import type { Database } from '../log/database.ts';
import type { Past } from '../log/past.ts';
import { columnMs } from '../rows/column-ms.ts';
import { allSummedUntil, notSummed, notSummedFrom } from './not-summed.ts';
import type { Totals } from './totals.ts';

/** Sizes are asked of the file system, table by table: not more often than this. */
const sizesAgeMsMax = 10_000;
/** What is told of the log itself. */
export type LogFigures = Pick<StoreStats, 'segments' | 'bytes' | 'messages' | 'reports' | 'oldestSentAt'>;
type Sizes = { readonly segments: number; readonly bytes: number };

/** The store's figures, from what is added up and what is not yet: never by counting messages. */
export class Figures {
  readonly #database: Database;
  readonly #totals: Totals;
  #sizes: Sizes | undefined;
  #sizesAt = 0;

  constructor(database: Database, totals: Totals) {
    this.#database = database;
    this.#totals = totals;
  }

  async read(): Promise<LogFigures> {
    return { ...(await this.#measured()), ...(await this.#totals.read()) };
  }

  /** As of the last sweep: no node is asked for it. */
  async readLast(): Promise<LogFigures> {
    return { ...(await this.#measured()), ...(await this.#totals.readLast()) };
  }

  /** How many messages were sent before, of all that were before another moment: an hour counts as its newest. */
  async before({ horizons }: Past, sentUntil: EpochMs): Promise<Dropping> {
    const late = notSummed(await allSummedUntil(this.#database));
    const [[past, all, losesMost] = []] = await this.#database.read(
      {
        text: `
          ${late}
          SELECT coalesce(sum(g.past), 0)::bigint, coalesce(sum(g.messages), 0)::bigint,
            coalesce(bool_or(g.past * 2 > g.messages), false)
          FROM (
            SELECT coalesce(sum(c.messages) FILTER (WHERE c.newest_sent_at < coalesce(o.before, $1)), 0), sum(c.messages)
            FROM (
              SELECT t.account_id, t.messages, t.newest_sent_at FROM tally t
              UNION ALL
              SELECT r.account_id, r.messages, r.newest_sent_at FROM ${notSummedFrom}
            ) c (account_id, messages, newest_sent_at)
            LEFT JOIN unnest($2::bigint[], $3::bigint[]) o (account_id, before) ON o.account_id = c.account_id
            WHERE c.newest_sent_at < $4
            GROUP BY coalesce(o.before, $1)
          ) g (past, messages)`,
      },
      [horizons.others, bigints([...horizons.accounts]), bigints([...horizons.own]), columnMs(sentUntil)],
    );
    return { past: integer(past), all: integer(all), losesMost: truth(losesMost) };
  }

  async #measured(): Promise<Sizes> {
    const now = performance.now();
    if (this.#sizes !== undefined && now - this.#sizesAt < sizesAgeMsMax) return this.#sizes;
    const [[segments, bytes] = []] = await this.#database.read({
      text: `SELECT count(*) FILTER (WHERE i.inhparent = 'message'::regclass),
         coalesce(sum(pg_total_relation_size(i.inhrelid)), 0)::bigint + pg_total_relation_size('folded_key')
       FROM pg_inherits i
       WHERE i.inhparent IN ('message'::regclass, 'report'::regclass, 'message_key'::regclass,
         'recording'::regclass, 'block'::regclass)
         AND i.inhrelid IN (SELECT c.oid FROM pg_class c WHERE c.relkind = 'r')`,
    });
    this.#sizes = { segments: integer(segments), bytes: integer(bytes) };
    this.#sizesAt = now;
    return this.#sizes;
  }
}
