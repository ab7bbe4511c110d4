import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { statusByKey, statuses } from '../../../src/domain/registry.ts';
import { limits } from '../../../src/limits.ts';
import { type DatabaseServer, databaseServer } from '../../support/database-server.ts';
import { Witness } from '../../support/sqlite-log.ts';
import { horizon, hourMs, logOf, message, messages, now, query, recordAll, walk } from '../conformance/engine.ts';
import { PostgresDatabase } from './database.ts';

let server: DatabaseServer;

beforeAll(async () => {
  server = await databaseServer(['fsync=off']);
  return () => server.remove();
});

const status = { ...statusByKey(statuses[2]?.key ?? 0), description: 'in the sender’s own words', action: 'ask 😀' };

/** Every column with and without a value, and texts that take one byte a character up to four. */
function varied(i: number) {
  const isRich = i % 3 === 0;
  return message(`m ${i} ${'😀é'.repeat(i % 7)}`, {
    sentAt: now - (i % 4) * hourMs - i,
    contentJson: JSON.stringify({ type: 'TEXT', text: '€'.repeat(i % 10 === 0 ? 20_000 : i) }),
    ...(isRich && {
      status,
      bulkId: `bulk ${i}`,
      entityId: 'ë',
      applicationId: '\\N',
      campaignReferenceId: '{"}',
      messageCount: 1000,
      price: { pricePerMessage: 0.1 * i - 1, currency: 'EUR' },
      at: now - 1,
      doneAt: -1,
      seenAt: i - 2 ** 45,
    }),
  });
}

it.each([1, 20, 400])('%i messages at once with values of every kind → shown as they were recorded', async count => {
  const database = await PostgresDatabase.create(server);
  const store = await database.open();
  const batch = Array.from({ length: count }, (_, i) => varied(i));
  await recordAll(store, batch);
  const { logs } = await store.find(query());
  const byId = new Map(logs.map(log => [log.messageId, log]));
  for (const one of batch) expect(byId.get(one.messageId)).toEqual(logOf(one));
  expect(logs).toHaveLength(count);
  await database.close();
});

it('many requests with the longest contents wait → no transaction holds more than a few megabytes of them', async () => {
  const database = await PostgresDatabase.create(server);
  const groups: number[] = [];
  const observer = Object.assign(new Witness(), {
    committed: ({ messages }: { readonly messages: number }) => groups.push(messages),
  });
  const store = await database.open({ poolSize: 2, observer });
  const contentJson = JSON.stringify({ type: 'TEXT', text: 'x'.repeat(limits.contentBytesMax - 100) });
  const batches = Array.from({ length: 300 }, (_, i) => recordAll(store, [message(`m${i}`, { contentJson })]));
  await Promise.all(batches);
  expect(groups.reduce((sum, count) => sum + count, 0)).toBe(300);
  expect(Math.max(...groups) * contentJson.length).toBeLessThanOrEqual(limits.groupCharsMax);
  await database.close();
});

it('accounts with times of their own → a partition goes when nothing in it is kept, and not while it is written to', async () => {
  const database = await PostgresDatabase.create(server);
  onTestFinished(() => database.close());
  const store = await database.open();
  const at = (hours: number) => horizon + (hours + 0.5) * hourMs;
  for (const id of [1, 2, 3])
    await recordAll(
      store,
      messages(6, i => ({ sentAt: at(i * id) })),
      { account: id },
    );
  const there = async () => {
    const rows = await database.query('SELECT DISTINCT sent_at FROM sentlog.message ORDER BY sent_at');
    return rows.map(row => Math.floor((Number(row.sent_at) - horizon) / hourMs));
  };
  // Account 1 keeps hours 0…5, account 2 of 0, 2 … 10 those from 8 on, account 3 of 0, 3 … 15 nothing.
  const own = new Map([
    [1, horizon],
    [2, horizon + 8 * hourMs],
  ]);
  await store.dropBefore(horizon + 20 * hourMs, own);
  expect(await there()).toEqual([0, 1, 2, 3, 4, 5, 8, 10]);
  // What is recorded while a partition is looked at stays: account 2 may write into hour 9, which is empty.
  let dropping = true;
  let batches = 0;
  const recording = (async () => {
    for (; dropping || batches < 5; batches++)
      await recordAll(
        store,
        messages(3, j => ({ messageId: `n${batches} ${j}`, sentAt: at(9) + batches })),
        { account: 2 },
      );
  })();
  for (let i = 0; i < 3; i++) await store.dropBefore(horizon + 20 * hourMs, own);
  dropping = false;
  await recording;
  // Over a thousand are recorded where a sweep has to wait for the table: more than a page takes.
  const kept = await walk(store, { account: 2, sentSince: horizon + 8 * hourMs });
  const [{ count } = {}] = await database.query(
    `SELECT count(*) FROM sentlog.message WHERE account_id = 2 AND sent_at >= ${horizon + 8 * hourMs}`,
  );
  expect(kept).toHaveLength(Number(count));
  expect(kept).toHaveLength(2 + 3 * batches);
  await store.dropBefore(horizon + 20 * hourMs);
  expect(await there()).toEqual([]);
});

it('a log that older versions kept, or sweep beside this one → counts what tallies count, not what is still there', async () => {
  const database = await PostgresDatabase.create(server);
  onTestFinished(() => database.close());
  const before = await database.open();
  const sent = (account: number, hours: number) =>
    recordAll(
      before,
      messages(6, i => ({ messageId: `${hours} ${i}`, sentAt: horizon + (hours + 0.5) * hourMs + i })),
      { account },
    );
  await sent(1, 1);
  await sent(2, 1);
  await sent(2, 9);
  const own = new Map([[2, horizon + 5 * hourMs]]);
  await before.dropBefore(horizon, own);
  const kept = { messages: 12, reports: 0, oldestSentAt: horizon + 1.5 * hourMs };
  expect(await before.stats()).toMatchObject(kept);
  // As an older version leaves it: no totals, tallies without what is past, and the recordings of all.
  await database.query('DELETE FROM sentlog.total; UPDATE sentlog.total_until SET until_tx = 0');
  expect(await before.stats()).toMatchObject(kept);
  await sent(2, 12);
  expect(await before.stats()).toMatchObject({ ...kept, messages: 18 });
  const after = await database.open();
  await after.dropBefore(horizon, own);
  expect(await after.stats()).toMatchObject({ ...kept, messages: 18 });
  await sent(2, 13);
  expect(await after.stats()).toMatchObject({ ...kept, messages: 24 });
  // An older version's sweep, which tells the totals nothing.
  await database.query('DELETE FROM sentlog.tally WHERE account_id = 1');
  const again = await database.open();
  await again.dropBefore(horizon, own);
  expect(await again.stats()).toMatchObject({ messages: 18, oldestSentAt: horizon + 9.5 * hourMs });
  const hours = await database.query('SELECT DISTINCT hour FROM sentlog.total ORDER BY hour');
  expect(hours.map(row => Number(row.hour))).toEqual([9, 12, 13].map(hour => horizon + hour * hourMs));
});
