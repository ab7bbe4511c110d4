import { afterAll, beforeAll, expect, test } from 'vitest';
import { summaryRange } from '../../../src/domain/summary.ts';
import { isLock } from '../../../src/postgres/locks.ts';
import { Database } from '../../../src/store/postgres/log/database.ts';
import { Partitions } from '../../../src/store/postgres/log/partitions.ts';
import { packedIn } from '../../../src/store/postgres/sealed/packed.ts';
import { Sealer } from '../../../src/store/postgres/upkeep/sealer.ts';
import { type DatabaseServer, databaseServer, isGiven } from '../../support/database-server.ts';
import { until, Witness } from '../../support/sqlite-log.ts';
import {
  account,
  enroute,
  horizon,
  hourMs,
  idsOf,
  message,
  now,
  outcome,
  query,
  record,
  recordAll,
  walk,
} from '../conformance/engine.ts';
import { standInForCitus } from './citus-stand-in.ts';
import { PostgresDatabase } from './database.ts';
import { ids, onSealed, report, type Sealed, spreadOut } from './sealed-store.ts';

let server: DatabaseServer;

beforeAll(async () => {
  server = await databaseServer(['fsync=off', 'full_page_writes=off']);
});
afterAll(() => server.remove());

const pools = { readersMax: 1, recordersMax: 1, statementTimeoutMs: 60_000, answerMsMax: 30_000 };

const withSealed = (work: (sealed: Sealed) => Promise<void>) => onSealed(server, work);

/** How many messages are rows, and how many are in blocks and were not taken out. */
async function held(database: PostgresDatabase): Promise<readonly unknown[]> {
  const [row] = await database.query(
    `SELECT (SELECT count(*)::integer FROM sentlog.message) AS rows, (SELECT count(*)::integer FROM sentlog.block) AS blocks,
       (SELECT coalesce(sum(cardinality(taken)), 0)::integer FROM sentlog.block) AS taken`,
  );
  return [row?.rows, row?.blocks, row?.taken];
}

test.skipIf(isGiven)('sealed hours → no rows, all found; a report takes out the one message it is on', () =>
  withSealed(async ({ database, store, seal }) => {
    await recordAll(store, spreadOut(300));
    const target = { url: database.url, schema: 'sentlog' };
    expect(await packedIn(target)).toMatchObject({ messages: 0, blocks: 0 });
    expect(await seal()).toMatchObject({ messages: 300 });
    expect(await packedIn(target)).toMatchObject({ messages: 300, bytes: expect.any(Number) });
    const [rows, blocks] = await held(database);
    expect([rows, Number(blocks) >= 5]).toEqual([0, true]);
    expect(idsOf((await store.find(query())).logs)).toEqual(ids(300));
    expect(await record(store, [report('m7'), report('m299')])).toEqual(outcome({ updated: 2 }));
    expect(await held(database)).toEqual([2, blocks, 2]);
    expect(await packedIn(target)).toMatchObject({ messages: 298, blocks });
    const { logs } = await store.find(query({ filter: { generalStatus: 'DELIVERED' } }));
    expect(idsOf(logs)).toEqual(['m7', 'm299']);
    expect(idsOf((await store.find(query())).logs)).toEqual(ids(300));
    // Words are looked for in blocks, and in what was taken out of them.
    for (const id of ['m7', 'm8'])
      expect(idsOf((await store.find(query({ filter: { text: `hello ${id}` } }))).logs)).toEqual([id]);
    const filter = { text: 'hello' };
    const range = summaryRange(filter, horizon, now, 10);
    expect((await store.summarize({ account, filter, sentSince: horizon, range, budgetMs: 60_000 })).total).toBe(300);
    // What came late for sealed hours, and what was taken out, stays rows.
    await seal();
    expect(await held(database)).toEqual([2, blocks, 2]);
  }),
);

