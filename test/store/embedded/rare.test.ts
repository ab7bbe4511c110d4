import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Filter } from '../../../src/domain/filter.ts';
import type { Submission } from '../../../src/domain/message.ts';
import type { Status } from '../../../src/domain/registry.ts';
import type { Query } from '../../../src/store/store.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { SqliteLog, submission, until } from '../../support/sqlite-log.ts';
import { delivered, expired } from '../conformance/engine.ts';

const now = 1_800_000_000_000;
const segmentMessagesMax = 10_000;

/** Two accounts in turn; every four-thousandth message or so was recorded as expired. */
const recorded = (number: number): Submission =>
  submission(number, {
    sentAt: now - number * 10,
    sender: `sender ${number % 3}`,
    ...((number + 1) % 4001 === 0 && { status: expired }),
  });

test('a status that few of a sealed segment have → exactly those, of the account alone, also on a walk', async () => {
  const log = new SqliteLog({ segmentMessagesMax });
  onTestFinished(() => log.remove());
  const [store, model] = [await log.open(), new MemoryStore()];
  onTestFinished(() => store.close());
  const record = async (account: number, submissions: readonly Submission[]) => {
    const batch = { account, binding: {}, receivedAt: now, sentSince: 0, submissions };
    for (const one of [store, model]) expect((await one.record(batch)).rejected).toEqual([]);
  };
  for (let from = 0; from < 2 * segmentMessagesMax + 500; from += 500)
    await record(
      (from / 500) % 2,
      Array.from({ length: 500 }, (_, i) => recorded(from + i)),
    );
  await until(() => readdirSync(join(log.dataDir, 'segments')).filter(name => name.endsWith('.index')).length === 2);
  const report = (number: number, status: Status) =>
    record(Math.floor(number / 500) % 2, [{ messageId: `message-${number}`, at: now, status }]);
  await report(700, expired);
  await report(15_600, expired);
  await report(8001, delivered);
  const filters: readonly Filter[] = [
    { generalStatus: 'EXPIRED' },
    { generalStatus: 'EXPIRED', sender: 'sender 1' },
    { generalStatus: 'EXPIRED', sentUntil: now - 5000, sentSince: now - 170_000 },
    { generalStatus: 'DELIVERED' },
    { generalStatus: 'REJECTED' },
  ];
  let compared = 0;
  for (const account of [0, 1])
    for (const filter of filters) {
      const query: Query = { account, filter, sentSince: now - 195_000, limit: 1, walk: true };
      const expected = await model.find({ ...query, limit: 1000 });
      expect((await store.find({ ...query, limit: 1000 })).logs).toEqual(expected.logs);
      const first = await store.find(query);
      const rest =
        first.next === undefined ? [] : (await store.find({ ...query, limit: 1000, after: first.next })).logs;
      expect([...first.logs, ...rest]).toEqual(expected.logs);
      compared += expected.logs.length;
    }
  expect(compared).toBeGreaterThan(10);
});
