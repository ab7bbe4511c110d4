import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { SqliteAccountRows } from '../../src/accounts/sqlite/account-rows.ts';
import { backUp, restore } from '../../src/cli/backup/backup-folder.ts';
import { openSqliteOutbox } from '../../src/outbox/sqlite/engine.ts';
import { atOnce, type Disk, systemDisk } from '../../src/store/embedded/files/disk.ts';
import { Folder } from '../../src/store/embedded/files/folder.ts';
import { Ledger } from '../../src/store/embedded/files/ledger.ts';
import { LogFile } from '../../src/store/embedded/log/log-file.ts';
import { Trust } from '../../src/store/embedded/log/trust.ts';
import type { SqliteStoreOptions } from '../../src/store/embedded/options.ts';
import { finishJournal } from '../../src/store/embedded/rows/journal-writer.ts';
import { makeVolume, removeMerged } from '../../src/store/embedded/upkeep/make-volume.ts';
import { idsOf, message, page, record, tellAll, want } from '../outbox/support.ts';
import { SimulatedLog } from '../store/embedded/simulated-log.ts';
import { crashImage } from '../support/crash-image.ts';
import { numberedIds, recordNumbered, SqliteLog, submission, until, walkIds } from '../support/sqlite-log.ts';
import { launcher, oneLine, run } from './run.ts';

const now = 1_800_000_000_000;

/** A log in small segments, and a place for its backups. */
function logAndPlace(options: Partial<SqliteStoreOptions> = {}) {
  const log = new SqliteLog(options);
  const place = `${log.dataDir}-backups`;
  mkdirSync(place);
  onTestFinished(() => {
    log.remove();
    rmSync(place, { recursive: true, force: true });
  });
  return { log, place };
}

/** A log on the data folder that a backup becomes. */
async function restored(backup: string, place: string) {
  const log = new SqliteLog();
  onTestFinished(() => log.remove());
  const dataDir = join(place, 'restored');
  await restore(backup, dataDir, { sends: false });
  rmSync(log.dataDir, { recursive: true });
  renameSync(dataDir, log.dataDir);
  const store = await log.open();
  onTestFinished(() => store.close());
  return store;
}

test('backups while the store records, seals and reports → each has all that was answered before it began, and goes on', async () => {
  const { log, place } = logAndPlace();
  const store = await log.open();
  onTestFinished(() => store.close());
  await recordNumbered(store, 0, 37, now);
  let [recorded, isOver] = [37, false];
  const recording = (async () => {
    while (!isOver) {
      await recordNumbered(store, recorded, recorded + 37, now);
      recorded += 37;
      const report = { messageId: submission(recorded - 20).messageId, doneAt: now + 1, at: now + 1 };
      await store.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions: [report] });
    }
  })();
  const begun: number[] = [];
  for (let i = 0; i < 3; i++) {
    begun.push(recorded);
    await backUp(log.dataDir, join(place, `b${i}`));
  }
  isOver = true;
  await recording;
  for (const [i, before] of begun.entries()) {
    const again = await restored(join(place, `b${i}`), place);
    expect((await again.stats()).damaged).toEqual([]);
    const ids = await walkIds(again);
    expect(ids.length).toBeGreaterThanOrEqual(before);
    expect(ids).toEqual(numberedIds(0, ids.length));
    await recordNumbered(again, ids.length, ids.length + 300, now);
    expect(await walkIds(again)).toEqual(numberedIds(0, ids.length + 300));
    expect((await again.stats()).damaged).toEqual([]);
  }
});

test('sentlog backup of a folder in use, and restore → all that is the log’s, and nothing else', async () => {
  const { log, place } = logAndPlace();
  const store = await log.open();
  onTestFinished(() => store.close());
  await recordNumbered(store, 0, 150, now);
  const accounts = new SqliteAccountRows(join(log.dataDir, 'accounts.db'), true);
  onTestFinished(() => accounts.close());
  for (const name of ['outbox.db', 'notes.txt']) writeFileSync(join(log.dataDir, name), '');
  const [backup, dataDir] = [join(place, "the shop's $(backup)"), join(place, 'data')];
  const made = await run(['backup', backup, '--data-dir', log.dataDir]);
  expect(made).toMatchObject({ code: 0, stdout: '' });
  const [, advice = ''] =
    /^\d+ segments \(.* MiB\) are in .*; `(.*)` makes a data folder/.exec(oneLine(made.stderr)) ?? [];
  expect(existsSync(join(backup, 'notes.txt'))).toBe(false);
  // As it is pasted.
  const pasted = `sentlog() { '${process.execPath}' '${launcher}' "$@"; }\n${advice}`;
  const env = { ...process.env, SENTLOG_DATA_DIR: dataDir };
  expect(spawnSync('sh', ['-c', pasted], { env, encoding: 'utf8' })).toMatchObject({ status: 0, stdout: '' });
  expect(readdirSync(dataDir)).toContain('accounts.db');
  expect(readdirSync(dataDir)).toContain('outbox.db');
});

