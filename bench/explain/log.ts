import type { EpochMs, Submission } from '../../src/domain/message.ts';
import { deliveryErrorNamed } from '../../src/domain/registry.ts';
import type { Bookmark, Store } from '../../src/store/store.ts';
import { parseRecordText } from '../../src/wire/record/log-record.ts';
import { LogWriter, logBytesMax } from '../dataset/log-writer.ts';
import { ReportWriter } from '../dataset/report-writer.ts';
import { jitterMs, type LogShape } from '../dataset/shape.ts';

/** Both hold the same: what is read of one must not touch the other's. */
export const accounts = [1, 2] as const;
const batchMessages = 1_000;
/** Transactions at once; more would not be faster with one connection for each. */
const batchesAtOnce = 4;

/** A log with the place, for those who follow, before all that was recorded. */
export type RecordedLog = { readonly shape: LogShape; readonly begin: Bookmark };

const hourMs = 3_600_000;
const spanMs = 48 * hourMs - jitterMs;

/** 48 hours, all of them whole: to the planner, and in truth, any index of a partition of a few rows is as good. */
export function wholeHours(messages: number, now: EpochMs): LogShape {
  const firstSentAt = Math.floor(now / hourMs) * hourMs - 48 * hourMs;
  return { seed: 1, firstId: 0, messages, firstSentAt, spanMs, spread: 'arrival' };
}

/** Records the messages of a log and reports on its newest tenth, for both accounts. */
export async function recordLog(store: Store, shape: LogShape): Promise<RecordedLog> {
  const now = shape.firstSentAt + shape.spanMs;
  const { next: begin } = await store.changes({ account: accounts[0], sentSince: shape.firstSentAt, limit: 1 });
  const times = { receivedAt: now, sentSince: shape.firstSentAt - 1 };
  const record = async (from: number, to: number, submissions: readonly Submission[]) => {
    for (const account of accounts) {
      const { rejected } = await store.record({ account, binding: {}, ...times, submissions });
      if (rejected.length > 0)
        throw new Error(`of records ${from} to ${to} some were rejected: ${JSON.stringify(rejected[0])}`);
    }
  };
  await inBatches(0, shape.messages, (from, to) => record(from, to, messagesIn(shape, from, to)));
  const reported = shape.messages - Math.floor(shape.messages / 10);
  await inBatches(reported, shape.messages, (from, to) => record(from, to, reportsIn(shape, from, to)));
  return { shape, begin };
}

async function inBatches(from: number, to: number, work: (from: number, to: number) => Promise<void>): Promise<void> {
  let next = from;
  const worker = async () => {
    while (next < to) {
      const first = next;
      next = Math.min(to, first + batchMessages);
      await work(first, next);
    }
  };
  await Promise.all(Array.from({ length: batchesAtOnce }, worker));
}

export const rareErrorName = 'EC_BLOCKED_USER';
const rareError = deliveryErrorNamed(rareErrorName);
/** One of so many messages has it. */
const messagesForAnError = 500;

export function messagesIn(shape: LogShape, from: number, to: number): readonly Submission[] {
  const all = submissionsIn(new LogWriter(shape).ndjson(Buffer.alloc((to - from) * logBytesMax), from, to));
  return all.map((one, i) => ((from + i) % messagesForAnError === 0 ? { ...one, error: rareError } : one));
}

export function reportsIn(shape: LogShape, from: number, to: number): readonly Submission[] {
  const writer = new ReportWriter(shape, 'recent');
  return submissionsIn(writer.ndjson(Buffer.alloc((to - from) * writer.reportBytes), from, to));
}

function submissionsIn(ndjson: Buffer): readonly Submission[] {
  const lines = ndjson.toString().trimEnd().split('\n');
  return lines.map(line => {
    const { submission } = parseRecordText(line);
    if (submission === undefined) throw new Error(`not a record: ${line}`);
    return submission;
  });
}
