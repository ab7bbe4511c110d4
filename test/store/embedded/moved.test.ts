import { cpSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { numberedIds, recordNumbered, SqliteLog, until, walkIds } from '../../support/sqlite-log.ts';

const now = 1_800_000_000_000;

const losses: readonly (readonly [string, (dataDir: string) => void])[] = [
  ['moved', () => {}],
  ['moved, and an empty one made in its place', dataDir => mkdirSync(join(dataDir, 'segments'), { recursive: true })],
  ['moved, and a copy put in its place', dataDir => cpSync(`${dataDir}.moved`, dataDir, { recursive: true })],
  ['moved, and what cannot be looked at made in its place', dataDir => symlinkSync(dataDir, dataDir)],
];

test.each(losses)('data folder %s under a server → nothing is taken or mended until it is back', async (_, replace) => {
  const log = new SqliteLog();
  const moved = `${log.dataDir}.moved`;
  onTestFinished(() => {
    log.remove();
    rmSync(moved, { recursive: true, force: true });
  });
  const store = await log.open();
  // A segment that is sealed, and one that takes writes and is not full.
  await recordNumbered(store, 0, 100, now);
  await recordNumbered(store, 100, 150, now);
  const isMade = (end: string) => readdirSync(join(log.dataDir, 'segments')).some(name => name.endsWith(end));
  await until(() => isMade('.index') && isMade('.facets'));
  renameSync(log.dataDir, moved);
  replace(log.dataDir);

  // More than the segment has room for: another would begin here.
  for (let time = 0; time < 3; time++)
    await expect(recordNumbered(store, 150, 350, now)).rejects.toThrow(StoreUnavailable);
  await expect(store.stats()).rejects.toThrow(/is not the one that this server opened|cannot be looked at: ELOOP/);
  await expect(store.dropBefore(now + 1)).rejects.toThrow(StoreUnavailable);
  // What finds files missing, or others in their place, has nothing mended.
  await store.find({ account: 1, filter: {}, sentSince: 0, limit: 1000, walk: false }).catch((error: unknown) => {
    expect(error).toBeInstanceOf(StoreUnavailable);
  });

  rmSync(log.dataDir, { recursive: true, force: true });
  renameSync(moved, log.dataDir);
  expect(await store.stats()).toMatchObject({ messages: 150, damaged: [] });
  expect(await store.stats()).not.toHaveProperty('writeFailure');
  await recordNumbered(store, 150, 350, now);
  expect(await walkIds(store)).toEqual(numberedIds(0, 350));
  await store.close();
  const again = await log.open();
  expect(await walkIds(again)).toEqual(numberedIds(0, 350));
  expect(await again.stats()).toMatchObject({ damaged: [] });
  await again.close();
  expect(log.witness.damagedParts).toEqual([]);
});