test('messages on their way when the backup was made → are sent from it only where that is asked for, and told to the log', async () => {
  const { dataDir, place } = crashed();
  const at = Date.now();
  const path = join(dataDir, 'outbox.db');
  const outbox = await openSqliteOutbox(path);
  onTestFinished(() => outbox.close());
  const add = (id: string, dueAt = at) =>
    outbox.add({ account: 1, messages: [message(id, { destination: id, dueAt })], now: at });
  await add('sent');
  const [sent] = await outbox.claim([want], at);
  await outbox.settle([{ id: sent?.id ?? 0, kind: 'done' }], at);
  await add('claimed');
  await outbox.claim([want], at);
  await add('queued');
  await add('scheduled', at + 1000);
  await backUp(dataDir, join(place, 'b'));
  const restoredOutbox = async (name: string, sends: boolean) => {
    await restore(join(place, 'b'), join(place, name), { sends });
    const found = await openSqliteOutbox(join(place, name, 'outbox.db'));
    onTestFinished(() => found.close());
    await found.recover('hold', at);
    return { found, claimed: idsOf(await found.claim([want], at + 2000)) };
  };
  const sending = await restoredOutbox('sends', true);
  expect(sending.claimed.sort()).toEqual(['queued', 'scheduled']);
  const { found, claimed } = await restoredOutbox('sends-not', false);
  expect(claimed).toEqual([]);
  expect(await found.waiting(at + 2000)).toEqual({ pages: [] });
  const told = Map.groupBy(await tellAll(found), one => one.messageId);
  expect(record(told.get('sent') ?? []).status).toBe('DELIVERED_TO_OPERATOR');
  for (const id of ['claimed', 'queued', 'scheduled'])
    expect(record(told.get(id) ?? [])).toMatchObject({ status: 'EXPIRED_DLR_UNKNOWN' });
  expect(told.size).toBe(4);
  const echo = { kind: 'echo', page, psid: 'queued', accounts: [1], at, mid: 'mid', metadata: 'queued' } as const;
  await found.receive([echo], at);
  expect((await tellAll(found)).map(one => one.messageId)).toEqual(['queued']);
});

/** Three segments that are sealed, and one that takes rows: as a crash leaves a folder. */
async function crashedLog(): Promise<string> {
  const log = new SqliteLog();
  const store = await log.open();
  try {
    await recordNumbered(store, 0, 350, now);
    const dataDir = `${log.dataDir}-crashed`;
    const names = () => readdirSync(join(log.dataDir, 'segments')).join(' ');
    await until(() => /3\.facets( |$)/.test(names()));
    await crashImage(log.dataDir, dataDir);
    expect(existsSync(join(dataDir, 'segments', '000000004.journal'))).toBe(true);
    return dataDir;
  } finally {
    await store.close();
    log.remove();
  }
}

let crashedDataDir = '';
beforeAll(async () => {
  crashedDataDir = await crashedLog();
  return () => rmSync(crashedDataDir, { recursive: true });
});

function crashed() {
  const place = mkdtempSync(join(tmpdir(), 'sentlog-backups-'));
  onTestFinished(() => rmSync(place, { recursive: true }));
  const dataDir = join(place, 'data');
  cpSync(crashedDataDir, dataDir, { recursive: true });
  return { dataDir, place, folder: new Folder(dataDir) };
}

/** A disk where something happens once, just before a file of this name is read for the first time. */
function diskWhere(name: string, happens: () => void): Disk {
  const opened = new Map<number, string>();
  let isDue = true;
  return {
    ...systemDisk,
    open(path, mode) {
      const file = systemDisk.open(path, mode);
      opened.set(file, basename(path));
      return file;
    },
    read(file, into, position) {
      if (isDue && opened.get(file) === name) {
        isDue = false;
        happens();
      }
      return systemDisk.read(file, into, position);
    },
    close(file) {
      opened.delete(file);
      systemDisk.close(file);
    },
  };
}

