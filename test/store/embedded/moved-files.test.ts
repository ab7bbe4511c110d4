import { copyFileSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Submission } from '../../../src/domain/message.ts';
import { statusNamed } from '../../../src/domain/registry.ts';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { type Store, StoreUnavailable } from '../../../src/store/store.ts';
import { crashImage } from '../../support/crash-image.ts';
import { numberedIds, SqliteLog, submission, until, walkIds } from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const now = 1_800_000_000_000;

const numbered = (number: number, name = 'message') =>
  submission(number, { messageId: `${name}-${number}`, sentAt: now - number * 1000 });
const late = (number: number) => ({ messageId: `late-${number}`, status: statusNamed('DELIVERED_TO_HANDSET') });
const record = (store: Store, submissions: readonly Submission[]) =>
  store.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions });

/** 150 messages, the first 100 sealed, and two reports that wait. */
async function runningLog(
  log = new SqliteLog({ dataDir: temporaryFolder() }),
  name?: string,
): Promise<{ readonly log: SqliteLog; readonly store: Store }> {
  const store = await log.open();
  const all = Array.from({ length: 150 }, (_, number) => numbered(number, name));
  for (const some of [all.slice(0, 100), all.slice(100)]) await record(store, some);
  await record(store, [late(0), late(1)]);
  await until(() => systemDisk.exists(new Folder(log.dataDir).facets(1)));
  return { log, store };
}

/** The data folder of another log, with as many messages of the same times, for any test to copy from. */
const otherLog = new SqliteLog();
const other = otherLog.dataDir;
beforeAll(async () => (await runningLog(otherLog, 'foreign')).store.close());
afterAll(() => otherLog.remove());

function replace(path: string, from: string): void {
  copyFileSync(from, `${path}.new`);
  renameSync(`${path}.new`, path);
}

describe.each([
  ['the journal that takes records', 'segments/000000002.journal', numbered(150), { recorded: 1 }],
  ['the file of reports that wait', 'waiting.db', late(2), { waiting: 1 }],
])('%s', (_, name, given, outcome) => {
  test.each<[string, (path: string) => void]>([
    ['moved', () => {}],
    ['replaced by a copy of itself', path => replace(path, `${path}.moved`)],
    ["replaced by another log's", path => replace(path, join(other, name))],
  ])('%s under a server → nothing goes into it until it is back, and nothing else is read', async (what, harm) => {
    const { log, store } = await runningLog();
    const path = join(log.dataDir, name);
    renameSync(path, `${path}.moved`);
    harm(path);
    await expect(record(store, [given])).rejects.toThrow(`${path} is not the file`);
    expect((await store.stats()).writeFailure).toContain(path);
    const page = await walkIds(store).catch((error: unknown) => error);
    if (page instanceof Error) expect(page).toBeInstanceOf(StoreUnavailable);
    else expect(page).toEqual(numberedIds(0, 150));

    rmSync(path, { force: true });
    renameSync(`${path}.moved`, path);
    // Whoever sends nothing to a server that cannot record would never find out otherwise.
    if (what === 'moved') await until(async () => (await store.stats()).writeFailure === undefined);
    expect(await record(store, [given])).toMatchObject(outcome);
    await store.close();
    const again = await log.open();
    const [messages, reports] = name === 'waiting.db' ? [150, 3] : [151, 2];
    expect(await walkIds(again)).toEqual(numberedIds(0, messages));
    expect(await again.stats()).toMatchObject({ damaged: [], waiting: { reports } });
    await again.close();
  });
});

test('the journal that takes records is cut short under a server → told by the next record, which has to be sent again', async () => {
  const { log, store } = await runningLog();
  truncateSync(join(log.dataDir, 'segments/000000002.journal'), 100);
  await expect(record(store, [numbered(150)])).rejects.toThrow('record again');
  expect((await store.stats()).damaged).toMatchObject([{ name: '000000002.journal' }]);
  expect(await record(store, [numbered(150)])).toMatchObject({ recorded: 1 });
  await store.close();
});

test.each<[string, (path: string, name: string) => void]>([
  ['moved', path => renameSync(path, `${path}.moved`)],
  ['cut short', path => truncateSync(path, 1)],
  ["replaced by another log's", (path, name) => replace(path, join(other, name))],
])(
  'both ledgers %s under a server → made again by the next record: the next start misses what they say',
  async (_, harm) => {
    const { log, store } = await runningLog();
    for (const name of ['ledger', 'ledger.copy']) harm(join(log.dataDir, name), name);
    await record(store, [numbered(150)]);
    const left = new SqliteLog({ dataDir: temporaryFolder() });
    await crashImage(log.dataDir, left.dataDir);
    await store.close();
    for (const id of [1, 2]) rmSync(new Folder(left.dataDir).journal(id));
    const again = await left.open();
    const { damaged, waiting } = await again.stats();
    expect(waiting.reports).toBe(2);
    for (const reason of [/^100 of its 100/, /^51 of its 51/])
      expect(damaged).toContainEqual(expect.objectContaining({ reason: expect.stringMatching(reason) }));
    await again.close();
  },
);

test.each<[string, readonly string[]]>([
  ['under a server', ['segments/000000001.journal']],
  ['before a start', ['segments/000000001.journal', 'segments/000000002.journal', 'waiting.db']],
])(
  "files of another log put in the place of a log's %s → nothing of them is given, what was answered is told as lost",
  async (when, names) => {
    const { log, store } = await runningLog();
    if (when === 'before a start') await store.close();
    for (const name of names) replace(join(log.dataDir, name), join(other, name));
    const asked = when === 'before a start' ? await log.open() : store;
    const isLost = names.includes('waiting.db');
    expect(await walkIds(asked)).toEqual(isLost ? [] : numberedIds(100, 150));
    const { damaged } = await asked.stats();
    expect(damaged.map(({ name }) => name).sort()).toEqual(names.map(name => basename(name)).sort());
    await record(asked, [submission(0, { messageId: 'late-0', sentAt: now })]);
    const found = await asked.history(1, 'late-0', 0);
    expect(found?.log.status.groupName).toBe(isLost ? 'PENDING' : 'DELIVERED');
    await asked.close();
  },
);

test.each<[string, (path: string) => void]>([
  ['removed', path => rmSync(path)],
  ["replaced by another log's", path => replace(path, new Folder(other).index(1))],
])('the index of a segment is %s under a server → made again of its rows, and nothing is lost', async (_, harm) => {
  const { log, store } = await runningLog();
  harm(new Folder(log.dataDir).index(1));
  expect(await walkIds(store)).toEqual(numberedIds(0, 150));
  expect(systemDisk.exists(new Folder(log.dataDir).index(1))).toBe(true);
  await store.close();
  expect(log.witness.damagedParts).toEqual([]);
});
