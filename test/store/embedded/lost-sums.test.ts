import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { statusNamed } from '../../../src/domain/registry.ts';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { Ledger } from '../../../src/store/embedded/files/ledger.ts';
import { LogFile } from '../../../src/store/embedded/log/log-file.ts';
import { JournalRows } from '../../../src/store/embedded/rows/journal-rows.ts';
import { writeJournal } from '../../../src/store/embedded/rows/journal-writer.ts';
import { bendRows } from '../../support/bent-journal.ts';
import { submission } from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { EndingDisk, Killed } from './ending-disk.ts';
import { SimulatedLog } from './simulated-log.ts';

const now = 1_700_000_000_000;
test('a process ends at any change while it recovers a segment → the next start does not take the sums for the whole', () => {
  const folder = temporaryFolder();
  const whole = join(folder, 'whole');
  systemDisk.makeFolder(whole);
  const log = new SimulatedLog(whole, systemDisk);
  const submissions = Array.from({ length: 5 }, (_, i) => submission(i, { sentAt: now + i }));
  log.record({ account: 1, binding: {}, receivedAt: now + 9, sentSince: 0, submissions });
  log.close();
  bendRows(join(whole, 'segments', '000000001.journal'), 'zeroed', 'message', 2);
  expect(new LogFile(whole).trust.from(1)).toBeLessThan(now);
  for (let changesMax = 0, isDone = false; !isDone; changesMax++) {
    const copy = join(folder, `${changesMax}`);
    cpSync(whole, copy, { recursive: true });
    const ending = new EndingDisk(changesMax);
    try {
      new SimulatedLog(copy, ending.disk).close();
      isDone = ending.changes < changesMax;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
    new SimulatedLog(copy, systemDisk).close();
    expect(new LogFile(copy).trust.from(1), `after ${changesMax} changes`).toBeGreaterThan(now);
  }
});

/** Records one message of each start, two minutes after the one before, and gives since when sums were trusted at each. */
function startsOf(dataDir: string, starts: number) {
  return Array.from({ length: starts }, (_, start) => {
    const log = new SimulatedLog(dataDir, systemDisk);
    const trustedFrom = new LogFile(dataDir).trust.from(1);
    const sentAt = now + (start + 1) * 120_000;
    const submissions = [submission(100 + start, { sentAt })];
    log.record({ account: 1, binding: {}, receivedAt: sentAt, sentSince: 0, submissions });
    const told = log.found.damaged.length;
    log.close();
    return { trustedFrom, told, segments: new Folder(dataDir, systemDisk).segmentIds().length };
  });
}

test.each([
  ['without an index', false],
  ['with an index', true],
])(
  'reports are on messages that a segment %s has lost, and nothing says so → lost like any others, and distrusted once',
  (_, isSealed) => {
    const [dataDir, kept] = [temporaryFolder(), temporaryFolder()];
    const log = new SimulatedLog(dataDir, systemDisk);
    const submissions = Array.from({ length: 8 }, (_, i) => submission(i, { sentAt: now + i }));
    log.record({ account: 1, binding: {}, receivedAt: now + 9, sentSince: 0, submissions });
    const reports = [{ messageId: 'message-5', status: statusNamed('DELIVERED_TO_HANDSET'), at: now + 9 }];
    log.record({ account: 1, binding: {}, receivedAt: now + 9, sentSince: 0, submissions: reports });
    log.close();
    const segment = (id: number) => join(dataDir, 'segments', `00000000${id}.journal`);
    cpSync(segment(2), join(kept, 'rows'));
    const leave = (path: string, messages: number, reports: number) => {
      const rows = new JournalRows(path);
      const meta = rows.meta();
      const left = [
        ...rows.messagesFrom(0, messages).map(message => ({ message })),
        ...rows.reportsFrom(meta.firstSequence, reports).map(report => ({ report })),
      ];
      rows.close();
      writeJournal(systemDisk, path, meta, left);
    };
    leave(segment(1), 4, 0);
    const ledger = new Ledger(dataDir, systemDisk, new LogFile(dataDir).hashSeed);
    const [first, second] = [ledger.get(1), ledger.get(2)];
    if (first === undefined || second === undefined) throw new Error('no such segments');
    ledger.set({ ...first, messages: 4, sentUntil: now + 3 });
    if (isSealed) {
      leave(segment(2), 2, 0);
      ledger.set({ ...second, reports: 0 });
    }
    ledger.close();
    if (isSealed) {
      const short = new SimulatedLog(dataDir, systemDisk);
      expect(short.found.damaged).toEqual([]);
      short.seal();
      expect(short.isSealed(1)).toBe(true);
      short.close();
      cpSync(join(kept, 'rows'), segment(2));
    }
    const starts = startsOf(dataDir, 3);
    expect(starts.map(({ told }) => told)).toEqual([1, 1, 1]);
    expect(starts[1]?.trustedFrom).toBeGreaterThan(now);
    expect(starts[2]?.trustedFrom).toBe(starts[1]?.trustedFrom);
  },
);

test('a segment lies set aside, with none of its rows left → its numbers are passed over once, and starts make no more segments', () => {
  const dataDir = temporaryFolder();
  const log = new SimulatedLog(dataDir, systemDisk);
  const submissions = Array.from({ length: 8 }, (_, i) => submission(i, { sentAt: now + i }));
  log.record({ account: 1, binding: {}, receivedAt: now + 9, sentSince: 0, submissions });
  log.close();
  setAsideWhole(dataDir, 2);
  const starts = startsOf(dataDir, 4);
  expect(new Set(starts.map(({ segments }) => segments)).size).toBe(1);
  expect(starts[3]?.trustedFrom).toBe(starts[1]?.trustedFrom);
  // Another one that goes was there before: its numbers must not come again.
  const { sequence } = lastEra(dataDir);
  setAsideWhole(dataDir, Math.max(...new Folder(dataDir, systemDisk).segmentIds()));
  startsOf(dataDir, 1);
  expect(lastEra(dataDir).sequence).toBeGreaterThan(sequence + 2 ** 31);
});

/** As a segment is of which nothing could be made anew. */
function setAsideWhole(dataDir: string, segmentId: number): void {
  new Folder(dataDir, systemDisk).setAside(segmentId);
  const ledger = new Ledger(dataDir, systemDisk, new LogFile(dataDir).hashSeed);
  ledger.remove([segmentId]);
  ledger.close();
}

function lastEra(dataDir: string) {
  const era = new LogFile(dataDir).eras.at(-1);
  if (era === undefined) throw new Error('no era');
  return era;
}
