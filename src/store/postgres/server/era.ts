import { integer, text, truth } from '../../../postgres/cells.ts';
import { lockKey } from '../../../postgres/locks.ts';
import type { Session } from '../../../postgres/session.ts';
import { type StoreObserver, StoreUnavailable } from '../../store.ts';
import { citusIsThere } from '../schema/citus.ts';
import { crashesMax, erasMax } from './snapshot.ts';

/** What names a server in `era`: beside its identity, how often it crashed, so that a version that does not count that begins an era of its own. */
const named = (identity: string, era: string) =>
  `${identity} || CASE WHEN ${era}.crashes > 0 THEN '#' || ${era}.crashes ELSE '' END`;

/** Whether the newest era is of another server than this one. */
const anotherServer = (identity: string) => `${identity} IS NOT NULL AND NOT EXISTS (
  SELECT FROM (SELECT * FROM era ORDER BY number DESC LIMIT 1) l WHERE l.system_identifier = ${named(identity, 'l')})`;

/**
 * The server's identity, whether a commit is durable when it is answered, and whether a new era must begin. A server
 * that was promoted after a failover has the identifier of the one before, and counts on from where that one's log
 * ended for it, which may be earlier: the timeline, the first digits of a log file's name, tells them apart.
 */
const serverFacts = `
  SELECT f.identity, current_setting('synchronous_commit'), ${anotherServer('f.identity')},
    NOT pg_is_in_recovery() AND (${citusIsThere})
  FROM (
    SELECT system_identifier || CASE WHEN NOT pg_is_in_recovery() THEN
      '/' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END AS identity
    FROM pg_control_system()
  ) f`;

/**
 * Behind Citus the rows of a recording are on a worker, and the coordinator, where its transaction is counted, writes
 * nothing down: after a crash it gives out numbers again that rows have. `unbroken` is unlogged, so a crash empties it.
 */
const hasCrashed = 'SELECT NOT EXISTS (SELECT FROM unbroken)';

/** The newest era, whether it is of another server, and whether that crashed. */
const eraNow = `
  SELECT coalesce(max(e.number), 0), coalesce((SELECT l.crashes FROM era l ORDER BY l.number DESC LIMIT 1), 0),
    ${anotherServer('$1::text')}, (${hasCrashed})
  FROM era e`;

/**
 * Makes sure, on a new connection, of what recording relies on: that commits are durable, and that transactions are
 * counted by the server that the newest era names. Another server means that the log was restored from a dump or
 * upgraded: its count of transactions is another one, so a new era begins. Where a coordinator of Citus crashed, the era
 * goes on, beyond what was counted in it. Rejects with `StoreUnavailable` when there is no room for another era.
 */
export async function recogniseServer(session: Session, observer: StoreObserver): Promise<void> {
  const [facts = []] = await session.query(serverFacts);
  if (text(facts[1]) === 'off') await session.query('SET synchronous_commit = on');
  const onCitus = truth(facts[3]);
  const [[crashed] = [false]] = onCitus ? await session.query(hasCrashed) : [];
  if (!truth(facts[2]) && !truth(crashed)) return;
  await session.query(`SELECT pg_advisory_lock(${lockKey('migration')})`);
  try {
    const begun = await begin(session, text(facts[0]), onCitus);
    if (begun) observer.note({ level: 'info', message: 'the log begins an era on a PostgreSQL server new to it' });
  } finally {
    await session.query(`SELECT pg_advisory_unlock(${lockKey('migration')})`);
  }
}

/** Whether an era begins. Nobody else begins any meanwhile. */
async function begin(session: Session, identity: string, onCitus: boolean): Promise<boolean> {
  const [[newest, crashes, isAnother, isEmpty] = []] = await session.query(eraNow, [identity]);
  const [number, crashed] = [integer(newest), onCitus && truth(isEmpty)];
  // Another server counts its transactions anew: after everything before.
  const begins = truth(isAnother) || (crashed && integer(crashes) + 1 === crashesMax);
  if (begins && number === erasMax)
    throw new StoreUnavailable(
      `the log has begun ${erasMax} eras, one for each server it was on or for ${crashesMax - 1} crashes, and has room for no more`,
    );
  if (begins)
    await session.query('INSERT INTO era (number, system_identifier) VALUES ($1, $2)', [number + 1, identity]);
  else if (crashed)
    await session.query(
      `UPDATE era SET crashes = crashes + 1, system_identifier = $2::text || '#' || crashes + 1 WHERE number = $1`,
      [number, identity],
    );
  if (crashed) await session.query('INSERT INTO unbroken SELECT max(e.number) FROM era e');
  return begins;
}
