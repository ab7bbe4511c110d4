import type { EpochMs } from '../../../domain/message.ts';
import { integer, truth } from '../../../postgres/cells.ts';
import { connected } from '../../../postgres/connections.ts';

const statementMsMax = 60_000;

/** What is packed into blocks: the messages of partitions that end by `until`, and what they take with their indexes. */
export type Packed = {
  readonly until: EpochMs;
  readonly messages: number;
  readonly blocks: number;
  readonly bytes: number;
};

/** `undefined` where nothing ever was. Rejects with `Unavailable` when the database cannot be reached. */
export function packedIn(target: { readonly url: string; readonly schema: string }): Promise<Packed | undefined> {
  return connected({ ...target, statementTimeoutMs: statementMsMax }, async session => {
    const [[there] = []] = await session.query(`SELECT to_regclass('sealing') IS NOT NULL`);
    if (!truth(there)) return undefined;
    const [row] = await session.query(
      `SELECT s.until_sent_at, b.messages, b.blocks,
         (SELECT coalesce(sum(pg_total_relation_size(i.inhrelid)), 0)::bigint FROM pg_inherits i
          WHERE i.inhparent = 'block'::regclass)
       FROM sealing s CROSS JOIN (
         SELECT count(*) AS blocks, coalesce(sum(b.messages - cardinality(b.taken)), 0)::bigint AS messages FROM block b
       ) b`,
    );
    if (row === undefined) return undefined;
    const [until = 0, messages = 0, blocks = 0, bytes = 0] = row.map(integer);
    return { until, messages, blocks, bytes };
  });
}
