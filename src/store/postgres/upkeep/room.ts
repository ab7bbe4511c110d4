import { integer } from '../../../postgres/cells.ts';
import type { Session } from '../../../postgres/session.ts';
import type { Database } from '../log/database.ts';
import { givingWay } from '../schema/table-parts.ts';

/** Who reads a table waits while it is written anew, about a second for as much: larger ones keep what their indexes take. */
const rewrittenBytesMax = 1 << 30;
/** A large table with all its indexes, for which nobody waits. */
const vacuumMsMax = 6 * 3_600_000;

/**
 * Gives back the room of rows that are not there any more. A table is written anew, for which those who read it wait; one that is
 * too large for that gives back what is free at its end.
 */
export async function giveBackRoom(
  database: Database,
  session: Session,
  table: string,
  stopping: AbortSignal,
  bytesMax = rewrittenBytesMax,
): Promise<void> {
  const [[bytes] = []] = await session.query('SELECT pg_table_size($1::regclass)', [table]);
  if (integer(bytes) > bytesMax) {
    await database.apart(vacuumMsMax, own => own.run(`VACUUM (ANALYZE) ${table}`), stopping);
    return;
  }
  await givingWay(async () => {
    await session.run('SET lock_timeout = 150');
    await session.run(`VACUUM (FULL, ANALYZE) ${table}`);
  });
}
