import { integer, truth } from '../../../postgres/cells.ts';
import type { Session } from '../../../postgres/session.ts';
import type { Database } from '../log/database.ts';
import { givingWay, waitBriefly } from '../schema/table-parts.ts';
import { giveBackRoom } from './room.ts';

/** Recordings that are written anew by one statement. */
const recordingsAtOnce = 500;

/**
 * Makes the recordings of a closed generation small: what they add to each minute is forgotten when it counts wherever it is
 * to, and what they tell to those who follow the log is compressed, which while it was recorded would have taken too long. Each step
 * may be the last, and that all are done the storage of `minutes` tells. Whether there was anything to do.
 */
export async function packRecordings(
  database: Database,
  session: Session,
  generation: number,
  stopping: AbortSignal,
): Promise<boolean> {
  const table = `recording_g${generation}`;
  const [mark] = await session.query(
    `SELECT a.attstorage = 'x' FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attname = 'minutes'`,
    [table],
  );
  if (mark === undefined || truth(mark[0])) return false;
  const [[isCounted] = []] = await session.query(
    `SELECT coalesce((SELECT max(r.tx) FROM ${table} r) < (SELECT u.until_tx FROM total_until u), true) AND NOT EXISTS (
       SELECT FROM ${table} r LEFT JOIN summed s ON s.account_id = r.account_id WHERE r.tx >= coalesce(s.until_tx, 0))`,
  );
  if (!truth(isCounted)) return false;
  await compress(session, table, ['sent_ats', 'numbers', 'versions']);
  let behind: readonly [account: number, tx: number] = [Number.MIN_SAFE_INTEGER, 0];
  for (let isOver = false; !isOver; ) {
    if (stopping.aborted) return false;
    const [row] = await session.query(nextPacked(table), behind);
    if (row === undefined) isOver = true;
    else behind = [integer(row[0]), integer(row[1])];
  }
  await giveBackRoom(database, session, table, stopping);
  await compress(session, table, ['minutes']);
  return true;
}

/** Adding nothing has an array written anew, which is compressed then. */
const nextPacked = (table: string) => `
  WITH next AS (
    SELECT r.account_id, r.tx FROM ${table} r WHERE (r.account_id, r.tx) > ($1, $2)
    ORDER BY r.account_id, r.tx LIMIT ${recordingsAtOnce}
  ), packed AS (
    UPDATE ${table} r SET minutes = '[]', sent_ats = r.sent_ats || '{}'::bigint[],
      numbers = r.numbers || '{}'::bigint[], versions = r.versions || '{}'::integer[]
    FROM next n WHERE r.account_id = n.account_id AND r.tx = n.tx AND octet_length(r.minutes) > 2
  )
  SELECT n.account_id, n.tx FROM next n ORDER BY n.account_id DESC, n.tx DESC LIMIT 1`;

function compress(session: Session, table: string, columns: readonly string[]): Promise<void> {
  const alone = `ALTER TABLE ${table} ${columns.map(column => `ALTER ${column} SET STORAGE EXTENDED`).join(', ')}`;
  return givingWay(async () => {
    try {
      await session.run('BEGIN');
      await waitBriefly(session);
      await session.run(alone);
      await session.run('COMMIT');
    } catch (error) {
      await session.run('ROLLBACK');
      throw error;
    }
  });
}
