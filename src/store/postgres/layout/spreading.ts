import { setTimeout } from 'node:timers/promises';
import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { Unavailable, Unusable } from '../../../failures.ts';
import { limits } from '../../../limits.ts';
import { bigints } from '../../../postgres/arrays.ts';
import { integer, type Row, text, truth } from '../../../postgres/cells.ts';
import { type ConnectionOptions, connected } from '../../../postgres/connections.ts';
import { isLockNotHad } from '../../../postgres/failure.ts';
import { isLock, type LockName, lockKey } from '../../../postgres/locks.ts';
import type { Session } from '../../../postgres/session.ts';
import { type Slice, sliceAt } from '../rows/slices.ts';
import { isOnCitus } from '../schema/citus.ts';
import { planningSettings } from '../schema/planning.ts';

type Target = Pick<ConnectionOptions, 'url' | 'schema'>;

/** Longer than any process goes by what it knows of the layouts. */
const announcedMs = limits.layoutAgeMs + 1_000;
const statementMsMax = 60_000;
/** Recording waits behind the lock for this long at most, and goes on before it is tried again. */
const aloneMsMax = 1_000;
const aloneTriesMax = 30;
const alonePauseMs = 500;
const looksMax = 3;
const lookPauseMs = 300;

export type SpreadAccount = {
  readonly account: string;
  readonly slices: number;
  /** Recorded over more or fewer slices, with messages that are still kept. */
  readonly olderSlices: readonly number[];
  /** Announced and not begun: `spreadAccount` was broken off. */
  readonly announcedSlices?: number;
  /** On Citus, how many of the slices are on each worker: the number its hash made it, not an even one. */
  readonly workers?: Readonly<Record<string, number>>;
};

/**
 * Spreads an account over so many slices from now on, while servers run; gives `false` when it is already. What is
 * recorded stays where it is. Rejects with `Unusable` when the operator has something to do first, and with
 * `Unavailable` when it may be tried again as it stands; either leaves all as it was.
 */
export async function spreadAccount(
  target: Target,
  { account, slices, announceMs = announcedMs }: { account: AccountId; slices: number; announceMs?: number },
): Promise<boolean> {
  return connected({ ...target, settings: planningSettings, statementTimeoutMs: statementMsMax }, async session => {
    const [[mine] = []] = await session.query(`SELECT pg_try_advisory_lock(${lockKey('spreading')})`);
    if (!truth(mine)) throw new Unavailable('an account is being spread already: try again when that is done');
    const kept = await session.query(
      'SELECT l.slices FROM layout l WHERE l.account_id = $1 AND l.begun_at IS NOT NULL ORDER BY l.number',
      [account],
    );
    if ((kept.length === 0 ? 1 : integer(kept.at(-1)?.[0])) === slices) return false;
    if (kept.length >= limits.accountLayoutsMax)
      throw new Unusable(
        `the account still has messages of ${kept.length} layouts: it can be spread anew when the oldest are past retention`,
      );
    await refuseUnaware(session);
    const number = await announce(session, account, slices, kept.length === 0);
    try {
      await setTimeout(announceMs);
      // One of the version before may have been starting when they were looked for.
      await refuseUnaware(session);
      const held = Math.max(1, ...kept.map(row => integer(row[0])));
      await beginAlone(session, {
        account,
        number,
        heldBy: Array.from({ length: held }, (_, i) => sliceAt(account, i)),
      });
    } catch (error) {
      await session.query('DELETE FROM layout WHERE number = $1 AND begun_at IS NULL', [number]);
      await session.query(breakingOrNot);
      throw error;
    }
    return true;
  });
}

/** A program that knows no slices may not start once an account has any. */
const breakingOrNot = `
  UPDATE migration SET breaking = EXISTS (SELECT FROM layout l WHERE l.slices > 1) WHERE name = 'layouts'`;

/** Gives its number. From now on processes read by it, as soon as they hear of it. */
async function announce(session: Session, account: AccountId, slices: number, isFirst: boolean): Promise<number> {
  // What was announced by somebody who was broken off never began.
  await session.run('BEGIN; DELETE FROM layout WHERE begun_at IS NULL');
  try {
    if (isFirst)
      await session.query('INSERT INTO layout (account_id, slices, begun_at) VALUES ($1, 1, now())', [account]);
    const [[number] = []] = await session.query(
      'INSERT INTO layout (account_id, slices) VALUES ($1, $2) RETURNING number',
      [account, slices],
    );
    await session.query(breakingOrNot);
    await session.run('COMMIT');
    return integer(number);
  } catch (error) {
    await session.run('ROLLBACK');
    throw error;
  }
}

type Beginning = { readonly account: AccountId; readonly number: number; readonly heldBy: readonly Slice[] };

/**
 * Begins a layout while nobody records: every recording before it went by the layout before, and is there to be found;
 * every recording after it sees that there is another. Two could else record one id in two slices.
 */