test('a log in volumes → its backup has every message', async () => {
  const { log, place } = logAndPlace({ merging: { youngestLeft: 0, blockRows: 64 } });
  const store = await log.open();
  onTestFinished(() => store.close());
  await recordNumbered(store, 0, 350, now);
  const segments = () => readdirSync(join(log.dataDir, 'segments'));
  await until(() => segments().filter(name => name.endsWith('.journal')).length === 1);
  expect(await backUp(log.dataDir, join(place, 'b'))).toMatchObject({ segments: 4 });
  const again = await restored(join(place, 'b'), place);
  expect(await walkIds(again)).toEqual(numberedIds(0, 350));
  expect((await again.stats()).damaged).toEqual([]);
});

test('a group that could not be synced is copied, and cut off then → the segment is copied again', async () => {
  const { dataDir, place, folder } = crashed();
  const [path, name] = [folder.journal(4), '000000004.journal'];
  const whole = readFileSync(path);
  const opened = new Map<number, string>();
  let copies = 0;
  const disk: Disk = {
    ...systemDisk,
    open(from, mode) {
      const file = systemDisk.open(from, mode);
      if (from === path) opened.set(file, from);
      if (from === path && ++copies === 1) appendFileSync(path, Buffer.alloc(200, 'x'));
      return file;
    },
    close(file) {
      if (opened.delete(file) && copies === 1) truncateSync(path, whole.byteLength);
      systemDisk.close(file);
    },
  };
  await backUp(dataDir, join(place, 'b'), disk);
  expect(copies).toBe(2);
  expect(readFileSync(join(place, 'b', 'segments', name)).equals(whole)).toBe(true);
});

type Crashed = ReturnType<typeof crashed>;
const merge = ({ folder }: Crashed) => {
  expect(atOnce(makeVolume(folder, 2, 64))).toBe(true);
  expect(removeMerged(folder, 2)).toBe(true);
};
const seal = ({ folder }: Crashed) => {
  const end = folder.disk.size(folder.journal(4)) ?? 0;
  finishJournal(folder.disk, folder.journal(4), { end, messages: 50, reports: 0 });
};
const drop =
  (id: number) =>
  ({ dataDir, folder }: Crashed) => {
    new LogFile(dataDir).trusting(new Trust(now), []);
    const ledger = new Ledger(dataDir);
    ledger.remove([id]);
    ledger.close();
    folder.removeNow(id);
  };

test.each<[string, string, (of: Crashed) => void, readonly string[]]>([
  ['merged before it is copied', '000000001.journal', merge, numberedIds(0, 350)],
  ['merged while it is copied', '000000002.journal', merge, numberedIds(0, 350)],
  ['merged after it was copied', '000000003.journal', merge, numberedIds(0, 350)],
  ['sealed while it is copied', '000000004.journal', seal, numberedIds(0, 350)],
  ['dropped before it is listed', 'ledger.copy', drop(1), numberedIds(100, 350)],
  ['dropped before it is copied', '000000001.journal', drop(2), [...numberedIds(0, 100), ...numberedIds(200, 350)]],
  ['dropped while it is copied', '000000001.journal', drop(1), numberedIds(100, 350)],
  ['dropped after it was copied', '000000002.journal', drop(1), numberedIds(100, 350)],
])('a segment that is %s (at %s) → the backup is whole, and is not begun anew', async (_, name, act, ids) => {
  const made = crashed();
  let times = 0;
  const disk = diskWhere(name, () => {
    times++;
    act(made);
  });
  await backUp(made.dataDir, join(made.place, 'b'), disk);
  expect(times).toBe(1);
  const again = await restored(join(made.place, 'b'), made.place);
  expect((await again.stats()).damaged).toEqual([]);
  expect(await walkIds(again)).toEqual(ids);
  const wasDropped = ids.length < 350;
  expect(new LogFile(join(made.place, 'b')).trust.earliest === now).toBe(wasDropped);
});

test.each(['ledger', 'ledger.copy', 'log.json', 'log.json.copy'])(
  'the log’s first record comes before %s is opened → nothing of the backup is told to be lost',
  async name => {
    const { log, place } = logAndPlace();
    const recording = new SimulatedLog(log.dataDir, systemDisk);
    const first = {
      account: 1,
      binding: {},
      receivedAt: now,
      sentSince: 0,
      submissions: [submission(0, { sentAt: now })],
    };
    let times = 0;
    const disk: Disk = {
      ...systemDisk,
      open(path, mode) {
        if (mode === 'read' && basename(path) === name && times++ === 0) recording.record(first);
        return systemDisk.open(path, mode);
      },
    };
    await backUp(log.dataDir, join(place, 'b'), disk);
    recording.close();
    const again = await restored(join(place, 'b'), place);
    expect((await again.stats()).damaged).toEqual([]);
    expect(await walkIds(again)).toEqual(['message-0']);
  },
);

