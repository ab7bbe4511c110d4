import { mkdirSync, readdirSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { hasRoom, keepRoomToOpen, makeRoomToOpen, Reserve } from '../../../src/store/embedded/files/reserve.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { recordNumbered, SqliteLog, until } from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const now = 1_800_000_000_000;

const harms: readonly (readonly [string, (path: string) => void])[] = [
  ['removed', unlinkSync],
  ['emptied', path => truncateSync(path)],
  ['cut short', path => truncateSync(path, 1000)],
];

test.each(harms)('what is kept free of the disk is %s → taken again, also where nobody records', async (_, harm) => {
  const log = new SqliteLog({ dataDir: temporaryFolder() });
  await using closing = new AsyncDisposableStack();
  const store = closing.adopt(await log.open(), one => one.close());
  await recordNumbered(store, 0, 10, now);
  const path = join(log.dataDir, 'reserve');
  const { size } = statSync(path);
  expect(size).toBeGreaterThan(1000);
  const isWhole = () => statSync(path, { throwIfNoEntry: false })?.size === size;
  harm(path);
  expect(isWhole()).toBe(false);
  await until(isWhole);
});

test.each(harms)('%s where the disk is full → nothing is recorded, and that is told', (_, harm) => {
  const dataDir = temporaryFolder();
  let freeBytes = 2 ** 30;
  const disk = { ...systemDisk, freeBytes: () => freeBytes };
  const reserve = new Reserve(dataDir, disk);
  reserve.keep();
  expect(disk.exists(join(dataDir, 'reserve'))).toBe(false);
  reserve.hold();
  freeBytes = 0;
  reserve.hold();
  expect(hasRoom(disk, dataDir)).toBe(true);
  harm(join(dataDir, 'reserve'));
  for (const look of [() => reserve.hold(), () => reserve.keep()]) expect(look).toThrow(StoreUnavailable);
  expect(hasRoom(disk, dataDir)).toBe(false);
  expect(() => new Reserve(dataDir, disk).hold()).toThrow('the disk is full');
  freeBytes = 2 ** 30;
  reserve.keep();
  expect(hasRoom({ ...disk, freeBytes: () => 0 }, dataDir)).toBe(true);
});

test('a start on a full disk → what was kept free goes, and where others took that, what can be made again, the oldest first', () => {
  const dataDir = temporaryFolder();
  const segments = join(dataDir, 'segments');
  mkdirSync(segments);
  const kept = ['000000001.index', '000000001.journal', '000000002.journal', '000000002.volume'];
  const spared = ['000000001.facets', '000000001.words', '000000002.facets', '000000010.words'];
  for (const name of [...kept, ...spared]) writeFileSync(join(segments, name), '');
  const mib = 2 ** 20;
  let [freeBytes, reserved] = [0, 2 * mib];
  const disk = {
    ...systemDisk,
    freeBytes: () => freeBytes,
    remove(path: string) {
      systemDisk.remove(path);
      freeBytes += path.endsWith('reserve') ? reserved : mib;
    },
  };
  expect(makeRoomToOpen(dataDir, disk)).toBe(0);
  [freeBytes, reserved] = [0, 0];
  expect(makeRoomToOpen(dataDir, disk)).toBe(2);
  expect(readdirSync(segments).sort()).toEqual([...kept, ...spared.slice(2)].sort());
  expect(makeRoomToOpen(dataDir, disk)).toBe(0);
  freeBytes = 0;
  expect(makeRoomToOpen(dataDir, { ...disk, remove: systemDisk.remove })).toBe(2);
  expect(readdirSync(segments).sort()).toEqual(kept);
  expect(makeRoomToOpen(join(dataDir, 'none'), disk)).toBe(0);
});

test('a stop on a full disk → keeps what it freed, as much as there is room for, until a start gives it up', () => {
  const dataDir = temporaryFolder();
  const path = join(dataDir, 'reserve');
  let [freeBytes, room] = [500_000, 300_000];
  const disk: Disk = {
    ...systemDisk,
    freeBytes: () => freeBytes,
    write(file, from, position) {
      if (from.byteLength > room) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' });
      systemDisk.write(file, from, position);
    },
  };
  const kept = () => readdirSync(dataDir).map(name => statSync(join(dataDir, name)).size);
  keepRoomToOpen(dataDir, disk);
  expect(kept()).toEqual([250_000]);
  expect(hasRoom(disk, dataDir)).toBe(false);
  makeRoomToOpen(dataDir, disk);
  expect(kept()).toEqual([]);
  room = 1000;
  keepRoomToOpen(dataDir, disk);
  expect(kept()).toEqual([]);
  [freeBytes, room] = [2 ** 30, 2 ** 30];
  keepRoomToOpen(dataDir, disk);
  expect(kept()).toEqual([]);
  new Reserve(dataDir, disk).hold();
  freeBytes = 0;
  const { mtimeMs } = statSync(path);
  keepRoomToOpen(dataDir, disk);
  expect(statSync(path).mtimeMs).toBe(mtimeMs);
});
