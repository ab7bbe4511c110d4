import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import type { AccountId, Submission } from '../../../src/domain/message.ts';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { JournalRows } from '../../../src/store/embedded/rows/journal-rows.ts';
import { lastReport } from '../../../src/store/embedded/search/own-rows.ts';
import { IndexFile } from '../../../src/store/embedded/segment/index-file.ts';
import { submission } from '../../support/sqlite-log.ts';
import { delivered, operator } from '../conformance/engine.ts';
import { SimulatedLog } from './simulated-log.ts';

const now = 1_800_000_000_000;
const segmentMessages = 1000;
const [busy, quiet, silent] = [1, 2, 3];
const ofQuiet = 40;

type Told = readonly string[];
type Mixed = { readonly log: SimulatedLog; readonly told: ReadonlyMap<AccountId, Told> };

const dataDir = mkdtempSync(join(tmpdir(), 'sentlog-own-rows-'));
let mixed: Mixed;
beforeAll(() => {
  mixed = mixedLog();
});
afterAll(() => {
  mixed.log.close();
  rmSync(dataDir, { recursive: true });
});

/**
 * A log of eight segments, the last of them without an index: one account has nearly all of it, and another a message and
 * two reports on older ones here and there. Gives what each ought to be told.
 */
function mixedLog(): Mixed {
  const log = new SimulatedLog(dataDir, systemDisk, segmentMessages);
  const told = new Map<AccountId, string[]>();
  const record = (account: AccountId, submissions: readonly Submission[]) => {
    log.record({ account, binding: {}, receivedAt: now, sentSince: 0, submissions });
    const own = told.get(account) ?? [];
    told.set(account, own);
    for (const { messageId, status } of submissions) own.push(`${messageId} ${status?.name ?? 'PENDING_ACCEPTED'}`);
  };
  const reports = (messageIds: readonly string[], status = delivered) =>
    messageIds.map(messageId => ({ messageId, status, at: now }));
  for (let round = 0; round < ofQuiet; round++) {
    const own = Array.from({ length: 190 }, (_, i) => submission(round * 190 + i, { sentAt: now }));
    record(busy, own);
    record(busy, reports(own.map(({ messageId }) => messageId)));
    record(quiet, [submission(0, { messageId: `quiet-${round}`, sentAt: now })]);
    if (round > 3) record(quiet, reports([`quiet-${round - 4}`], operator));
    if (round > 9) record(quiet, reports([`quiet-${round - 10}`]));
  }
  log.seal();
  return { log, told };
}

function follow(log: SimulatedLog, account: AccountId, limit: number): Told {
  const told: string[] = [];
  const beginning = `c1.0.0.0`;
  const start = log.changes({ account, sentSince: 0, limit }).next;
  const era = start.split('.')[1];
  for (let after = beginning.replace('c1.0', `c1.${era}`); ; ) {
    const { changes, next, more } = log.changes({ account, sentSince: 0, limit, after });
    told.push(...changes.map(({ log }) => `${log.messageId} ${log.status.name}`));
    if (!more) return told;
    after = next;
  }
}

/** Rows that are read while something is asked. */
function rowsLookedAt<T>(ask: () => T): { readonly rows: number; readonly answer: T } {
  const spies = [
    vi.spyOn(JournalRows.prototype, 'messagesFrom'),
    vi.spyOn(JournalRows.prototype, 'reportsFrom'),
    vi.spyOn(JournalRows.prototype, 'messages'),
    vi.spyOn(JournalRows.prototype, 'reports'),
  ] as const;
  const answer = ask();
  const [messagesFrom, reportsFrom, messages, reports] = spies;
  const inRanges = [...messagesFrom.mock.calls, ...reportsFrom.mock.calls].map(([, count]) => count);
  const asked = [...messages.mock.calls, ...reports.mock.calls].map(([numbers]) => numbers.length);
  vi.restoreAllMocks();
  return { rows: [...inRanges, ...asked].reduce((sum, rows) => sum + rows, 0), answer };
}

test.each([7, 1000])(
  'a quiet account that is followed from its beginning, %i at a time → its own rows are read, few twice',
  limit => {
    const { log, told } = mixed;
    expect(log.isSealed(7)).toBe(true);
    expect(log.isSealed(8)).toBe(false);
    const own = told.get(quiet) ?? [];
    const { rows, answer } = rowsLookedAt(() => follow(log, quiet, limit));
    expect(answer.toSorted()).toEqual(own.toSorted());
    // Each of its messages and reports is read once, a report's message beside it; what a call finds and has no room for, again.
    expect(rows).toBeLessThanOrEqual(6 * own.length);
    expect(rowsLookedAt(() => follow(log, silent, limit))).toEqual({ rows: 0, answer: [] });
  },
);

test('segments that an older version sealed → the same is told', () => {
  const { log, told } = mixed;
  const bytesOf = IndexFile.prototype.bytesOf;
  vi.spyOn(IndexFile.prototype, 'bytesOf').mockImplementation(function (this: IndexFile, name) {
    return name.startsWith('reportA') || name === 'reportStarts' || name === 'reportOrder'
      ? 0
      : bytesOf.call(this, name);
  });
  onTestFinished(() => {
    vi.restoreAllMocks();
  });
  for (const account of [busy, quiet, silent])
    expect(follow(log, account, 1000).toSorted()).toEqual((told.get(account) ?? []).toSorted());
  // What it says of the last of the account's reports is over with the segment's, as for whoever looks for it later.
  const segment = log.segments.get(7);
  if (segment === undefined) throw new Error('there is no such segment');
  const last = (sentSince: number) =>
    lastReport(log.segments, segment, quiet, { before: Infinity, sentSince }).next(false);
  expect(last(now)).toMatchObject({ done: true, value: { sentAt: now } });
  expect(last(now + 1)).toEqual({ done: true, value: undefined });
});
