import { isLock, lockKey } from '../../../postgres/locks.ts';

/**
 * What every recording transaction takes before it reads which generation is the youngest. While one holds it the
 * generation cannot change, so that all transactions at work put their keys into one table, whose index tells them of
 * each other.
 */
export const holdGeneration = `SELECT pg_advisory_xact_lock_shared(${lockKey('generation')})`;

/** Whether a row of `pg_locks` is of a transaction that holds the generation, or waits to. */
export const holdsGeneration = (lock: string) => isHeldHere(lock, isLock(lock, 'generation'));

/** Whether a row of `pg_locks` is an advisory lock of this database that a condition is true of. */
export const isHeldHere = (lock: string, condition: string) => `${lock}.locktype = 'advisory' AND ${condition}
  AND ${lock}.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())`;