test.skipIf(isGiven)('reports on many messages of one block at once → each is applied once', () =>
  withSealed(async ({ database, store, seal }) => {
    await recordAll(store, spreadOut(40));
    await seal();
    const others = await database.open();
    const stores = [store, others];
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        record(stores[i % 2] ?? store, [report(`m${i}`), report(`m${(i + 1) % 40}`)]),
      ),
    );
    const updated = outcomes.reduce((sum, one) => sum + one.updated, 0);
    expect(updated).toBe(40);
    expect((await held(database)).slice(0, 3)).toMatchObject([40, expect.any(Number), 40]);
    const { logs } = await store.find(query({ filter: { generalStatus: 'DELIVERED' } }));
    expect(idsOf(logs)).toEqual(ids(40));
  }),
);

test.skipIf(isGiven)(
  'sealed, reported on and recorded while a walk goes on → the walk shows what was there, each once',
  () =>
    withSealed(async ({ store, seal }) => {
      await recordAll(store, spreadOut(200));
      const filter = { generalStatus: 'PENDING' };
      let next = 0;
      const walked = await walk(store, { filter, limit: 10 }, async page => {
        if (page % 3 === 0) await seal();
        await record(store, [report(`m${(next * 37) % 200}`), report(`m${(next * 53 + 11) % 200}`)]);
        await recordAll(store, [message(`late${next}`, { sentAt: now - next++ * hourMs })]);
      });
      expect(idsOf(walked)).toEqual(ids(200));
    }),
);

test.skipIf(isGiven)(
  'recorded, reported on and read by others while it is sealed → nothing is lost, nothing is twice',
  () =>
    withSealed(async ({ database, store, seal }) => {
      const other = await database.open();
      let isOver = false;
      const sealing = (async () => {
        while (!isOver) await seal();
      })();
      try {
        let recorded = 0;
        for (let round = 0; round < 12; round++) {
          const batch = Array.from({ length: 50 }, (_, i) =>
            message(`m${recorded + i}`, {
              sentAt: now - (((recorded + i) * 7_919_000) % (5 * hourMs)),
              status: enroute,
            }),
          );
          recorded += batch.length;
          const seen = recorded - batch.length;
          const [, , { logs }] = await Promise.all([
            recordAll(store, batch),
            seen === 0 ? undefined : record(other, [report(`m${seen - 1}`), report(`m${Math.floor(seen / 2)}`)]),
            other.find(query()),
          ]);
          expect(new Set(idsOf(logs)).size).toBe(logs.length);
          expect(logs.length).toBeGreaterThanOrEqual(seen);
          expect(idsOf((await other.find(query())).logs).toSorted()).toEqual(ids(recorded).toSorted());
        }
      } finally {
        isOver = true;
        await sealing;
      }
      expect(
        await record(
          store,
          ids(600)
            .slice(0, 500)
            .map(id => message(id, { sentAt: now })),
        ),
      ).toMatchObject({ recorded: 0 });
    }),
);

test.skipIf(isGiven)('sealing that is broken off at any step → goes on, and nothing is lost', () =>
  withSealed(async ({ database, store, seal }) => {
    await recordAll(store, spreadOut(400));
    // As a kill would: its connection ends wherever it is.
    const kill = () =>
      database.query(
        `SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory' AND ${isLock('l', 'sealing')}`,
      );
    for (let broken = 0; broken < 8; broken++) {
      const [sealed] = await Promise.all([seal().catch(() => undefined), kill(), kill()]);
      expect(idsOf((await store.find(query())).logs)).toEqual(ids(400));
      if (sealed !== undefined) break;
    }
    await seal();
    expect((await held(database))[0]).toBe(0);
    expect(idsOf((await store.find(query())).logs)).toEqual(ids(400));
  }),
);

