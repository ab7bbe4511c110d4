import { expect, onTestFinished, test } from 'vitest';
import { Trust } from '../../../src/store/embedded/log/trust.ts';
import type { Store } from '../../../src/store/store.ts';
import { SqliteLog, submission } from '../../support/sqlite-log.ts';

const now = 1_800_000_000_000;
const minute = 60_000;

const record = (store: Store, account: number, from: number, to: number, sentAt: number) =>
  store.record({
    account,
    binding: {},
    receivedAt: now,
    sentSince: 0,
    submissions: Array.from({ length: to - from }, (_, i) => submission(from + i, { sentAt: sentAt + i })),
  });

test('segments of several accounts → each goes when nothing of it is kept, whoever kept it', async () => {
  const log = new SqliteLog({ segmentMessagesMax: 100 });
  onTestFinished(() => log.remove());
  const store = await log.open();
  onTestFinished(() => store.close());
  // A segment of the first account, one of the second, and one of both, all of an hour ago; then one of now.
  const anHourAgo = now - 60 * minute;
  await record(store, 1, 0, 100, anHourAgo);
  await record(store, 2, 0, 100, anHourAgo);
  await record(store, 1, 100, 150, anHourAgo);
  await record(store, 2, 100, 150, anHourAgo);
  await record(store, 1, 150, 250, now);
  const messages = async () => (await store.stats()).messages;
  const others = now - 30 * minute;
  await store.dropBefore(others, new Map([[2, now - 90 * minute]]));
  expect(await messages()).toBe(300);
  await store.dropBefore(now - 90 * minute, new Map([[2, others]]));
  expect(await messages()).toBe(200);
  await store.dropBefore(others, new Map([[1, others]]));
  expect(await messages()).toBe(100);
});

test('a report that changed no figure → its segment stays as long as its message', async () => {
  const log = new SqliteLog({ segmentMessagesMax: 100 });
  onTestFinished(() => log.remove());
  const store = await log.open();
  onTestFinished(() => store.close());
  await record(store, 1, 0, 100, now - minute);
  await record(store, 2, 0, 50, now - 60 * minute);
  const seenAt = now - 1000;
  const report = { messageId: submission(7).messageId, seenAt };
  await store.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions: [report] });
  await record(store, 2, 50, 100, now - 60 * minute);
  await record(store, 2, 100, 200, now - 60 * minute);
  await store.dropBefore(now - 30 * minute, new Map([[2, now]]));
  expect((await store.stats()).messages).toBe(200);
  const history = await store.history(1, report.messageId, now - 30 * minute);
  expect(history?.log.seenAt).toBe(seenAt);
  expect(history?.timeline).toHaveLength(2);
});

test('what was dropped of an account → its sums are trusted from then on, whatever its time becomes', () => {
  const first = new Trust(0).retired(100, new Map([[7, 10]]));
  expect([first.from(1), first.from(7), first.earliest]).toEqual([100, 10, 10]);
  // The account's own time comes after the common one, and goes again.
  const later = first.retired(
    120,
    new Map([
      [7, 30],
      [8, 50],
    ]),
  );
  expect([7, 8, 9].map(account => later.from(account))).toEqual([30, 100, 120]);
  const shorter = later.retired(130, new Map([[8, 500]]));
  expect([7, 8].map(account => shorter.from(account))).toEqual([130, 500]);
  const common = shorter.retired(200, new Map());
  expect([7, 8].map(account => common.from(account))).toEqual([200, 500]);
  expect(common.retired(500, new Map()).toJSON()).toEqual({ trustedFrom: 500, ownTrustedFrom: [] });
  const broken = later.broken(110);
  expect([7, 8, 9].map(account => broken.from(account))).toEqual([110, 110, 120]);
  const kept = Trust.of(JSON.parse(JSON.stringify(later)));
  expect(kept?.equals(later)).toBe(true);
  expect(Trust.of({ trustedFrom: 5 })?.from(7)).toBe(5);
  for (const damaged of [{}, { trustedFrom: '5' }, { trustedFrom: 5, ownTrustedFrom: [[1]] }])
    expect(Trust.of(damaged)).toBeUndefined();
});
