import { integer, type Row, text } from '../../postgres/cells.ts';
import type { Statement } from '../../postgres/session.ts';

/**
 * What was committed at one moment: every transaction before `end` but those still `running`. Numbers of transactions
 * carry their era, so that a database restored on another server, whose own count may be behind, has its old rows lie
 * before everything new.
 */
export type Snapshot = { readonly end: number; readonly running: readonly number[] };

/** Room for an era's transactions: 22 years at 100,000 a second, and 128 eras in what a JavaScript number holds. */
const eraTransactions = 2 ** 46;

export function transactionOf(era: number, xid: number): number {
  if (xid >= eraTransactions) throw new RangeError(`transaction ${xid} is beyond what an era holds`);
  return era * eraTransactions + xid;
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

/** What `snapshotIn` reads: taken from the coordinating server, and passed on as values. */
export const snapshotStatement: Statement = {
  name: 'snapshot',
  text: 'SELECT pg_current_snapshot()::text, (SELECT max(e.number) FROM era e)',
};

export function snapshotIn(row: Row = []): Snapshot {
  return snapshotOf(integer(row[1]), text(row[0]));
}
