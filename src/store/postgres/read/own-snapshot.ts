import type { AccountId } from '../../../domain/message.ts';
import { bigints } from '../../../postgres/arrays.ts';
import { integer } from '../../../postgres/cells.ts';
import { isAccountLock } from '../../../postgres/locks.ts';
import type { Statement } from '../../../postgres/session.ts';
import type { Placement } from '../layout/layouts.ts';
import type { Database } from '../log/database.ts';
import { holdsGeneration, isHeldHere } from '../schema/generation-lock.ts';
import { type Snapshot, xidNumbers } from '../server/snapshot.ts';
import type { Source } from '../server/source.ts';

type Asked = { readonly snapshot: Snapshot; readonly account: AccountId; readonly placement: Placement };

/**
 * What a snapshot shows of one account, told by that account's transactions: as the whole moves with what others record,
 * a bookmark of it would tell that they did. `source` is where the page was read.
 */
export async function ownOf(
  database: Database,
  source: Source,
  { snapshot, account, placement }: Asked,
): Promise<Snapshot> {
  const slices = placement.slicesOf(account);
  const values = [snapshot.end, bigints(snapshot.running)];
  const rows = await Promise.all(slices.map(slice => source.read(newestShown, [slice, ...values])));
  const newest = Math.max(...rows.map(([row]) => (row === undefined ? -Infinity : integer(row[0]))));
  // It has nothing that shows: whatever was running shows nothing of it either, before an end that it moves itself.
  if (newest === -Infinity) return snapshot;
  const running = snapshot.running.filter(tx => tx <= newest);
  if (running.length === 0) return { end: newest + 1, running };
  const atWork = new Set((await database.read(recordingFor(account))).map(([xid]) => integer(xid)));
  // After the locks: what has let go of them since the snapshot was taken shows by what it recorded, if it did.
  const over = await Promise.all(slices.map(slice => database.read(recordedBy, [slice, bigints(running)])));
  const recorded = new Set(over.flat().map(([tx]) => integer(tx)));
  return { end: newest + 1, running: running.filter(tx => atWork.has(tx % xidNumbers) || recorded.has(tx)) };
}

const newestShown: Statement = {
  name: 'newest shown',
  text: `SELECT r.tx FROM recording r WHERE r.account_id = $1 AND r.tx < $2 AND r.tx <> ALL ($3::bigint[])
    ORDER BY r.tx DESC LIMIT 1`,
};

const recordedBy: Statement = {
  name: 'recorded by',
  text: 'SELECT r.tx FROM recording r WHERE r.account_id = $1 AND r.tx = ANY ($2::bigint[])',
};

/**
 * The transactions that record for an account, as 32 bits of their numbers, by one look at all locks: those that hold its
 * lock, and those of a version that holds none of any account's.
 */
function recordingFor(account: AccountId): Statement {
  const holders = (condition: string) => `SELECT h.pid FROM locks h WHERE ${condition}`;
  return {
    text: `WITH locks AS MATERIALIZED (SELECT * FROM pg_locks)
      SELECT l.transactionid::text FROM locks l
      WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
        AND l.pid IN (${holders(holdsGeneration('h'))})
        AND (l.pid IN (${holders(isHeldHere('h', isAccountLock('h', account)))})
          OR l.pid NOT IN (${holders(isHeldHere('h', isAccountLock('h')))}))`,
  };
}
