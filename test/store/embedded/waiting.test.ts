import { cpSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it, onTestFinished, vi } from 'vitest';
import { pendingAccepted } from '../../../src/domain/registry.ts';
import { limits } from '../../../src/limits.ts';
import { openSqliteStore } from '../../../src/store/embedded/engine.ts';
import { type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { nothingWaits, type WaitingHeld } from '../../../src/store/embedded/files/ledger.ts';
import { openWaitingFile, WaitingFile } from '../../../src/store/embedded/record/waiting-file.ts';
import { WaitingReports } from '../../../src/store/embedded/record/waiting-reports.ts';
import type { Store } from '../../../src/store/store.ts';
import { crashImage } from '../../support/crash-image.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import {
  account,
  delivered,
  find1,
  horizon,
  hourMs,
  message,
  now,
  operator,
  outcome,
  record,
  recordAll,
} from '../conformance/engine.ts';
import { SimulatedLog } from './simulated-log.ts';

async function open(dataDir: string): Promise<Store> {
  const store = await openSqliteStore({
    dataDir,
    durability: 'os',
    segmentMessagesMax: 1000,
    segmentAgeMs: 3_600_000,
    readerThreads: 1,
    observer: { committed: () => {}, damaged: () => {}, note: () => {} },
  });
  onTestFinished(() => store.close());
  return store;
}

const kept = { durability: 'os', hashSeed: 1 } as const;
const report = { messageId: 'm', status: delivered };
const waitingFiles = ['waiting.db', 'waiting.db-wal', 'waiting.db-shm'];

function removeWaiting(from: string): void {
  for (const name of waitingFiles) rmSync(join(from, name), { force: true });
}

function copyWaiting(from: string, to: string): void {
  removeWaiting(to);
  for (const name of waitingFiles) {
    if (existsSync(join(from, name))) cpSync(join(from, name), join(to, name));
  }
}

it('a process that is gone without closing → what it answered waits in the folder that it left', async () => {
  const [dataDir, left] = [temporaryFolder(), temporaryFolder()];
  const store = await open(dataDir);
  expect(await record(store, [report])).toEqual(outcome({ waiting: 1 }));
  await crashImage(dataDir, left);
  const next = await open(left);
  expect((await next.stats()).waiting.reports).toBe(1);
  await recordAll(next, [message('m')]);
  expect((await find1(next, 'm')).status).toEqual(delivered);
});

it('the end of a process between the log and the note that a report joined it → joined once, at the next start', async () => {
  const [dataDir, kept] = [temporaryFolder(), temporaryFolder()];
  let store = await open(dataDir);
  await record(store, [report, { messageId: 'm', status: operator }]);
  await crashImage(dataDir, kept);
  await recordAll(store, [message('m')]);
  const before = await store.history(account, 'm', horizon);
  await store.close();
  copyWaiting(kept, dataDir);
  store = await open(dataDir);
  // A report on another message is recorded once the start has done its part.
  await recordAll(store, [message('n')]);
  expect(await store.history(account, 'm', horizon)).toEqual(before);
  expect((await store.stats()).waiting).toEqual({ reports: 0, dropped: 0 });
});

it('reports whose message is there, but not they → joined at the start', async () => {
  const [dataDir, kept] = [temporaryFolder(), temporaryFolder()];
  const store = await open(dataDir);
  await record(store, [report]);
  await crashImage(dataDir, kept);
  await store.close();
  for (const name of waitingFiles) rmSync(join(dataDir, name), { force: true });
  const without = await open(dataDir);
  await recordAll(without, [message('m')]);
  await without.close();
  copyWaiting(kept, dataDir);
  const again = await open(dataDir);
  await recordAll(again, [message('n')]);
  expect((await find1(again, 'm')).status).toEqual(delivered);
});

it('a damaged file → set aside and told; the log serves and reports wait again', async () => {
  const dataDir = temporaryFolder();
  const store = await open(dataDir);
  await recordAll(store, [message('there')]);
  await store.close();
  writeFileSync(join(dataDir, 'waiting.db'), 'nothing of a database'.repeat(500));
  const again = await open(dataDir);
  expect((await again.stats()).damaged).toMatchObject([{ name: 'waiting.db' }]);
  expect(await record(again, [report, { ...report, messageId: 'there' }])).toEqual(outcome({ waiting: 1, updated: 1 }));
});

