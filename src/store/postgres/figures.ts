import type { EpochMs } from '../../domain/message.ts';
import { integer, optional } from '../../postgres/cells.ts';
import { lockKey } from '../../postgres/locks.ts';
import type { StoreStats } from '../store.ts';
import type { Database } from './database.ts';

/** Sizes are asked of the file system, table by table: not more often than this. */
const sizesAgeMsMax = 10_000;
/** Rows of the tally that an account may have before they are added up. */
const tallyRowsMax = 500;

/** Whoever takes rows out of the tally does it alone: two at once might each wait for the other. */
const alone = `SELECT pg_advisory_xact_lock(${lockKey('upkeep')})`;

type Sizes = { readonly segments: number; readonly bytes: number };

/** The store's figures, from what every transaction added to the tally: never by counting messages. */
export class Figures {
  readonly #database: Database;
  #sizes: Sizes | undefined;
  #sizesAt = 0;

  constructor(database: Database) {
    this.#database = database;
  }

  async read(): Promise<Omit<StoreStats, 'queuedRecords' | 'damaged'>> {
    const [[messages, reports, oldest] = []] = await this.#database.read({
      text: `SELECT coalesce(sum(t.messages), 0)::bigint, coalesce(sum(t.reports), 0)::bigint,
         min(t.oldest_sent_at) FILTER (WHERE t.messages > 0)
       FROM tally t`,
    });
    const oldestSentAt = optional(oldest, integer);
    return {
      ...(await this.#measured()),
      messages: integer(messages),
      reports: integer(reports),
      ...(oldestSentAt !== undefined && { oldestSentAt }),
    };
  }

  /** Adds the tally's rows up, so that reading it stays cheap. */
  async compact(): Promise<void> {
    const accounts = await this.#database.query(
      'SELECT t.account_id FROM tally t GROUP BY t.account_id HAVING count(*) > $1',
      [tallyRowsMax],
    );
    for (const [account] of accounts)
      await this.#database.transaction(alone, async session => {
        await session.query(
          `WITH taken AS (DELETE FROM tally WHERE account_id = $1 RETURNING *)
           INSERT INTO tally
             (account_id, generation, partition_from, oldest_sent_at, newest_sent_at, messages, reports)
           SELECT $1, k.generation, k.partition_from, min(k.oldest_sent_at), max(k.newest_sent_at), sum(k.messages),
             sum(k.reports)
           FROM taken k GROUP BY k.generation, k.partition_from`,
          [integer(account)],
        );
      });
  }

  /** Counts what is wholly past no more, whether or not the partition around it is dropped by now. */
  async forgetBefore(sentAt: EpochMs): Promise<void> {
    await this.#database.transaction(alone, async session => {
      await session.query('DELETE FROM tally WHERE newest_sent_at < $1', [sentAt]);
    });
  }

  async #measured(): Promise<Sizes> {
    const now = performance.now();
    if (this.#sizes !== undefined && now - this.#sizesAt < sizesAgeMsMax) return this.#sizes;
    const [[segments, bytes] = []] = await this.#database.read({
      text: `SELECT count(*) FILTER (WHERE i.inhparent = 'message'::regclass),
         coalesce(sum(pg_total_relation_size(i.inhrelid)), 0)::bigint
       FROM pg_inherits i
       WHERE i.inhparent IN ('message'::regclass, 'report'::regclass, 'message_key'::regclass)
         AND i.inhrelid IN (SELECT c.oid FROM pg_class c WHERE c.relkind = 'r')`,
    });
    this.#sizes = { segments: integer(segments), bytes: integer(bytes) };
    this.#sizesAt = now;
    return this.#sizes;
  }
}
