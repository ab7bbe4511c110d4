import { existsSync, mkdirSync, renameSync, rmdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { summaryRange } from '../../../src/domain/summary.ts';
import { type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { Unreadable } from '../../../src/store/embedded/upkeep/unreadable.ts';
import { type Store, StoreUnavailable, StoreUnusable } from '../../../src/store/store.ts';
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

/** A disk with bad sectors in one file. */
function withBadSectors(at: string): Disk {
  const open = new Map<number, string>();
  return {
    ...systemDisk,
    open(path, mode) {
      const file = systemDisk.open(path, mode);
      open.set(file, path);
      return file;
    },
    read(file, into, position) {
      if (open.get(file) === at) throw Object.assign(new Error(`EIO at ${at}`), { code: 'EIO', syscall: 'read' });
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

test('looking again at what the disk does not give takes long → a twentieth of the time is spent on it at most', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  let [looks, lookMs] = [0, 10_000];
  const look = async () => {
    looks++;
    await new Promise(resolve => setTimeout(resolve, lookMs));
    throw new StoreUnavailable('EIO');
  };
  const failed = (error: unknown) => {
    throw error;
  };
  const unreadable = new Unreadable({ nameOf: String, look, note: () => {}, failed });
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
