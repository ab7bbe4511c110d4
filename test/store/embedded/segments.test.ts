import { expect, onTestFinished, test } from 'vitest';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { numberedIds, recordNumbered, SqliteLog, walkIds } from '../../support/sqlite-log.ts';

const now = 1_800_000_000_000;

test('as many segments as there may be → the last ones are larger; then nothing is taken, it is told, and the rest serves', async () => {
  const log = new SqliteLog({ segmentMessagesMax: 2, segmentsMax: 8 });
  onTestFinished(() => log.remove());
  const store = await log.open();
  onTestFinished(() => store.close());
  let recorded = 0;
  const recordNext = async () => {
    await recordNumbered(store, recorded, recorded + 1, now);
    recorded++;
  };
  // Six of two messages, one of four, one of eight.
  while (recorded < 24) await recordNext();
  expect((await store.stats()).segments).toBe(8);
  await expect(recordNext()).rejects.toThrow(StoreUnavailable);
  await expect(recordNext()).rejects.toThrow('the log has 8 segments and can have no more');
  expect((await store.stats()).writeFailure).toContain('8 segments');
  expect(await walkIds(store)).toEqual(numberedIds(0, 24));
  // Each message is a second older than the one before it: the last segment is past.
  await store.dropBefore(now - 15_500);
  expect((await store.stats()).writeFailure).toBeUndefined();
  await recordNext();
  expect((await walkIds(store)).sort()).toEqual([...numberedIds(0, 16), 'message-24'].sort());
});

test('a large segment of the last ones, begun in an earlier run → takes no more than was made room for', async () => {
  const log = new SqliteLog({ segmentMessagesMax: 2, segmentsMax: 8 });
  onTestFinished(() => log.remove());
  let store = await log.open();
  await recordNumbered(store, 0, 15, now);
  await store.close();
  store = await log.open();
  for (let number = 15; number < 23; number++) await recordNumbered(store, number, number + 1, now);
  const submissions = [{ messageId: 'message-22', seenAt: now }];
  await store.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions });
  await recordNumbered(store, 23, 24, now);
  expect(await walkIds(store)).toEqual(numberedIds(0, 24));
  await store.close();
  store = await log.open();
  expect(await walkIds(store)).toEqual(numberedIds(0, 24));
  expect((await store.history(1, 'message-22', 0))?.log.seenAt).toBe(now);
  await store.close();
});
