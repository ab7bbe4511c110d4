import { statSync, truncateSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { hasRoom, Reserve } from '../../../src/store/embedded/files/reserve.ts';
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
