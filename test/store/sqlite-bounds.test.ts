import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { FolderInUse } from '../../src/store/sqlite/folder.ts';
import { widened } from '../../src/store/sqlite/widening.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import { SqliteLog, until } from '../support/sqlite-log.ts';

test('any settings, a hundred million messages over ten years → never more segments than can be told apart', () => {
  const settings = fc.record({
    segmentMessagesMax: fc.integer({ min: 1000, max: 1_000_000 }),
    segmentAgeMs: fc.integer({ min: 1000, max: 30 * 86_400_000 }),
  });
  fc.assert(
    fc.property(settings, bounds => {
      let [messages, ageMs, segments] = [0, 0, 0];
      // Every segment is closed by whichever of its two bounds comes first.
      while (messages < 1e8) messages += widened(segments++, bounds).segmentMessagesMax;
      for (segments = 0; ageMs < 3650 * 86_400_000; ) ageMs += widened(segments++, bounds).segmentAgeMs;
    }),
  );
  expect(() => widened(4094, { segmentMessagesMax: 1000, segmentAgeMs: 1000 })).toThrow(StoreUnavailable);
});

const locks = ['lock.db', 'segments/held.db'];

test.each([
  [locks[0], locks[1]],
  [locks[1], locks[0]],
])(
  '%s removed under an open log → nobody else gets in, and it is made again; then %s as well',
  async (first = '', second = '') => {
    const log = new SqliteLog();
    onTestFinished(() => log.remove());
    const store = await log.open();
    onTestFinished(() => store.close());
    rmSync(join(log.dataDir, first));
    rmSync(join(log.dataDir, 'lock.pid'));
    await expect(log.open()).rejects.toThrow(FolderInUse);
    await until(() => isLocked(join(log.dataDir, first)));
    rmSync(join(log.dataDir, second));
    await expect(log.open()).rejects.toThrow(FolderInUse);
  },
);

function isLocked(path: string): boolean {
  if (!existsSync(path)) return false;
  const file = new DatabaseSync(path, { timeout: 0 });
  try {
    file.exec('BEGIN EXCLUSIVE; ROLLBACK');
    return false;
  } catch (error) {
    return String(error).includes('locked');
  } finally {
    file.close();
  }
}