test.skipIf(isGiven)('retention → blocks go whole, with their hour', () =>
  withSealed(async ({ database, store, seal }) => {
    await recordAll(store, spreadOut(300));
    await seal();
    const before = Number((await held(database))[1]);
    await store.dropBefore(now - 2 * hourMs);
    const { logs } = await store.find(query({ sentSince: now - 2 * hourMs }));
    expect(idsOf(logs)).toEqual(ids(121));
    expect(Number((await held(database))[1])).toBeLessThan(before);
    const tables = await database.query(
      `SELECT count(*)::integer AS count FROM pg_class WHERE relkind = 'r' AND relname LIKE 'block_p%'`,
    );
    expect(tables[0]?.count).toBe(3);
  }),
);

test.skipIf(isGiven)('accounts that keep theirs for times of their own → of sealed hours each has what it keeps', () =>
  withSealed(async ({ database, store, seal }) => {
    await recordAll(store, spreadOut(300));
    for (const other of [2, 3]) await recordAll(store, spreadOut(300), { account: other });
    await seal();
    const before = Number((await held(database))[1]);
    const own = new Map([
      [2, now - 2 * hourMs],
      [3, now - 200 * hourMs],
    ]);
    await store.dropBefore(now - 2 * hourMs, own);
    // Account 3 keeps all: no hour goes, and nobody else sees more of one than is theirs.
    expect(Number((await held(database))[1])).toBe(before);
    expect((await store.find(query({ account: 3 }))).logs).toHaveLength(300);
    own.set(3, now - hourMs);
    await store.dropBefore(now - 2 * hourMs, own);
    expect(Number((await held(database))[1])).toBeLessThan(before);
    for (const [one, keptMs] of [
      [account, 2 * hourMs],
      [2, 2 * hourMs],
      [3, hourMs],
    ] as const) {
      const { logs } = await store.find(query({ account: one, sentSince: now - keptMs }));
      expect(idsOf(logs)).toEqual(ids(keptMs / 60_000 + 1));
    }
    expect((await store.stats()).damaged).toEqual([]);
  }),
);

test.skipIf(isGiven)(
  'a partition too large to be written anew → gives back the room of its rows, while it is read',
  () =>
    withSealed(async ({ database, store }) => {
      const long = JSON.stringify({ type: 'TEXT', text: 'x'.repeat(1500) });
      for (let from = 0; from < 3000; from += 500)
        await recordAll(
          store,
          Array.from({ length: 500 }, (_, i) =>
            message(`m${from + i}`, { sentAt: now - 2 * hourMs, contentJson: long }),
          ),
        );
      const rowBytes = async () => {
        const [row] = await database.query(
          `SELECT sum(pg_table_size(inhrelid))::integer AS bytes FROM pg_inherits WHERE inhparent = 'sentlog.message'::regclass`,
        );
        return Number(row?.bytes);
      };
      const before = await rowBytes();
      const log = new Database({ url: database.url, schema: 'sentlog', ...pools, observer: new Witness() });
      const partitions = new Partitions(log, hourMs, () => {});
      const sealer = new Sealer(log, partitions, { announceMs: 0, rewrittenBytesMax: 0 });
      expect(await sealer.sealBefore(now)).toMatchObject({ messages: 3000 });
      expect(await rowBytes()).toBeLessThan(before / 10);
      expect((await store.find(query({ limit: 1000 }))).logs).toHaveLength(1000);
      await log.close();
    }),
);

test.skipIf(isGiven)('blocks are asked for on Citus → the start is refused', async () => {
  const database = await PostgresDatabase.create(server);
  await standInForCitus(database);
  await expect(database.open({ sealAfterMs: hourMs })).rejects.toThrow(
    'messages cannot be packed into blocks on Citus',
  );
  await database.close();
});

