import { integer, optional, type Row, text } from '../../../postgres/cells.ts';
import type { Statement } from '../../../postgres/session.ts';
import { StoreUnavailable } from '../../store.ts';
import { citusIsThere } from '../schema/citus.ts';
import { holdsGeneration } from '../schema/generation-lock.ts';

/**
 * What was committed at one moment: every transaction before `end` but those still `running`. Numbers of transactions
 * carry their era, so that a database restored on another server, whose own count may be behind, has its old rows lie
 * before everything new.
 */
export type Snapshot = { readonly end: number; readonly running: readonly number[] };

/** A snapshot of the database, and how far its write-ahead log goes, in bytes, when it is known to hold all of it. */
export type ReadPoint = { readonly snapshot: Snapshot; readonly position?: number };

/** Locks tell the lower 32 bits of a transaction's number. */
export const xidNumbers = 2 ** 32;
/** Where an era goes on after a crash of a coordinator of Citus: beyond all that it can have counted since its last checkpoint. */
const crashTransactions = xidNumbers;
/** Crashes that an era has room for. */
export const crashesMax = 8_192;
/** Room for an era's transactions: 11 years at 100,000 a second, and 128 eras in what a JavaScript number holds. */
const eraTransactions = 2 * crashesMax * crashTransactions;
/** Eras that there is room for. */
export const erasMax = 127;

/** From where on transactions are counted now, in steps of `crashTransactions`. */
export const eraNow = `(SELECT max(e.number * ${eraTransactions / crashTransactions}::bigint + e.crashes) FROM era e)`;

/** `era` is what `eraNow` gives. */
export function transactionOf(era: number, xid: number): number {
  const transaction = era * crashTransactions + xid;
  if (xid >= eraTransactions / 2) throw new RangeError(`transaction ${xid} is beyond what an era holds`);
  if (!Number.isSafeInteger(transaction))
    throw new StoreUnavailable('the log has begun more eras than there is room for');
  return transaction;
}

/** Reads what `pg_current_snapshot()` gives: `xmin:xmax:xid,xid,…`. */
function snapshotOf(era: number, written: string): Snapshot {
  const parts = /^\d+:(\d+):((?:\d+(?:,\d+)*)?)$/.exec(written);
  if (parts === null) throw new TypeError(`not a snapshot: ${written}`);
  const [, end = '', running = ''] = parts;
  const xids = running === '' ? [] : running.split(',').map(Number);
  return { end: transactionOf(era, Number(end)), running: xids.map(xid => transactionOf(era, xid)) };
}

/** The first transaction that a snapshot may not show. */
export function firstUnseen({ end, running }: Snapshot): number {
  return running.reduce((first, tx) => Math.min(first, tx), end);
}

/** Whether all that `then` shows is shown by `now` too. */
export function covers(now: Snapshot, then: Snapshot): boolean {
  return then.end <= now.end && now.running.every(tx => tx >= then.end || then.running.includes(tx));
}

/** Whether both were taken from one server, before it was replaced or promoted. */
export function ofOneEra(one: Snapshot, other: Snapshot): boolean {
  return Math.floor(one.end / eraTransactions) === Math.floor(other.end / eraTransactions);
}

/** The numbers of the transactions that record, or did and still end: the 32 bits that a lock tells of each. */
export const recordingTransactions = `
  SELECT l.transactionid::text FROM pg_locks l
  WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
    AND l.pid IN (SELECT h.pid FROM pg_locks h WHERE ${holdsGeneration('h')})`;

/**
 * What `snapshotIn` reads: taken from the coordinating server, and passed on as values. A transaction that wrote to
 * several workers of Citus is over on the coordinator before they are told to commit, so its snapshot would count rows
 * as seen that do not show yet. The transaction's locks are held until all have committed: there, those that are at work
 * are told by their locks, read after the snapshot was taken.
 */
export const snapshotColumns = `
  pg_current_snapshot()::text, ${eraNow},
  CASE WHEN (${citusIsThere}) THEN ARRAY(${recordingTransactions})::text END`;
export const snapshotColumnCount = 3;

export const snapshotStatement: Statement = { name: 'snapshot', text: `SELECT ${snapshotColumns}` };

export function snapshotIn(row: Row = []): Snapshot {
  const snapshot = snapshotOf(integer(row[1]), text(row[0]));
  const recording = optional(row[2], text);
  return recording === undefined ? snapshot : { ...snapshot, running: before(snapshot.end, recording) };
}

/** Those before `end` among transactions that are told by locks, as the text of an array. */
function before(end: number, locked: string): readonly number[] {
  const xids = locked === '{}' ? [] : locked.slice(1, -1).split(',').map(Number);
  const distances = xids.map(xid => (((end - xid) % xidNumbers) + xidNumbers) % xidNumbers);
  return distances
    .filter(distance => distance > 0 && distance < xidNumbers / 2)
    .map(distance => end - distance)
    .sort((a, b) => a - b);
}

/**
 * As `snapshotStatement`, with a position in the write-ahead log, which is read after the snapshot was taken: a commit
 * that the snapshot shows was made durable before it.
 */
export const readPointStatement: Statement = {
  name: 'read point',
  text: `SELECT ${snapshotColumns}, (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint`,
};

export function readPointIn(row: Row = []): ReadPoint {
  return { snapshot: snapshotIn(row), position: integer(row[snapshotColumnCount]) };
}
