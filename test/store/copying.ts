import { onTestFinished } from 'vitest';
import type { AccountId, EpochMs, LogRecord, Submission } from '../../src/domain/message.ts';
import { statuses } from '../../src/domain/registry.ts';
import { type CopyStep, checkCopy, copyLog, type SegmentCheck } from '../../src/store/copy-log.ts';
import { FolderLog } from '../../src/store/embedded/offline/folder-log.ts';
import { CopyTarget } from '../../src/store/postgres/copy/copy-target.ts';
import type { Query, Store } from '../../src/store/store.ts';
import { hourMs, SqliteLog, submission, Witness } from '../support/sqlite-log.ts';
import { accounts } from './conformance/model.ts';
import type { PostgresDatabase } from './postgres/database.ts';

export const start: EpochMs = 1_700_000_000_000;

type CopyOptions = {
  readonly sentSince?: EpochMs;
  readonly accountOf?: (account: AccountId) => AccountId | undefined;
  /** Breaks the copy off after so many transactions. */
  readonly stepsMax?: number;
  readonly schema?: string;
};

type Copied = { readonly sum: CopyStep; readonly checks: readonly SegmentCheck[] };

export async function copy(log: SqliteLog, database: PostgresDatabase, options: CopyOptions = {}): Promise<Copied> {
  const { sentSince = 0, accountOf = account => account, stepsMax = Infinity, schema = 'sentlog' } = options;
  const folder = new FolderLog(log.dataDir);
  try {
    const target = await CopyTarget.open({
      url: database.url,
      schema,
      partitionMs: hourMs,
      observer: new Witness(),
    });
    try {
      const work = { log: folder, target, accountOf, sentSince: () => sentSince };
      const sum = { rows: 0, copied: 0, completed: 0, alreadyThere: 0, withoutAccount: 0 };
      let steps = 0;
      for await (const step of copyLog(work)) {
        for (const name of Object.keys(sum) as (keyof CopyStep)[]) sum[name] += step[name];
        if (++steps === stepsMax) return { sum, checks: [] };
      }
      const checks: SegmentCheck[] = [];
      for await (const part of checkCopy(work)) if ('name' in part) checks.push(part);
      return { sum, checks };
    } finally {
      await target.close();
    }
  } finally {
    folder.close();
  }
}

/** Every message of an account that matches, by pages. */
export async function walk(store: Store, query: Omit<Query, 'walk' | 'after'>): Promise<readonly LogRecord[]> {
  const logs: LogRecord[] = [];
  for (let after: string | undefined; ; ) {
    const page = await store.find({ ...query, walk: true, ...(after !== undefined && { after }) });
    logs.push(...page.logs);
    if (page.next === undefined) return logs;
    after = page.next;
  }
}

/** What a log answers, whatever is asked. */
export async function answers(store: Store, sentSince: EpochMs, messageIds: readonly string[]) {
  const all = [];
  for (const account of accounts) {
    all.push(await walk(store, { account, filter: {}, sentSince, limit: 3 }));
    for (const messageId of messageIds) all.push(await store.history(account, messageId, sentSince));
  }
  return all;
}

export function emptyLog(segmentMessagesMax = 100): SqliteLog {
  const log = new SqliteLog({ segmentMessagesMax });
  onTestFinished(() => log.remove());
  return log;
}

/** Records in one call of account 1, without a horizon. */
export function record(store: Store, receivedAt: EpochMs, submissions: readonly Submission[], sentSince = 0) {
  return store.record({ account: 1, binding: {}, receivedAt, sentSince, submissions });
}

export async function logOf(
  batches: readonly (readonly Submission[])[],
  segmentMessagesMax?: number,
): Promise<SqliteLog> {
  const log = emptyLog(segmentMessagesMax);
  const store = await log.open();
  for (const [i, batch] of batches.entries()) await record(store, start + i, batch);
  await store.close();
  return log;
}

const delivered = statuses.find(status => status.name === 'DELIVERED_TO_HANDSET');
export const message = (number: number, fields: Partial<Submission> = {}) =>
  submission(number, { sentAt: start - number, ...fields });
export const report = (number: number, fields: Partial<Submission> = {}): Submission => ({
  messageId: `message-${number}`,
  ...(delivered !== undefined && { status: delivered }),
  ...fields,
});
/** What the checks of all segments come to. */
export const all = (checks: readonly SegmentCheck[]) => ({
  messages: checks.reduce((sum, one) => sum + one.messages, 0),
  missing: checks.reduce((sum, one) => sum + one.missing, 0),
  different: checks.reduce((sum, one) => sum + one.different, 0),
  alike: checks.every(one => one.expected === one.found),
});
export const faultless = (messages: number) => ({ messages, missing: 0, different: 0, alike: true });
