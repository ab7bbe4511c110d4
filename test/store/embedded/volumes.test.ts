import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { statuses } from '../../../src/domain/registry.ts';
import { recoverRows } from '../../../src/store/embedded/damage/row-recovery.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { holdingsIn, Ledger } from '../../../src/store/embedded/files/ledger.ts';
import { FolderLog } from '../../../src/store/embedded/offline/folder-log.ts';
import { repair } from '../../../src/store/embedded/offline/repair.ts';
import type { SqliteStoreOptions } from '../../../src/store/embedded/options.ts';
import type { Store } from '../../../src/store/store.ts';
import { numberedIds, recordNumbered, SqliteLog, submission, until, walkIds } from '../../support/sqlite-log.ts';

const now = 1_800_000_000_000;
const merging = { youngestLeft: 0, blockRows: 64 };
const delivered = statuses.find(status => status.name === 'DELIVERED_TO_HANDSET');
const logs: SqliteLog[] = [];
const stores: Store[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  for (const log of logs.splice(0)) log.remove();
});

async function opened(log: SqliteLog): Promise<Store> {
  const store = await log.open();
  stores.push(store);
  return store;
}

function newLog(options: Partial<SqliteStoreOptions> = { merging }): SqliteLog {
  const log = new SqliteLog(options);
  logs.push(log);
  return log;
}

const files = (log: SqliteLog, folder = 'segments') => readdirSync(join(log.dataDir, folder)).sort();
const named = (log: SqliteLog, end: string) => files(log).filter(name => name.endsWith(end));
const volumesOnly = (log: SqliteLog, count: number) => () =>
  named(log, '.volume').length === count && named(log, '.journal').length === 1;

const made = new SqliteLog({ merging });

beforeAll(async () => {
  const store = await made.open();
  await recordNumbered(store, 0, 501, now);
  await until(volumesOnly(made, 5));
  await store.close();
});

afterAll(() => made.remove());

/** Five segments of 100 messages in volumes, and a message in the one that takes rows; closed. */
function fiveVolumes(): SqliteLog {
  const log = newLog();
  cpSync(made.dataDir, log.dataDir, { recursive: true });
  return log;
}

async function report(store: Store, numbers: readonly number[]): Promise<void> {
  const submissions = numbers.map(number => ({
    messageId: `message-${number}`,
    ...(delivered && { status: delivered }),
    at: now + 1000,
  }));
  const told = await store.record({ account: 1, binding: {}, receivedAt: now + 2000, sentSince: 0, submissions });
  expect(told.updated).toBe(numbers.length);
}

function flip(path: string, share: number): void {
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.byteLength * share);
  bytes[at] = (bytes[at] ?? 0) ^ 4;
  writeFileSync(path, bytes);
}

/** Makes a sound volume of it that says it is of another version. */
function setVersion(path: string, version: number): void {
  const bytes = readFileSync(path);
  const bodyBytes = bytes.readUInt32LE(8);
  const ends = [
    { prefix: 0, body: 16 },
    { prefix: bytes.byteLength - 16, body: bytes.byteLength - 16 - bodyBytes },
  ];
  for (const { prefix, body } of ends) {
    bytes.writeUInt32LE(version, prefix + 4);
    const sum = crc32(bytes.subarray(body, body + bodyBytes), crc32(bytes.subarray(prefix, prefix + 12)));
    bytes.writeUInt32LE(sum, prefix + 12);
  }
  writeFileSync(path, bytes);
}

const contentsOf = (log: SqliteLog) =>
  readdirSync(log.dataDir, { recursive: true, withFileTypes: true })
    .filter(one => one.isFile() && !one.name.startsWith('lock'))
    .map(one => [one.name, crc32(readFileSync(join(one.parentPath, one.name)))]);

const volumePath = (log: SqliteLog, id: number) => join(log.dataDir, 'segments', `00000000${id}.volume`);
const indexPath = (log: SqliteLog, id: number) => join(log.dataDir, 'segments', `00000000${id}.index`);