test('ledgers that are lost, of a log that is backed up → are told to be where it is restored', async () => {
  const { dataDir, place } = crashed();
  for (const name of ['ledger', 'ledger.copy']) truncateSync(join(dataDir, name));
  await backUp(dataDir, join(place, 'b'));
  expect((await (await restored(join(place, 'b'), place)).stats()).damaged).toMatchObject([{ name: 'ledger' }]);
});

test('a segment that the ledger names and that is not there → no backup is made of it', async () => {
  const { dataDir, place, folder } = crashed();
  folder.removeNow(2);
  await expect(backUp(dataDir, join(place, 'b'))).rejects.toThrow(/the ledger names segment 2, of which there are no/);
  expect(readdirSync(place)).toEqual(['data']);
});

test('restore into a volume: a folder that is there, behind a link, with lost+found → works in it alone', async () => {
  const { dataDir, place } = crashed();
  const [volume, link, backup] = [join(place, 'volume'), join(place, 'link'), join(place, 'b')];
  mkdirSync(join(volume, 'lost+found'), { recursive: true });
  symlinkSync(volume, link);
  const beside = () => readdirSync(place).filter(name => name !== 'b');
  const before = beside();
  await backUp(dataDir, backup);
  await restore(backup, link, { sends: false });
  expect(beside()).toEqual(before);
  const [left, restoredNames] = [['backup.json'], ['lost+found']];
  const expected = [...readdirSync(backup).filter(name => !left.includes(name)), ...restoredNames].sort();
  expect(readdirSync(volume).sort()).toEqual(expected);
  await expect(restore(link, join(place, 'again'), { sends: false })).rejects.toThrow(/is no backup/);
});

test('a restore that was cut short → no server starts on it, and no other restore writes into it', async () => {
  const { dataDir, place } = crashed();
  const [backup, target] = [join(place, 'b'), join(place, 'target')];
  await backUp(dataDir, backup);
  mkdirSync(join(target, '.sentlog-partial'), { recursive: true });
  const log = new SqliteLog({ dataDir: target });
  await expect(log.open()).rejects.toThrow(/is being restored, or that was cut short/);
  await expect(restore(backup, target, { sends: false })).rejects.toThrow(/is not empty.*cut short/);
  expect(readdirSync(target)).toEqual(['.sentlog-partial']);
});

test('two backups into one folder at once → one is made, whole, and the other refused', async () => {
  const { dataDir, place } = crashed();
  const backup = join(place, 'b');
  const [first, second] = await Promise.allSettled([backUp(dataDir, backup), backUp(dataDir, backup)]);
  expect(first.status).toBe('fulfilled');
  expect(second).toMatchObject({ status: 'rejected', reason: { message: expect.stringMatching(/is not empty/) } });
  expect(await walkIds(await restored(backup, place))).toEqual(numberedIds(0, 350));
});

test.each([
  [['backup', 'PLACE/b', '--data-dir', 'PLACE/nothing'], /there is no log in /],
  [['backup', 'PLACE/full', '--data-dir', 'LOG'], /full is not empty: nothing is written over/],
  [['backup', 'PLACE/b', '--data-dir', 'LOG'], /pg_dump, pg_basebackup/, 'postgres://127.0.0.1:1/nowhere'],
  [['restore', 'PLACE/full', '--data-dir', 'PLACE/new'], /full is no backup, or one that was not finished/],
  [['restore', 'PLACE/b', '--data-dir', 'LOG'], /pg_dump, pg_basebackup/, 'postgres://127.0.0.1:1/nowhere'],
])('%j → refused in one line, and nothing is made', async (args, reason, database = '') => {
  const { log, place } = logAndPlace();
  await (await log.open()).close();
  mkdirSync(join(place, 'full'));
  writeFileSync(join(place, 'full', 'something'), '');
  const given = args.map(one => one.replace('PLACE', place).replace('LOG', log.dataDir));
  const refused = await run(given, { env: { ...(database !== '' && { SENTLOG_STORE: database }) } });
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(oneLine(refused.stderr)).toMatch(reason);
  expect(readdirSync(place)).toEqual(['full']);
});