it('a flipped bit in what waits → that report is dropped, the others join', async () => {
  const dataDir = temporaryFolder();
  const store = await open(dataDir);
  await record(store, [report, { messageId: 'm', status: operator }]);
  await store.close();
  const db = new DatabaseSync(join(dataDir, 'waiting.db'));
  db.exec(`UPDATE waiting SET said = replace(said, 'DELIVERED_TO_HANDSET', 'DELIVERED_TO_HANDSEU')`);
  db.close();
  const again = await open(dataDir);
  await recordAll(again, [message('m')]);
  expect((await find1(again, 'm')).status).toEqual(operator);
  expect((await again.stats()).waiting).toEqual({ reports: 0, dropped: 1 });
});

it('what has waited too long, by this machine’s clock → dropped and counted, the rest kept', () => {
  const file = new WaitingFile(join(temporaryFolder(), 'waiting.db'), kept);
  onTestFinished(() => file.close());
  const row = { account, messageId: 'm', receivedAt: 5 };
  for (const takenAt of [1000, 2000, 3000]) file.add({ ...row, said: `said at ${takenAt}` }, takenAt);
  file.commit();
  const drop = (takenAt: number, count: number) => {
    const rows = file.before(takenAt, count);
    for (const one of rows) file.remove(one);
    return rows.length;
  };
  expect(drop(2000, 9)).toBe(1);
  file.undo();
  expect(file.size).toBe(3);
  expect([drop(2001, 1), drop(2001, 9)]).toEqual([1, 1]);
  file.commit();
  expect(file.of(account, 'm').map(({ said }) => said)).toEqual(['said at 3000']);
  expect(limits.waitingMs).toBeGreaterThanOrEqual(60_000);
});

/** A folder as a kill -9 leaves it, with eight reports that wait, each answered by itself. */
async function leftWaiting(): Promise<string> {
  const [dataDir, left] = [temporaryFolder(), temporaryFolder()];
  const store = await open(dataDir);
  for (let number = 0; number < 8; number++) await record(store, [{ ...report, messageId: `m${number}` }]);
  await crashImage(dataDir, left);
  return left;
}

it.each<[string, (path: string) => void]>([
  ['missing', path => removeWaiting(path)],
  ['emptied', path => truncateSync(join(path, 'waiting.db'), 0)],
  [
    'zeroed, and its write-ahead log missing',
    path => {
      writeFileSync(join(path, 'waiting.db'), Buffer.alloc(8192));
      rmSync(join(path, 'waiting.db-wal'));
    },
  ],
  ['without its write-ahead log', path => rmSync(join(path, 'waiting.db-wal'))],
  [
    'with half of its write-ahead log',
    path => truncateSync(join(path, 'waiting.db-wal'), statSync(join(path, 'waiting.db-wal')).size / 2),
  ],
])(
  'reports wait, and their file is %s → what is lost is told, at the next start too, and reports wait again',
  async (_, harm) => {
    const dataDir = await leftWaiting();
    harm(dataDir);
    let lost = 0;
    for (let run = 0; run < 2; run++) {
      const store = await open(dataDir);
      const { waiting, damaged } = await store.stats();
      if (run === 0) lost = 8 - waiting.reports;
      expect(lost).toBeGreaterThan(0);
      expect(damaged).toMatchObject([{ name: 'waiting.db', reason: expect.stringContaining(`${lost} reports`) }]);
      expect(await record(store, [{ ...report, messageId: `later${run}` }])).toEqual(outcome({ waiting: 1 }));
      await store.close();
    }
  },
);

it('reports wait, and some of them join their messages → nothing is told of those, and nothing when none is left', async () => {
  const dataDir = await leftWaiting();
  let store = await open(dataDir);
  for (const from of [0, 4]) {
    await recordAll(
      store,
      [0, 1, 2, 3].map(number => message(`m${from + number}`)),
    );
    await store.close();
    if (from === 4) removeWaiting(dataDir);
    store = await open(dataDir);
    expect(await store.stats()).toMatchObject({ waiting: { reports: 4 - from }, damaged: [] });
  }
});