describe('sealed segments are merged', () => {
  test('while the log serves → their rows files go, and all is read as before, also after a restart and without merging', async () => {
    const log = newLog();
    let store = await opened(log);
    await recordNumbered(store, 0, 501, now);
    await report(store, [3, 150, 499]);
    await until(volumesOnly(log, 5));
    const looked = async () => {
      expect(await walkIds(store)).toEqual(numberedIds(0, 501));
      for (const number of [3, 150, 499]) {
        const history = await store.history(1, `message-${number}`, 0);
        expect(history?.timeline).toHaveLength(2);
        expect(history?.log.status.name).toBe('DELIVERED_TO_HANDSET');
      }
      const { logs: found } = await store.find({
        account: 1,
        filter: { destination: 'person-3' },
        sentSince: 0,
        limit: 100,
        walk: false,
      });
      expect(found.map(({ messageId }) => messageId)).toEqual(numberedIds(0, 501).filter((_, i) => i % 7 === 3));
      expect((await store.stats()).damaged).toEqual([]);
    };
    await looked();
    await store.close();
    store = await log.open();
    stores.push(store);
    await looked();
    await report(store, [7, 250]);
    await store.close();
    const without = new SqliteLog({ dataDir: log.dataDir });
    store = await opened(without);
    await looked();
    expect((await store.history(1, 'message-250', 0))?.timeline).toHaveLength(2);
    expect([...log.witness.notes, ...without.witness.notes]).toEqual([]);
  });

  test('some of the youngest are to be left → these keep their rows files', async () => {
    const log = newLog({ merging: { youngestLeft: 2, blockRows: 64 } });
    const store = await opened(log);
    await recordNumbered(store, 0, 501, now);
    await until(() => named(log, '.volume').length === 3 && named(log, '.journal').length === 3);
    expect(named(log, '.journal').map(name => Number.parseInt(name, 10))).toEqual([4, 5, 6]);
    expect(await walkIds(store)).toEqual(numberedIds(0, 501));
  });

  test('what is past retention → volumes are dropped like rows files', async () => {
    const log = fiveVolumes();
    const store = await opened(log);
    await store.dropBefore(now - 250_000);
    expect(await walkIds(store)).toEqual(numberedIds(0, 300));
    expect(named(log, '.volume').map(name => Number.parseInt(name, 10))).toEqual([1, 2, 3]);
  });

  test('a folder that no server runs on → is copied from its volumes', async () => {
    const log = fiveVolumes();
    const folder = new FolderLog(log.dataDir);
    const ids = folder.segments.flatMap(segment =>
      [...folder.stretches(segment, () => 0)].flatMap(({ messages }) =>
        messages.map(({ identity }) => identity.messageId),
      ),
    );
    folder.close();
    expect(ids).toEqual(numberedIds(0, 501));
    expect(folder.damaged).toEqual([]);
  });
});

