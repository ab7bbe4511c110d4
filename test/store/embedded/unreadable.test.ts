import { existsSync, mkdirSync, renameSync, rmdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { summaryRange } from '../../../src/domain/summary.ts';
import { recoverRows } from '../../../src/store/embedded/damage/row-recovery.ts';
import { withoutUnsound } from '../../../src/store/embedded/damage/unsound-rows.ts';
import { UnreadableSegment } from '../../../src/store/embedded/files/damage.ts';
import { type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { Ledger } from '../../../src/store/embedded/files/ledger.ts';
import { readingAround } from '../../../src/store/embedded/files/reading-around.ts';
import { JournalRows } from '../../../src/store/embedded/rows/journal-rows.ts';
import { frameUnit } from '../../../src/store/embedded/rows/row-frame.ts';
import { openSealedRows } from '../../../src/store/embedded/segment/open-rows.ts';
import { type Looking, Unreadable } from '../../../src/store/embedded/upkeep/unreadable.ts';
import { type Store, StoreUnavailable, StoreUnusable } from '../../../src/store/store.ts';
import { placesIn } from '../../support/bent-journal.ts';
import { numberedIds, recordNumbered, SqliteLog, submission, until, walkIds } from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { SimulatedLog } from './simulated-log.ts';

const now = 1_800_000_000_000;

/** A folder in its place is opened, and cannot be read: as a bad sector, nothing that passes by being tried again at once. */
function makeUnreadable(path: string): () => void {
  renameSync(path, `${path}.away`);
  mkdirSync(path);
  return () => {
    rmdirSync(path);
    renameSync(`${path}.away`, path);
  };
}

/** A disk that does not give the bytes of one file from one to before another. */
function withBadSectors(at: string, from = 0, to = Infinity): Disk {
  const open = new Map<number, string>();
  return {
    ...systemDisk,
    open(path, mode) {
      const file = systemDisk.open(path, mode);
      open.set(file, path);
      return file;
    },
    read(file, into, position) {
      const begin = position ?? 0;
      if (open.get(file) === at && begin < to && begin + into.byteLength > from)
        throw Object.assign(new Error(`EIO at ${at}`), { code: 'EIO', syscall: 'read' });
      return systemDisk.read(file, into, position);
    },
  };
}

/** Two messages in a sealed segment, and one in the next. */
function closedLog(): { readonly dataDir: string; readonly folder: Folder } {
  const dataDir = temporaryFolder();
  const log = new SimulatedLog(dataDir, systemDisk, 2);
  for (let number = 0; number < 3; number++)
    log.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions: [submission(number)] });
  log.seal();
  log.close();
  return { dataDir, folder: new Folder(dataDir) };
}

test.each([
  ['the rows of the youngest segment', (folder: Folder) => folder.journal(2)],
  ['the ledger', ({ dataDir }: Folder) => join(dataDir, 'ledger')],
])(
  'the disk does not give %s at the start → refused in one line that says what to do, and nothing is moved',
  (_, at) => {
    const { dataDir, folder } = closedLog();
    const refused = () => new SimulatedLog(dataDir, withBadSectors(at(folder)), 2);
    expect(refused).toThrow(StoreUnusable);
    expect(refused).toThrow(/^EIO at .*: start again once the disk gives it; .*ddrescue/);
    expect(existsSync(join(dataDir, 'damaged'))).toBe(false);
    const log = new SimulatedLog(dataDir, systemDisk, 2);
    onTestFinished(() => log.close());
    expect(log.found.damaged).toEqual([]);
  },
);

test('the disk does not give an index at the start → it is made again of the rows', () => {
  const { dataDir, folder } = closedLog();
  const log = new SimulatedLog(dataDir, withBadSectors(folder.index(1)), 2);
  onTestFinished(() => log.close());
  expect(log.found).toMatchObject({ damaged: [], rebuilt: [{ id: 1 }] });
});

