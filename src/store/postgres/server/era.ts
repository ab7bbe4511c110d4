import { text, truth } from '../../../postgres/cells.ts';
import { lockKey } from '../../../postgres/locks.ts';
import type { Session } from '../../../postgres/session.ts';
import type { StoreObserver } from '../../store.ts';
import { citusIsThere } from '../schema/citus.ts';

/**
 * The server's identity, whether a commit is durable when it is answered, and whether a new era must begin. A server
 * that was promoted after a failover has the identifier of the one before, and counts on from where that one's log
 * ended for it, which may be earlier: the timeline, the first digits of a log file's name, tells them apart.
 */
const serverFacts = `
  SELECT f.identity, current_setting('synchronous_commit'), f.identity IS DISTINCT FROM
    (SELECT e.system_identifier FROM era e ORDER BY e.number DESC LIMIT 1) AND f.identity IS NOT NULL,
    NOT pg_is_in_recovery() AND (${citusIsThere})
  FROM (
    SELECT system_identifier || CASE WHEN NOT pg_is_in_recovery() THEN
      '/' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END AS identity
    FROM pg_control_system()
  ) f`;

const eraFor = (reason: string) => `
  INSERT INTO era (number, system_identifier)
  SELECT coalesce(max(e.number), 0) + 1, $1 FROM era e
  HAVING ${reason} RETURNING number`;

const anotherServer = '$1 IS DISTINCT FROM (SELECT l.system_identifier FROM era l ORDER BY l.number DESC LIMIT 1)';

/**
 * Behind Citus the rows of a recording are on a worker, and the coordinator, where its transaction is counted, writes
 * nothing down: after a crash it gives out numbers again that rows have. `unbroken` is unlogged, so a crash empties it.
 */
const hasCrashed = 'SELECT NOT EXISTS (SELECT FROM unbroken)';
const eraAfterCrash = `
  WITH begun AS (${eraFor(`${anotherServer} OR (${hasCrashed})`)})
  INSERT INTO unbroken (era) SELECT b.number FROM begun b RETURNING era`;

/**
 * Makes sure, on a new connection, of what recording relies on: that commits are durable, and that transactions are
 * counted by the server that the newest era names. Another server means that the log was restored from a dump or
 * upgraded: its count of transactions is another one, so a new era begins. So it does when a coordinator of Citus crashed.
 */
export async function recogniseServer(session: Session, observer: StoreObserver): Promise<void> {
  const [facts = []] = await session.query(serverFacts);
  if (text(facts[1]) === 'off') await session.query('SET synchronous_commit = on');
  const onCitus = truth(facts[3]);
  const [[crashed] = [false]] = onCitus ? await session.query(hasCrashed) : [];
  if (!truth(facts[2]) && !truth(crashed)) return;
  await session.query(`SELECT pg_advisory_lock(${lockKey('migration')})`);
  try {
    const begun = await session.query(onCitus ? eraAfterCrash : eraFor(anotherServer), [text(facts[0])]);
    if (begun.length === 0) return;
  } finally {
    await session.query(`SELECT pg_advisory_unlock(${lockKey('migration')})`);
  }
  observer.note({ level: 'info', message: 'the log begins an era on a PostgreSQL server new to it' });
}