it('a page of the file is zeroed → the reports that can be read still join, and the log goes on', async () => {
  const dataDir = await leftWaiting();
  await (await open(dataDir)).close();
  const file = readFileSync(join(dataDir, 'waiting.db'));
  const at = file.lastIndexOf('"messageId":"m3"');
  writeFileSync(join(dataDir, 'waiting.db'), file.fill(0, at - (at % 4096), at - (at % 4096) + 8));
  for (let run = 0; run < 2; run++) {
    const store = await open(dataDir);
    const { waiting, damaged } = await store.stats();
    expect(waiting.reports).toBeLessThan(8);
    expect(damaged).toMatchObject([
      { name: 'waiting.db', reason: expect.stringContaining(`${8 - waiting.reports} reports`) },
    ]);
    await recordAll(store, [message(`new${run}`)]);
    await store.close();
  }
});

function reportsIn(dataDir: string, ticks: () => number, noted: { waiting: WaitingHeld } = { waiting: nothingWaits }) {
  const opened = openWaitingFile(dataDir, kept, systemDisk, noted.waiting);
  const figures = new Int32Array(2);
  const ledger = {
    get waiting() {
      return noted.waiting;
    },
    isNew: false,
    tallyWaiting: (held: WaitingHeld) => {
      noted.waiting = held;
    },
  };
  return { reports: new WaitingReports(opened, figures, ledger, ticks), figures };
}

it.each([-1, 1])(
  'the clock of the machine leaps by %i times as long as reports wait, and back → none is dropped until it has waited so long',
  by => {
    const dataDir = temporaryFolder();
    onTestFinished(() => {
      vi.restoreAllMocks();
    });
    const started = Date.now();
    const clock = vi.spyOn(Date, 'now');
    const leap = by * (limits.waitingMs + 1000);
    let ticks = 500;
    const batch = { account, binding: {}, receivedAt: started, sentSince: horizon };
    const figures: (readonly number[])[] = [];
    const look = (leapMs: number, { reports, figures: of }: ReturnType<typeof reportsIn>) => {
      clock.mockReturnValue(started + ticks + leapMs);
      reports.dropOverdue(1, () => {});
      figures.push([...of]);
    };
    for (const opened of [0, leap, 0]) {
      clock.mockReturnValue(started + ticks + opened);
      const run = reportsIn(dataDir, () => ticks);
      if (figures.length === 0) {
        run.reports.add(batch, report);
        run.reports.commit();
      }
      for (const leapMs of [opened, leap, 0]) look(leapMs, run);
      run.reports.close();
    }
    expect(figures).toEqual(figures.map(() => [1, 0]));
    const run = reportsIn(dataDir, () => ticks);
    ticks += limits.waitingMs;
    look(0, run);
    expect([...run.figures]).toEqual([1, 0]);
    ticks += 1;
    look(0, run);
    expect([...run.figures]).toEqual([0, 1]);
    run.reports.close();
  },
);

it('the clock was ahead for a while, so that messages seemed past retention → reports of that while are on them in the end', () => {
  onTestFinished(() => {
    vi.restoreAllMocks();
  });
  const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
  const log = new SimulatedLog(temporaryFolder(), systemDisk);
  onTestFinished(() => log.close());
  const ids = ['m', 'bound', 'none'];
  const reports = ids.map(messageId => ({ messageId, status: delivered, applicationId: 'a', at: now }));
  const batch = { account, binding: {}, receivedAt: now, sentSince: horizon };
  log.record({ ...batch, submissions: [message('m', { applicationId: 'a' }), message('bound')] });
  const ahead = { receivedAt: now + 50 * hourMs, sentSince: horizon + 50 * hourMs, binding: { applicationId: 'a' } };
  log.record({ ...batch, ...ahead, submissions: reports });
  expect(log.dropOverdue()).toEqual([3, 0]);
  clock.mockReturnValue(limits.waitingMs + 1);
  expect(log.dropOverdue()).toEqual([0, 2]);
  expect(log.logs(account).map(({ messageId, status }) => [messageId, status])).toEqual([
    ['bound', pendingAccepted],
    ['m', delivered],
  ]);
});