/** Of some hundred sealed messages, those that are still read, and what is told of the rest. */
function sealedLog(isVolume: boolean) {
  const dataDir = temporaryFolder();
  const log = new SimulatedLog(dataDir, systemDisk, 300);
  const all = Array.from({ length: 300 }, (_, number) => submission(number, { sentAt: now - number }));
  log.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions: all });
  log.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions: [submission(300)] });
  log.seal();
  if (isVolume) log.merge();
  log.close();
  const folder = new Folder(dataDir);
  const ledger = new Ledger(dataDir);
  const known = ledger.get(1);
  ledger.close();
  if (known === undefined) throw new Error('the ledger does not have the segment');
  return { dataDir, path: isVolume ? folder.volume(1) : folder.journal(1), known };
}

const numbersOf = (rows: readonly { readonly ordinal: number }[]) => rows.map(({ ordinal }) => ordinal);

test('a bad sector anywhere in a journal → every row that none of it is of is recovered, or passed over to where it ends', () => {
  const { dataDir, path, known } = sealedLog(false);
  const { messages } = placesIn(path);
  const lastPlace = (messages[299] ?? 0) * frameUnit;
  const frameEnd = (number: number) => (messages[number + 1] ?? Infinity) * frameUnit;
  for (let from = 0; from < lastPlace; from += 4096) {
    const disk = readingAround(withBadSectors(path, from, from + 4096));
    const folder = new Folder(dataDir, disk);
    const left = Array.from(messages, (_, number) => number).filter(
      number => frameEnd(number) <= from || (messages[number] ?? 0) * frameUnit >= from + 4096,
    );
    expect(left.length).toBeGreaterThan(250);
    const { path: mended, holding } = recoverRows(folder, 1, known, 1);
    const rows = new JournalRows(mended, systemDisk);
    expect(numbersOf(rows.messagesFrom(0, 300))).toEqual(left);
    rows.close();
    systemDisk.remove(mended);
    expect(holding).toMatchObject({ messages: 300, lostMessages: 300 - left.length });
    // Without the places behind the rows nothing is passed over.
    if (from + 4096 > lastPlace) continue;
    const noRoom = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' });
    const { unsound } = withoutUnsound(folder, known, noRoom);
    folder.unsound.set(1, unsound);
    // Whoever reads has the disk as it is.
    const reading = new Folder(dataDir, withBadSectors(path, from, from + 4096));
    reading.unsound.set(1, unsound);
    const passing = openSealedRows(reading, 1);
    expect(numbersOf(passing.messages(Array.from({ length: 300 }, (_, number) => number)))).toEqual(left);
    passing.close();
  }
  expect(lastPlace).toBeGreaterThan(20_000);
});

test.each([false, true])(
  'all of a segment is a bad sector (volume: %s) → all of it is lost, and none of it is served',
  isVolume => {
    const { dataDir, path, known } = sealedLog(isVolume);
    const { holding } = recoverRows(new Folder(dataDir, readingAround(withBadSectors(path))), 1, known, 1);
    expect(holding).toMatchObject({ messages: 300, lostMessages: 300 });
  },
);

test('a bad sector in the middle of a volume → what its other parts hold is recovered', () => {
  const { dataDir, path, known } = sealedLog(true);
  const middle = Math.floor((systemDisk.size(path) ?? 0) / 8192) * 4096;
  const folder = new Folder(dataDir, readingAround(withBadSectors(path, middle, middle + 4096)));
  const { holding } = recoverRows(folder, 1, known, 1);
  expect(holding.lostMessages).toBeGreaterThan(0);
  expect(holding.lostMessages).toBeLessThan(300);
});

test('the system does not read a file → the error names it', () => {
  const path = temporaryFolder();
  const folder = systemDisk.open(path, 'read');
  onTestFinished(() => systemDisk.close(folder));
  expect(() => systemDisk.read(folder, new Uint8Array(8), 0)).toThrow(`read '${path}'`);
});

