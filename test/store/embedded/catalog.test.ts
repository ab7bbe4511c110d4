import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { newSharedSegment } from '../../../src/store/embedded/segment/shared-segment.ts';
import { Catalog } from '../../../src/store/embedded/upkeep/catalog.ts';
import { horizonsOf } from '../../../src/store/horizons.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

test('one file of many that are dropped cannot be removed → told once all others are, and waited for as long', async () => {
  const slow = Promise.withResolvers<void>();
  const removed: string[] = [];
  const removeLater = async (path: string) => {
    if (path.endsWith('000000001.journal')) throw new Error('EIO');
    await slow.promise;
    removed.push(path);
  };
  const folder = new Folder(temporaryFolder(), { ...systemDisk, removeLater });
  const catalog: Catalog = new Catalog(
    folder,
    { note() {}, committed() {}, damaged() {} },
    {
      count: 1,
      tell: ({ ticket }) => queueMicrotask(() => catalog.released(ticket)),
      unsealedExtents: async () => undefined,
      sealedExtents: async () => undefined,
    },
  );
  for (const id of [1, 2]) catalog.add(newSharedSegment(id, 1, 1), undefined, 'sealed');
  const told: string[] = [];
  const dropping = catalog.dropBefore(await horizonsOf(1000, new Map())).catch(error => told.push(String(error)));
  while (catalog.entries().length > 0) await setImmediate();
  const closing = catalog.removed().then(() => told.push('closed'));
  for (let turn = 0; turn < 5; turn++) await setImmediate();
  expect(told).toEqual([]);
  slow.resolve();
  await Promise.all([dropping, closing]);
  expect(told.toSorted()).toEqual(['Error: EIO', 'closed']);
  // Fifteen files each.
  expect(removed.length).toBe(29);
});
