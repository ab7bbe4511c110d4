import { integer, text, truth } from '../../../postgres/cells.ts';
import { lockKey } from '../../../postgres/locks.ts';
import type { Session, Statement } from '../../../postgres/session.ts';
import { refuseUnaware } from '../layout/spreading.ts';
import type { Database } from '../log/database.ts';
import { foldedHash, foldedKeysMax } from '../log/folded-keys.ts';
import { childrenOf, dropAtOnce } from '../schema/table-parts.ts';
import { packRecordings } from './past-recordings.ts';

/** One step. */
const statementMsMax = 60_000;
const keysAtOnce = 64 * foldedKeysMax;
/** For how long folded keys have been there before the others go: longer than any transaction goes on that cannot see them. */
const seenMs = 5 * 60_000;

export type FoldingOptions = {
  /** How long a generation has been closed before its keys are folded. */
  readonly closedMs: number;
  readonly seenMs?: number;
  /** How many keys are folded by one statement. */
  readonly keysAtOnce?: number;
};

/**
 * Folds the keys of generations that are closed: nobody adds to those or changes them any more. One process at a time does,
 * step by step, and goes on where another ended. When all of a generation are folded it is said so, and some time later the
 * others are dropped, in a moment when nobody records: from then on an id is locked by a key in the youngest generation.
 * Gives how many were folded.
 */
export async function foldKeys(database: Database, options: FoldingOptions, stopping: AbortSignal): Promise<number> {
  let count = 0;
  const work = async (session: Session) => {
    const [[mine] = []] = await session.query(`SELECT pg_try_advisory_lock(${lockKey('sealing')})`);
    // Who reads looks for folded keys where anything may be in blocks.
    if (!truth(mine) || (await session.query('SELECT FROM sealing')).length === 0) return;
    for (const [number] of await session.query(closed('g.folded_at IS NULL'), [options.closedMs]))
      count += await foldGeneration(session, integer(number), options.keysAtOnce ?? keysAtOnce, stopping);
    for (const [number] of await session.query(closed(`g.folded_at <= ${before}`), [options.seenMs ?? seenMs]))
      await dropKeys(session, integer(number));
    for (const [number] of await session.query(closed('g.folded_at IS NOT NULL'), [options.closedMs]))
      await packRecordings(database, session, integer(number), stopping);
  };
  try {
    await database.apart(statementMsMax, work, stopping);
  } catch (error) {
    if (!stopping.aborted) throw error;
  }
  return count;
}

const before = `clock_timestamp() - $1 * interval '1 millisecond'`;

/** The generations that ended so long ago, oldest first. The one that came next may have been dropped before. */
const closed = (which: string) => `SELECT g.number FROM generation g
  WHERE (SELECT n.begun_at FROM generation n WHERE n.number > g.number ORDER BY n.number LIMIT 1) <= ${before}
    AND ${which} ORDER BY g.number`;

async function foldGeneration(
  session: Session,
  generation: number,
  atOnce: number,
  stopping: AbortSignal,
): Promise<number> {
  let count = 0;
  for (let behind = await newestFolded(session, generation); !stopping.aborted; ) {
    const [[folded] = []] = await session.query(nextFolded, [generation, ...behind, atOnce]);
    count += integer(folded);
    if (integer(folded) < atOnce) {
      await tell(session, generation);
      break;
    }
    behind = await newestFolded(session, generation);
  }
  return count;
}

async function newestFolded(session: Session, generation: number): Promise<readonly [account: number, id: string]> {
  const [row] = await session.query(
    `SELECT f.account_id, f.last_id FROM folded_key f WHERE f.generation = $1
     ORDER BY f.account_id DESC, f.last_id DESC LIMIT 1`,
    [generation],
  );
  return row === undefined ? [Number.MIN_SAFE_INTEGER, ''] : [integer(row[0]), text(row[1])];
}

const nextFolded: Statement = {
  name: 'next folded',
  text: `
    WITH next AS (
      SELECT k.*, ${foldedHash('k.message_id')} AS hash,
        (row_number() OVER (PARTITION BY k.account_id ORDER BY k.message_id) - 1) / ${foldedKeysMax} AS part
      FROM (
        SELECT k.account_id, k.message_id, k.sent_at, k.number FROM message_key k
        WHERE k.generation = $1 AND (k.account_id, k.message_id) > ($2, $3)
        ORDER BY k.account_id, k.message_id LIMIT $4
      ) k
    ), made AS (
      INSERT INTO folded_key (generation, account_id, last_id, hashes, sent_ats, numbers)
      SELECT $1, n.account_id, max(n.message_id), array_agg(n.hash ORDER BY n.hash, n.number),
        array_agg(n.sent_at ORDER BY n.hash, n.number), array_agg(n.number ORDER BY n.hash, n.number)
      FROM next n GROUP BY n.account_id, n.part
    )
    SELECT count(*) FROM next`,
};

async function tell(session: Session, generation: number): Promise<void> {
  const [known] = await session.query('SELECT FROM generation g WHERE g.folded_at IS NOT NULL');
  if (known === undefined) {
    await refuseUnaware(session, 'knowsBlocks', 'folded keys');
    await session.query(`UPDATE migration SET breaking = true WHERE name = 'folded keys'`);
    await refuseUnaware(session, 'knowsBlocks', 'folded keys');
  }
  await session.query('UPDATE generation SET folded_at = clock_timestamp() WHERE number = $1', [generation]);
}

async function dropKeys(session: Session, generation: number): Promise<void> {
  const name = `message_key_g${generation}`;
  if (!(await childrenOf(session, 'message_key')).some(child => child.name === name)) return;
  await dropAtOnce(session, name, async () => {
    await session.run(`SELECT pg_advisory_xact_lock(${lockKey('generation')})`);
    return true;
  });
}