it('reports are lost again when what was told of the first has passed → only these are told', () => {
  const known = { reports: 5, taken: 5, lost: 3, lostUntil: Date.now() - 1 };
  const noted: { waiting: WaitingHeld } = { waiting: known };
  const { reports } = reportsIn(temporaryFolder(), () => 0, noted);
  expect(reports.damage).toMatch(/^5 reports/);
  reports.close();
  noted.waiting = { ...known, lostUntil: Date.now() + limits.waitingMs };
  const { reports: soon } = reportsIn(temporaryFolder(), () => 0, noted);
  expect(soon.damage).toMatch(/^8 reports/);
  soon.close();
});

it('a damaged file is mended, and the process ends at any step of that → the next start has all that could be read', () => {
  const damaged = temporaryFolder();
  const path = join(damaged, 'waiting.db');
  const count = 40;
  const sound = new WaitingFile(path, kept);
  for (let i = 0; i < count; i++)
    sound.add({ account, messageId: `m${i}`, receivedAt: i, said: `said on m${i} `.repeat(50) }, i);
  sound.commit();
  sound.close();
  const bytes = readFileSync(path);
  const at = bytes.lastIndexOf('said on m20 ');
  writeFileSync(path, bytes.fill(0, at - (at % 4096), at - (at % 4096) + 8));
  writeFileSync(`${path}-wal`, 'left over');
  const known = { ...nothingWaits, reports: count, taken: count };
  const found = (disk: Disk, dataDir: string) => {
    const { file, lost } = openWaitingFile(dataDir, kept, disk, known);
    const ids = file.after(0, count).map(({ messageId }) => messageId);
    file.close();
    return { ids, lost };
  };
  const copy = () => {
    const dataDir = temporaryFolder();
    cpSync(damaged, dataDir, { recursive: true });
    return dataDir;
  };
  const whole = found(systemDisk, copy());
  expect(whole.lost).toBe(count - whole.ids.length);
  expect(whole.ids.length).toBeGreaterThan(0);
  let steps = 0;
  for (let ends = 0; ends <= steps; ends++) {
    const dataDir = copy();
    let step = 0;
    const ending =
      <A extends readonly unknown[]>(work: (...of: A) => void) =>
      (...of: A) => {
        if (step++ === ends) throw new Error('the process ends');
        work(...of);
      };
    const { makeFolder, rename, remove, syncFolder } = systemDisk;
    const disk: Disk = {
      ...systemDisk,
      makeFolder: ending(makeFolder),
      rename: ending(rename),
      remove: ending(remove),
      syncFolder: ending(syncFolder),
    };
    try {
      expect(found(disk, dataDir)).toEqual(whole);
    } catch (error) {
      if (!String(error).includes('the process ends')) throw error;
      steps++;
    }
    expect(found(systemDisk, dataDir), `ended at step ${ends}`).toEqual(whole);
  }
  expect(steps).toBeGreaterThan(4);
});

it('any bit of a message’s id flipped, in its row or in an index → told, or every report is found', () => {
  const dataDir = temporaryFolder();
  const [path, ids] = [join(dataDir, 'waiting.db'), ['message-a', 'message-b', 'message-c']];
  const { file } = openWaitingFile(dataDir, kept);
  for (const messageId of ids) file.add({ account: 1, messageId, receivedAt: 1, said: '{}' }, 1);
  file.commit();
  file.close();
  const sound = readFileSync(path);
  const places = ids.flatMap(id =>
    [...sound.toString('latin1').matchAll(new RegExp(id, 'g'))].map(({ index }) => index),
  );
  expect(places).toHaveLength(2 * ids.length);
  for (const at of places.map(place => place + 8)) {
    const bytes = Buffer.from(sound);
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    writeFileSync(path, bytes);
    const opened = openWaitingFile(dataDir, kept);
    const found = ids.filter(id => opened.file.of(1, id).length === 1);
    expect(opened.damage !== undefined || found.length === ids.length).toBe(true);
    opened.file.close();
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
  }
});
