/**
 * Holds the file of the outbox on its own thread, because each change waits for the disk: the thread that serves never
 * does. All that has arrived by the end of a turn shares one transaction.
 */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { isReadOnlyFile, Unavailable, Unusable } from '../../failures.ts';
import { OpenedFile } from '../../opened-file.ts';
import type { Receipt } from '../outbox.ts';
import type { FailedBy, OutboxCall, OutboxReply, OutboxRequest, OutboxStart } from './messages.ts';
import { openOutboxFile } from './outbox-file.ts';
import { Queue } from './queue.ts';
import { Receipts } from './receipts.ts';
import { ReportRows } from './report-rows.ts';
import { OutboxRows } from './rows.ts';
import { clockSetBack } from './set-back.ts';
import { TellingRows } from './telling-rows.ts';

assert(parentPort !== null);
const port = parentPort;
const { path, memory, isKnown, takenReports }: OutboxStart = workerData;
const tell = (reply: OutboxReply) => port.postMessage(reply);

/** Requests of one transaction. */
const groupMax = 256;

type Waiting = Exclude<OutboxRequest, 'close'>;
type Opened = ReturnType<typeof open>;
type ReportCall = Extract<OutboxCall, { readonly call: `${string}ush${string}` | `${string}eports${string}` }>;

function open() {
  const db = openOutboxFile(path, isKnown, memory);
  const rows = new OutboxRows(db);
  const receipts = new Receipts(rows);
  const reports = new ReportRows(rows, takenReports);
  return { db, rows, receipts, reports, telling: new TellingRows(rows, reports), queue: new Queue(rows, receipts) };
}

/** Each is part of a transaction of the caller's. */
function performer({ rows, receipts, reports, telling, queue }: Opened) {
  return (asked: OutboxCall): unknown => {
    switch (asked.call) {
      case 'add':
        return queue.add(asked.batch);
      case 'claim':
        return queue.claim(asked.wants, asked.now);
      case 'unclaim':
        return queue.unclaim(asked.held);
      case 'settle':
        return queue.settle(asked.results, asked.now);
      case 'receive':
        for (const event of receiptsIn(asked.events)) receipts.receive(event, asked.now);
        return undefined;
      case 'lapse': {
        receipts.forget(asked.now);
        const hasOlder = reports.forget(asked.now);
        return queue.lapse(asked.now) || hasOlder;
      }
      case 'clockSetBack':
        return clockSetBack(rows, asked.now);
      case 'waiting':
        return queue.waiting(asked.now);
      case 'untold':
        return telling.untold(asked.limit);
      case 'told':
        return telling.told(asked.ids, asked.now, new Map(asked.subscribed.map(one => [one.account, one])));
      case 'recover':
        return queue.recover(asked.how, asked.now);
      case 'dropAccount':
        return queue.dropAccount(asked.account);
      case 'dropBefore':
        return queue.dropBefore(asked.acceptedAt);
      case 'stats':
        return queue.stats();
      default:
        return performReports(reports, asked);
    }
  };
}

/** This process wrote it: the types are those of `Outbox`. */
function receiptsIn(events: string): readonly Receipt[] {
  return JSON.parse(events);
}

function performReports(reports: ReportRows, asked: ReportCall): unknown {
  switch (asked.call) {
    case 'takeReports':
      return reports.take(asked.query);
    case 'reportsGiven':
      return reports.given(asked.ids);
    case 'reportsGivenBack':
      return reports.giveBack(asked.ids);
    case 'duePushes':
      return reports.duePushes(asked.busy, asked.places, asked.now);
    case 'pushed':
      return reports.pushed(asked.outcomes);
  }
}

function serve(opened: Opened): void {
  const { db, rows, reports } = opened;
  const waiting: Waiting[] = [];
  let isClosing = false;
  /** What changes nothing succeeds where nothing can be kept: whoever only looks would take the outbox for sound. */
  let isProven = false;
  /** Nothing can be kept by this thread's connection, whatever becomes of the disk: the next request has another thread. */
  let isSpent = false;

  const perform = performer(opened);

  const file = new OpenedFile(path);
  const transact = (group: readonly Waiting[]) => {
    try {
      file.refuseMoved();
      db.exec('BEGIN IMMEDIATE');
      if (!isProven) rows.prove();
      const answers = group.map(({ id, asked }) => ({ id, value: perform(asked) }));
      db.exec('COMMIT');
      isProven = true;
      reports.done();
      tell({ kind: 'answers', answers });
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      rows.undone();
      reports.undone();
      // What is wrong with one request is that one's: the others are carried out without it.
      if (group.length > 1 && isOfRequest(error)) {
        for (const one of group) transact([one]);
        return;
      }
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      const of = failedBy(error);
      isProven &&= of !== 'outage';
      isSpent ||= isReadOnlyFile(error);
      tell({ kind: 'failed', ids: group.map(one => one.id), message, of });
    }
  };

  const flush = () => {
    if (!db.isOpen) return;
    const group = waiting.splice(0, groupMax);
    if (group.length > 0) transact(group);
    if (isSpent) tell({ kind: 'broken', message: 'its file was opened to be read alone', isUnusable: true });
    else if (waiting.length > 0) setImmediate(flush);
    if (isSpent || (isClosing && waiting.length === 0)) {
      db.close();
      port.close();
    }
  };

  port.on('message', (request: OutboxRequest) => {
    if (request === 'close') isClosing = true;
    else waiting.push(request);
    if (waiting.length === 1 || (isClosing && waiting.length === 0)) setImmediate(flush);
  });
}

/** SQLite's codes for values that it does not take: too large, against a rule, of another type, out of range. */
const ofValues: ReadonlySet<number> = new Set([18, 19, 20, 25]);
/** Those for a statement that is wrong or misused: it may be that of one request alone. */
const ofStatements: ReadonlySet<number> = new Set([1, 21]);

function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ERR_SQLITE_ERROR') return undefined;
  return 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : 0;
}

/** A file without one of its tables, or a full disk, is nothing that a request could be blamed for. */
function failedBy(error: unknown): FailedBy {
  const code = sqliteCode(error);
  if (error instanceof Unavailable) return 'outage';
  if (code === undefined) return 'defect';
  return ofValues.has(code) ? 'values' : 'outage';
}

function isOfRequest(error: unknown): boolean {
  return failedBy(error) !== 'outage' || ofStatements.has(sqliteCode(error) ?? 0);
}

try {
  const opened = open();
  serve(opened);
  tell({ kind: 'opened' });
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  tell({ kind: 'broken', message, isUnusable: error instanceof Unusable || failedBy(error) === 'outage' });
  port.close();
}
