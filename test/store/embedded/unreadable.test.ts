import { mkdirSync, renameSync, rmdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { type Store, StoreUnavailable } from '../../../src/store/store.ts';
import { numberedIds, recordNumbered, SqliteLog, until, walkIds } from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

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