test.skipIf(isGiven)('a program that knows no blocks is connected → nothing is sealed', async () => {
  const database = await PostgresDatabase.create(server);
  const store = await database.open();
  await recordAll(store, spreadOut(60));
  const unaware = await database.hold(`SET application_name = 'sentlog'; SELECT 1`);
  const log = new Database({ url: database.url, schema: 'sentlog', ...pools, observer: new Witness() });
  const sealer = new Sealer(log, new Partitions(log, hourMs, () => {}));
  await expect(sealer.sealBefore(now)).rejects.toThrow(/knows of blocks/);
  expect((await held(database)).slice(1)).toEqual([0, 0]);
  await unaware.end();
  // The newest is in an hour that is not over.
  expect(await sealer.sealBefore(now)).toMatchObject({ messages: 59 });
  expect((await store.find(query({ sentSince: horizon, account }))).logs.length).toBe(60);
  await log.close();
  await database.close();
});

test.skipIf(isGiven)('a frame that is damaged → its messages are told as missing, and all others serve', () =>
  withSealed(async ({ database, store, seal }) => {
    await recordAll(store, spreadOut(300));
    await seal();
    // Of the hour before the last: its first frame has the older half.
    const [newest] = await database.query(
      'SELECT sent_at, number FROM sentlog.block ORDER BY sent_at DESC, number DESC OFFSET 1 LIMIT 1',
    );
    const place = `sent_at = ${newest?.sent_at} AND number = ${newest?.number}`;
    await database.query(
      `UPDATE sentlog.block SET bytes = set_byte(bytes, 40, get_byte(bytes, 40) # 1) WHERE ${place}`,
    );
    const found = idsOf((await store.find(query())).logs);
    const lost = ids(300).filter(id => !found.includes(id));
    expect(lost).toHaveLength(32);
    expect(found).toEqual(ids(300).filter(id => !lost.includes(id)));
    expect((await store.stats()).damaged).toEqual([
      { name: expect.stringMatching(/^block_p/), reason: expect.stringContaining('up to 32 messages') },
    ]);
    const [first = '', last = ''] = [lost[0], lost.at(-1)];
    expect(await store.history(account, first, horizon)).toBeUndefined();
    expect(idsOf((await store.find(query({ filter: { messageId: [first, 'm0', last] } }))).logs)).toEqual(['m0']);
    const range = summaryRange({}, horizon, now, 4);
    const filter = { sender: String(message('m0').sender) };
    const summary = (since: number) =>
      store.summarize({ account, filter, sentSince: since, range: { ...range, from: since }, budgetMs: 60_000 });
    expect(await summary(horizon)).toMatchObject({ complete: false, total: 268 });
    expect(await summary(now - 20 * 60_000)).toMatchObject({ complete: true, total: 21 });
    // It may come again, as one that was dropped may; a report waits for that.
    expect(await record(store, [report(first), report('m0')])).toEqual(outcome({ waiting: 1, updated: 1 }));
    expect(await record(store, [message(last)])).toEqual(outcome({ recorded: 1 }));
    expect(idsOf((await store.find(query({ filter: { messageId: last } }))).logs)).toEqual([last]);
    await store.dropBefore(now);
    expect((await store.stats()).damaged).toEqual([]);
  }),
);

test.skipIf(isGiven)(
  'stopped while it waits for a table that another program holds → ends at once, and goes on later',
  () =>
    withSealed(async ({ database, store, seal }) => {
      await recordAll(store, spreadOut(100));
      const held = await database.hold('BEGIN; LOCK TABLE sentlog.message IN ACCESS EXCLUSIVE MODE');
      const log = new Database({ url: database.url, schema: 'sentlog', ...pools, observer: new Witness() });
      const sealer = new Sealer(log, new Partitions(log, hourMs, () => {}), { announceMs: 0 });
      const sealing = sealer.sealBefore(now);
      const waiting = `SELECT count(*)::integer AS count FROM pg_locks WHERE NOT granted AND relation IS NOT NULL`;
      await until(async () => Number((await database.query(waiting))[0]?.count) > 0);
      sealer.stop();
      expect(await sealing).toEqual({ messages: 0, blocks: 0 });
      await held.end();
      await log.close();
      expect(await seal()).toMatchObject({ messages: 100 });
    }),
);