test('the disk does not give a file of a segment → told until it does, nothing is moved or made again, and the others serve', async () => {
  const log = new SqliteLog({ dataDir: temporaryFolder() });
  await using closing = new AsyncDisposableStack();
  const filled = await log.open();
  await recordNumbered(filled, 0, 150, now);
  await filled.close();
  const store: Store = closing.adopt(await log.open(), one => one.close());
  const back = makeUnreadable(new Folder(log.dataDir).index(1));
  await expect(walkIds(store)).rejects.toThrow(StoreUnavailable);
  const [told, ...others] = (await store.stats()).damaged;
  expect(told).toMatchObject({
    name: '000000001.journal',
    reason: expect.stringMatching(/cannot be read now: EISDIR/),
  });
  expect(others).toEqual([]);
  const older = { account: 1, filter: { sentUntil: now - 120_000 }, sentSince: 0, limit: 100, walk: false };
  expect((await store.find(older)).logs).toHaveLength(29);
  back();
  await until(async () => (await store.stats()).damaged.length === 0);
  expect(await walkIds(store)).toEqual(numberedIds(0, 150));
  expect(log.witness.damagedParts).toEqual([]);
  expect(log.witness.notes).toEqual([
    'a segment cannot be read: what is in it is not served',
    'a segment can be read again',
  ]);
});

test('the disk does not give facets and words, or they are damaged → told once, and the same is found', async () => {
  const log = new SqliteLog({ dataDir: temporaryFolder(), segmentMessagesMax: 600 });
  await using closing = new AsyncDisposableStack();
  const filled = await log.open();
  await recordNumbered(filled, 0, 601, now);
  const folder = new Folder(log.dataDir);
  await until(() => existsSync(folder.words(1)));
  await filled.close();
  truncateSync(folder.words(1), 100);
  const store: Store = closing.adopt(await log.open(), one => one.close());
  closing.defer(makeUnreadable(folder.facets(1)));
  const range = summaryRange({}, 0, now + 1000, 24);
  const summary = { account: 1, filter: { sender: 'page' }, sentSince: 0, range, budgetMs: 60_000 };
  for (let times = 0; times < 2; times++) {
    await store.summarize(summary);
    const text = { account: 1, filter: { text: 'absent' }, sentSince: 0, limit: 100, walk: false };
    expect((await store.find(text)).logs).toEqual([]);
  }
  expect(log.witness.notes.filter(note => note.startsWith('a file beside'))).toEqual(
    Array(2).fill('a file beside a segment cannot be used: its rows are read'),
  );
});

const looking: Omit<Looking, 'look'> = {
  nameOf: String,
  note: () => {},
  makeAgain: () => Promise.reject(new Error('it was not to be made again')),
  failed(error) {
    throw error;
  },
};

/** Looks come as their timers do. */
function fakeTimers(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
}

test('the disk says three times in a row that it cannot give a segment → made again of the rest, as soon as that can be done', async () => {
  fakeTimers();
  const badSector = new UnreadableSegment(1, Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'read' }));
  const away = new UnreadableSegment(1, new Error('ESTALE'));
  const answers = [badSector, badSector, away, badSector, badSector, badSector, badSector];
  const made: string[] = [];
  let isFull = true;
  const unreadable = new Unreadable({
    ...looking,
    look: () => Promise.reject(answers.shift() ?? new Error('it was looked at once more')),
    async makeAgain(segmentId, reason) {
      made.push(`${segmentId} ${reason} ${answers.length}`);
      if (isFull) throw new StoreUnavailable('ENOSPC');
    },
  });
  onTestFinished(() => unreadable.end());
  unreadable.found(1, 'EIO');
  await vi.advanceTimersByTimeAsync(30_000);
  expect(made).toEqual(['1 EIO 1']);
  expect(unreadable.parts).toEqual([{ name: '1', reason: 'it cannot be read now: EIO' }]);
  isFull = false;
  await vi.advanceTimersByTimeAsync(300_000);
  expect(made).toEqual(['1 EIO 1', '1 EIO 0']);
  expect(unreadable.parts).toEqual([]);
});

test('looking again at what the disk does not give takes long → a twentieth of the time is spent on it at most', async () => {
  fakeTimers();
  let [looks, lookMs] = [0, 10_000];
  const look = async () => {
    looks++;
    await new Promise(resolve => setTimeout(resolve, lookMs));
    throw new StoreUnavailable('EIO');
  };
  const unreadable = new Unreadable({ ...looking, look });
  onTestFinished(() => unreadable.end());
  unreadable.found(1, 'EIO');
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(looks).toBeGreaterThan(15);
  expect(looks).toBeLessThanOrEqual(18);
  lookMs = 0;
  await vi.advanceTimersByTimeAsync(300_000);
  looks = 0;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(looks).toBe(12);
});