describe('a merged segment is damaged', () => {
  test.each([0.6, 0.7, 0.8])(
    'a byte of its volume flips at %d → at most a frame is lost, which is told',
    async share => {
      const log = fiveVolumes();
      flip(volumePath(log, 2), share);
      const store = await opened(log);
      await until(() => log.witness.notes.includes('a damaged segment was made again of its rows'));
      const ids = await walkIds(store);
      expect(ids.length).toBeGreaterThanOrEqual(501 - 64);
      const { damaged, messages } = await store.stats();
      expect(messages).toBe(ids.length);
      const lost = 501 - ids.length;
      if (lost > 0) expect(damaged[0]?.reason).toContain(`${lost} of its 100 messages`);
      else expect(damaged).toEqual([]);
      // A segment that lacks rows is not merged again.
      await until(() => named(log, '.journal').length === (lost > 0 ? 2 : 1));
      await store.close();
      const again = await opened(log);
      expect(await walkIds(again)).toEqual(ids);
    },
  );

  test.each(['missing', 'cut', 'empty'])('its volume is %s → told, and the rest serves', async how => {
    const log = fiveVolumes();
    const path = volumePath(log, 2);
    const whole = readFileSync(path);
    if (how === 'missing') rmSync(path);
    else writeFileSync(path, whole.subarray(0, how === 'cut' ? whole.byteLength - 3 : 0));
    const store = await opened(log);
    const ids = await walkIds(store);
    expect(ids.length).toBe(how === 'cut' ? 501 : 401);
    const { damaged } = await store.stats();
    if (how === 'cut') expect(damaged).toEqual([]);
    else expect(damaged[0]?.reason).toContain('100 of its 100 messages');
  });

  test.each(['flipped', 'missing'])(
    'its index is %s → made again of its rows, nothing is lost, and it is merged again',
    async how => {
      const log = fiveVolumes();
      if (how === 'missing') rmSync(indexPath(log, 2));
      else flip(indexPath(log, 2), 0.1);
      const store = await opened(log);
      expect(await walkIds(store)).toEqual(numberedIds(0, 501));
      await report(store, [150]);
      await until(volumesOnly(log, 5));
      expect(await walkIds(store)).toEqual(numberedIds(0, 501));
      expect((await store.stats()).damaged).toEqual([]);
    },
  );

  test.each([
    [1, 'run the version that wrote it, and export'],
    [99, 'run the newer version'],
  ])(
    'one of them is of version %i → the start is refused with what to do, and nothing is touched',
    async (version, advice) => {
      const log = fiveVolumes();
      // What would be mended at any other start.
      flip(indexPath(log, 1), 0.1);
      rmSync(join(log.dataDir, 'log.json'));
      setVersion(volumePath(log, 3), version);
      const before = contentsOf(log);
      await expect(log.open()).rejects.toThrow(advice);
      expect(contentsOf(log)).toEqual(before);
      setVersion(volumePath(log, 3), 3);
      expect(await walkIds(await opened(log))).toEqual(numberedIds(0, 501));
    },
  );

  test('its index and the rows file that still stands beside it → are made again of it, nothing is lost', async () => {
    const log = fiveVolumes();
    const folder = new Folder(log.dataDir);
    const holding = holdingsIn(log.dataDir).get(2);
    const { path } = recoverRows(folder, 2, holding, holding?.firstSequence ?? 1);
    const bytes = readFileSync(path);
    writeFileSync(folder.rows(2), bytes.fill(0, Math.floor(bytes.byteLength / 4)));
    rmSync(path);
    rmSync(folder.index(2));
    const store = await opened(log);
    expect(await walkIds(store)).toEqual(numberedIds(0, 501));
    expect((await store.stats()).damaged).toEqual([]);
  });

  test('the ledger does not name it → it is read all the same, and named again', async () => {
    const log = fiveVolumes();
    const ledger = new Ledger(log.dataDir);
    ledger.remove([2]);
    ledger.close();
    const store = await opened(log);
    expect(await walkIds(store)).toEqual(numberedIds(0, 501));
    expect(holdingsIn(log.dataDir).get(2)?.messages).toBe(100);
  });

  test('it was set aside whole, and some of it recorded again → repair brings the rest back', async () => {
    const log = fiveVolumes();
    const damagedFolder = join(log.dataDir, 'damaged');
    const [volume, index] = [volumePath(log, 2), indexPath(log, 2)];
    const bytes = readFileSync(volume);
    for (const path of [volume, index, `${index.slice(0, -6)}.facets`]) rmSync(path, { force: true });
    mkdirSync(damagedFolder, { recursive: true });
    writeFileSync(join(damagedFolder, '000000002.volume'), bytes);
    for (const name of ['ledger', 'ledger.copy']) rmSync(join(log.dataDir, name));
    const store = await log.open();
    expect((await store.stats()).damaged.map(({ name }) => name)).toEqual(['000000002.journal', 'ledger']);
    const again = [submission(120, { sentAt: now - 120_000 })];
    await store.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions: again });
    await store.close();
    expect(repair(log.dataDir)).toMatchObject([{ messages: 99, again: 1, lostMessages: 0 }]);
    const repaired = await opened(log);
    expect(new Set(await walkIds(repaired))).toEqual(new Set(numberedIds(0, 501)));
  });
});
