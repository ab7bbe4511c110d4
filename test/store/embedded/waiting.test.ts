import { cpSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it, onTestFinished } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { openSqliteStore } from '../../../src/store/embedded/engine.ts';
import { WaitingFile } from '../../../src/store/embedded/record/waiting-file.ts';
import type { Store } from '../../../src/store/store.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import {
  account,
  delivered,
  find1,
  horizon,
  message,
  operator,
  outcome,
  record,
  recordAll,
} from '../conformance/engine.ts';

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
  cpSync(dataDir, left, { recursive: true });
  const next = await open(left);
  expect((await next.stats()).waiting.reports).toBe(1);
  await recordAll(next, [message('m')]);
  expect((await find1(next, 'm')).status).toEqual(delivered);
});

it('the end of a process between the log and the note that a report joined it → joined once, at the next start', async () => {
  const [dataDir, kept] = [temporaryFolder(), temporaryFolder()];
  let store = await open(dataDir);
  await record(store, [report, { messageId: 'm', status: operator }]);
  copyWaiting(dataDir, kept);
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
  cpSync(dataDir, kept, { recursive: true });
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
  const file = new WaitingFile(join(temporaryFolder(), 'waiting.db'), 'os');
  onTestFinished(() => file.close());
  const row = { account, messageId: 'm', receivedAt: 5 };
  for (const takenAt of [1000, 2000, 3000]) file.add({ ...row, said: `said at ${takenAt}` }, takenAt);
  file.commit();
  expect(file.dropBefore(2000)).toBe(1);
  file.undo();
  expect(file.size).toBe(3);
  expect(file.dropBefore(2001)).toBe(2);
  file.commit();
  expect(file.of(account, 'm').map(({ said }) => said)).toEqual(['said at 3000']);
  expect(limits.waitingMs).toBeGreaterThanOrEqual(60_000);
});

/** A folder as a kill -9 leaves it, with eight reports that wait, each answered by itself. */
async function leftWaiting(): Promise<string> {
  const [dataDir, left] = [temporaryFolder(), temporaryFolder()];
  const store = await open(dataDir);
  for (let number = 0; number < 8; number++) await record(store, [{ ...report, messageId: `m${number}` }]);
  cpSync(dataDir, left, { recursive: true });
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