async function beginAlone(session: Session, beginning: Beginning): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await session.run(
        `BEGIN; SET LOCAL lock_timeout = ${aloneMsMax}; SELECT pg_advisory_xact_lock(${lockKey('generation')})`,
      );
      await beginNow(session, beginning);
      await session.run('COMMIT');
      return;
    } catch (error) {
      await session.run('ROLLBACK');
      if (!isLockNotHad(error)) throw error;
      if (tries === aloneTriesMax) throw new Unavailable('recordings of the account take too long: try again later');
      await setTimeout(alonePauseMs);
    }
  }
}

async function beginNow(session: Session, { account, number, heldBy }: Beginning): Promise<void> {
  const newest: EpochMs[] = [];
  for (const slice of heldBy) {
    const rows = await session.query(
      `(SELECT m.sent_at FROM message m WHERE m.account_id = $1 ORDER BY m.sent_at DESC LIMIT 1)
       UNION ALL (SELECT b.sent_at FROM block b WHERE b.account_id = $1 ORDER BY b.sent_at DESC LIMIT 1)`,
      [slice],
    );
    newest.push(...rows.map(row => integer(row[0])));
  }
  const ending = 'WHERE account_id = $1 AND number < $2 AND newest_sent_at IS NULL';
  // The layout that ends is needed until all that was recorded by it is past.
  if (newest.length === 0) await session.query(`DELETE FROM layout ${ending}`, [account, number]);
  else await session.query(`UPDATE layout SET newest_sent_at = $3 ${ending}`, [account, number, Math.max(...newest)]);
  await session.query('UPDATE layout SET begun_at = clock_timestamp() WHERE number = $1', [number]);
}

/**
 * Every connection of a program that knows layouts holds a lock that says so. Of another user's, the server may not tell
 * what kind it is.
 */
const unawareSessions = (known: LockName) => `
  SELECT a.pid, a.application_name FROM pg_stat_activity a
  WHERE a.datname = current_database() AND coalesce(a.backend_type, 'client backend') = 'client backend'
    AND a.pid <> pg_backend_pid()
    AND (a.usename = current_user OR a.application_name = 'sentlog') AND a.application_name NOT LIKE 'citus%'
    AND NOT EXISTS (
      SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND ${isLock('l', known)}
    )`;

/** Looks several times, since a connection that is just being made has no lock yet. */
export async function refuseUnaware(
  session: Session,
  known: LockName = 'knowsLayouts',
  of = 'spread accounts',
): Promise<void> {
  let unaware: readonly Row[] = [];
  for (let look = 1; look <= looksMax; look++) {
    const found = await session.query(unawareSessions(known));
    unaware = look === 1 ? found : found.filter(([pid]) => unaware.some(([other]) => other === pid));
    if (unaware.length === 0) return;
    await setTimeout(lookPauseMs);
  }
  const shown = unaware.map(([pid, name]) => `${integer(pid)} (${text(name) || 'without a name'})`).join(', ');
  throw new Unusable(
    `these connections are not of a sentlog that knows of ${of}, or not of sentlog: ${shown}. Upgrade all servers and end other programs of this user first`,
  );
}

/** The accounts that are spread, by name. */
export async function spreadAccounts(target: Target): Promise<readonly SpreadAccount[]> {
  return connected({ ...target, statementTimeoutMs: statementMsMax }, async session => {
    const [[there] = []] = await session.query(`SELECT to_regclass('layout') IS NOT NULL`);
    if (!truth(there)) return [];
    const rows = await session.query(
      `SELECT l.account_id, coalesce(a.name, l.account_id::text), l.slices, l.begun_at IS NOT NULL
       FROM layout l LEFT JOIN account a ON a.id = l.account_id ORDER BY 2, l.number`,
    );
    const spread: SpreadAccount[] = [];
    for (const [account, own] of Map.groupBy(rows, ([id]) => integer(id))) {
      const begun = own.filter(row => truth(row[3])).map(row => integer(row[2]));
      const slices = begun.at(-1) ?? 1;
      const announced = own.find(row => !truth(row[3]));
      const workers = await workersOf(session, account, slices);
      spread.push({
        account: text(own[0]?.[1]),
        slices,
        olderSlices: begun.slice(0, -1),
        ...(announced !== undefined && { announcedSlices: integer(announced[2]) }),
        ...(workers !== undefined && { workers }),
      });
    }
    return spread;
  });
}

const slicesByWorker = `
  SELECT n.nodename || ':' || n.nodeport, count(*)
  FROM unnest($1::bigint[]) u (slice)
  JOIN pg_dist_placement p ON p.shardid = get_shard_id_for_distribution_column('message', u.slice)
  JOIN pg_dist_node n ON n.groupid = p.groupid AND n.noderole = 'primary'
  GROUP BY 1 ORDER BY 1`;

/** `undefined` where the tables are not on workers. */
async function workersOf(session: Session, account: AccountId, slices: number): Promise<SpreadAccount['workers']> {
  if (!(await isOnCitus(session))) return undefined;
  const [distributed] = await session.query(
    `SELECT 1 FROM pg_dist_partition p WHERE p.logicalrelid = 'message'::regclass`,
  );
  if (distributed === undefined) return undefined;
  const asked = bigints(Array.from({ length: slices }, (_, i) => sliceAt(account, i)));
  const rows = await session.query(slicesByWorker, [asked]);
  return Object.fromEntries(rows.map(([worker, count]) => [text(worker), integer(count)]));
}
