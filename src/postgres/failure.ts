import { DatabaseError } from 'pg';
import { Unavailable, Unusable } from '../failures.ts';

/** Classes of SQLSTATE that say nothing of the statement, only that it cannot be served now. */
const outageClasses: ReadonlySet<string> = new Set([
  '08', // connection failures
  '25', // a read-only server, a transaction left idle
  '28', // the server does not take the credentials (now)
  '40', // rolled back: deadlock, serialization
  '53', // disk full, out of memory, too many connections
  '55', // an object is not ready, a lock was not to be had in time
  '57', // cancelled by a timeout, shut down, starting up
  '58', // an I/O error of the server's system
  'F0', // its configuration
  'XX', // an internal error, damaged data
]);
const databaseMissing = '3D000';
const readOnlyServer = '25006';
const cancelled = '57014';
const insufficientPrivilege = '42501';

const lockNotAvailable = '55P03';

const transactionFailed = '25P02';
const deadlock = '40P01';
const serializationFailure = '40001';
const noPartition = '23514';
const undefinedTable = '42P01';
const notSupported = '0A000';
const stalePlans = /^(?:could not create distributed plan|cached plan must not change result type)/;
const uniqueViolation = '23505';
/** How a statement fails that counts on a row which is not there. */
const divisionByZero = '22012';

/** What a statement failed with, as callers know it: an outage as `Unavailable`, else unchanged. */
export function asDatabaseFailure(error: unknown): unknown {
  if (error instanceof Unavailable) return error;
  if (!(error instanceof DatabaseError)) {
    // What the driver itself rejects with is always the connection: refused, reset, timed out, ended.
    return new Unavailable(`PostgreSQL cannot be reached: ${reasonOf(error)}`, undefined, { cause: error });
  }
  const code = error.code ?? '';
  if (outageClasses.has(code.slice(0, 2)) || code === databaseMissing || isStalePlan(error))
    return new Unavailable(`PostgreSQL cannot serve: ${error.message} (${code})`, undefined, { cause: error });
  return error;
}

/** As `asDatabaseFailure`, while the log is opened: what the operator has to mend is `Unusable`. */
export function asOpeningFailure(error: unknown): unknown {
  const cause = error instanceof Unavailable ? error.cause : error;
  if (!(cause instanceof DatabaseError)) return error;
  const code = cause.code ?? '';
  if (!code.startsWith('28') && code !== databaseMissing && code !== insufficientPrivilege) return error;
  return new Unusable(`PostgreSQL does not let the log be opened: ${cause.message}`, { cause });
}

/**
 * Whether the connection may be used again after this failure: the server answered, and goes on. One to a server that
 * only lets read is given up, since by now another one may answer for it.
 */
export function leavesConnectionUsable(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return false;
  const code = error.code ?? '';
  if (code === cancelled || refusedWhileMoving.test(error.message)) return true;
  return !(['08', '57', '58', 'XX'].includes(code.slice(0, 2)) || code === readOnlyServer || isStalePlan(error));
}

/**
 * Whether the same transaction may well succeed at once: it lost a race against another, or against a dropped part, or
 * went by what a server that took over does not know.
 */
export function isWorthAnotherTry(error: unknown): boolean {
  const cause = error instanceof Unavailable ? error.cause : error;
  if (!(cause instanceof DatabaseError)) return false;
  return (
    isStalePlan(cause) ||
    [deadlock, serializationFailure, noPartition, undefinedTable, divisionByZero].includes(cause.code ?? '')
  );
}

/**
 * Whether a statement failed, before it did anything, since its connection keeps plans of tables that are others by now:
 * they were spread over Citus, say. Connections that are made from now on know better.
 */
export function isStalePlan(error: unknown): boolean {
  const cause = error instanceof Unavailable ? error.cause : error;
  return cause instanceof DatabaseError && cause.code === notSupported && stalePlans.test(cause.message);
}

/** Whether a row was refused since another has its key. */
export function isTaken(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === uniqueViolation;
}

/** What Citus refuses with, as an internal error, where a shard is being moved and something needs them all to stand still. */
const refusedWhileMoving = /^could not acquire the lock required to /;

/** Whether a lock was not to be had in time. */
export function isLockNotHad(error: unknown): boolean {
  const cause = error instanceof Unavailable ? error.cause : undefined;
  return cause instanceof DatabaseError && (cause.code === lockNotAvailable || refusedWhileMoving.test(cause.message));
}

/** Whether a statement was refused since another of its transaction had failed before. */
export function isAfterFailure(error: unknown): boolean {
  const cause = error instanceof Unavailable ? error.cause : error;
  return cause instanceof DatabaseError && cause.code === transactionFailed;
}

/** Whether a transaction was cancelled since it and others waited for each other. */
export function isDeadlock(error: unknown): boolean {
  const cause = error instanceof Unavailable ? error.cause : error;
  return cause instanceof DatabaseError && cause.code === deadlock;
}

/** A name with several addresses fails with the failures of all of them, and no word of its own. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  return error instanceof Error ? error.message || error.name : String(error);
}
