import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Submission } from '../../../src/domain/message.ts';
import { summaryRange } from '../../../src/domain/summary.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { migrations } from '../../../src/postgres/migrations.ts';
import { spreadAccount } from '../../../src/store/postgres/layout/spreading.ts';
import { sliceIndexOf } from '../../../src/store/postgres/rows/slices.ts';
import { type DatabaseServer, databaseServer, isGiven } from '../../support/database-server.ts';
import { runs } from '../../support/properties.ts';
import { follow } from '../conformance/changes.ts';
import {
  account,
  delivered,
  horizon,
  hourMs,
  idsOf,
  message,
  now,
  outcome,
  query,
  record,
  recordAll,
} from '../conformance/engine.ts';
import { type PostgresDatabase, pick } from './database.ts';
import { Broken, ids, onSealed, report, type Sealed, spreadOut } from './sealed-store.ts';

let server: DatabaseServer;

beforeAll(async () => {
  server = await databaseServer(['fsync=off', 'full_page_writes=off']);
});
afterAll(() => server.remove());

const withSealed = (work: (sealed: Sealed) => Promise<void>) => onSealed(server, work);

/** Keys that are rows, and rows of folded keys. */
async function keysHeld(database: PostgresDatabase): Promise<readonly unknown[]> {
  const count = async (table: string) => (await database.query(`SELECT FROM sentlog.${table}`)).length;
  return [await count('message_key'), await count('folded_key')];
}

test.skipIf(isGiven)(
  'keys of a closed generation are folded → ids are known, each is one message, and reports find it',
  () =>
    withSealed(async ({ database, store, seal, fold }) => {
      const other = await database.open();
      await recordAll(store, spreadOut(300));
      await seal();
      const unaware = await database.hold(`SET application_name = 'sentlog'; SELECT 1`);
      await expect(fold()).rejects.toThrow(/knows of folded keys/);
      await unaware.end();
      await fold();
      expect(await keysHeld(database)).toEqual([0, 3]);
      for (const round of [1, 2]) {
        expect(await record(store, spreadOut(310).slice(round * 5))).toMatchObject({ recorded: round === 1 ? 10 : 0 });
        expect(idsOf((await store.find(query())).logs).slice(0, 300)).toEqual(ids(300));
        const filter = { messageId: ['m299', 'no', 'm5'] };
        expect(idsOf((await store.find(query({ filter }))).logs)).toEqual(['m5', 'm299']);
        const status = round === 1 ? delivered : { ...delivered, seenAt: now };
        const reports = Array.from({ length: 20 }, (_, i) =>
          [store, other].map((one, j) =>
            record(one, [
              { messageId: `m${(i + 10 * j) % 20}`, status: delivered },
              { messageId: `unheard${i}`, status },
            ]),
          ),
        );
        const outcomes = await Promise.all(reports.flat());
        expect(outcomes.reduce((sum, one) => sum + one.updated, 0)).toBe(round === 1 ? 20 : 0);
        expect((await store.history(account, 'm7', horizon))?.timeline).toHaveLength(2);
        await fold();
        // Nothing came of the second round, so its generation goes on.
        if (round === 1) expect((await keysHeld(database))[0]).toBe(0);
      }
      await store.dropBefore(now + 2 * hourMs);
      expect((await keysHeld(database))[1]).toBe(0);
      expect(await record(other, [message('m5')])).toEqual(outcome({ recorded: 1 }));
    }),
);

test.skipIf(isGiven)(
  'a database of before that holds sealed messages → is taken over, folded, and refused to older ones',
  () =>
    withSealed(async ({ database, store, seal, fold }) => {
      await recordAll(store, spreadOut(40));
      await seal();
      await store.close();
      await database.query('DROP TABLE sentlog.folded_key; ALTER TABLE sentlog.generation DROP COLUMN folded_at');
      const before = migrations.slice(
        0,
        migrations.findIndex(({ name }) => name === 'folded keys'),
      );
      await database.query(`DELETE FROM sentlog.migration WHERE number > ${before.length}`);
      const target = { url: database.url, schema: 'sentlog' };
      const stores = await database.openSeveral(2);
      const older = () => migrate(target, () => {}, before);
      expect(await older()).toEqual([]);
      await fold();
      expect(await keysHeld(database)).toEqual([0, 1]);
      await expect(older()).rejects.toThrow(/migrated by a newer sentlog/);
      const again = [...spreadOut(40), ...ids(40).map(report)];
      expect(await record(pick(stores, 0), again)).toEqual(outcome({ updated: 40, unchanged: 40 }));
      expect(await record(pick(stores, 1), again)).toEqual(outcome({ unchanged: 80 }));
    }),
);

test.skipIf(isGiven)('two ids have one hash → each is its own message', () =>
  withSealed(async ({ database, store, seal, fold }) => {
    await recordAll(store, [message('m5'), message('m6', { sentAt: now - 1 })]);
    await seal();
    await fold();
    await database.query(`UPDATE sentlog.folded_key SET hashes = ARRAY[hashtext('m5'), hashtext('m5')]`);
    expect((await store.history(account, 'm5', horizon))?.log.messageId).toBe('m5');
    expect(idsOf((await store.find(query({ filter: { messageId: 'm5' } }))).logs)).toEqual(['m5']);
    expect(await record(store, [message('m5'), report('m5')])).toEqual(outcome({ updated: 1, unchanged: 1 }));
    await database.query(
      `UPDATE sentlog.folded_key SET hashes = ARRAY[hashtext('m9'), hashtext('m9')], last_id = 'm9'`,
    );
    expect(await store.history(account, 'm9', horizon)).toBeUndefined();
    expect(await record(store, [message('m9'), report('m9')])).toEqual(outcome({ recorded: 1, updated: 1 }));
    expect(idsOf((await store.find(query({ filter: { messageId: ['m9'] } }))).logs)).toEqual(['m9']);
  }),
);

test.skipIf(isGiven)('many ids were made to have one hash → each is its own message', () =>
  withSealed(async ({ database, store, seal, fold }) => {
    await recordAll(store, spreadOut(20));
    await seal();
    await fold();
    await database.query(
      `UPDATE sentlog.folded_key SET hashes = array_fill(hashtext('m0'), ARRAY[20]), last_id = 'm9'`,
    );
    expect((await store.history(account, 'm0', horizon))?.log.messageId).toBe('m0');
    expect(await record(store, [...spreadOut(1), report('m0')])).toEqual(outcome({ updated: 1, unchanged: 1 }));
  }),
);

test.skipIf(isGiven)('an older layout has a message with the hash of an id → the id is its own message', () =>
  withSealed(async ({ database, store, seal, fold }) => {
    const [old = '', free = ''] = ids(20).filter(id => sliceIndexOf(id, 2) === 1);
    await recordAll(store, [message(old), message('m20', { sentAt: now - 1 })]);
    await seal();
    await fold();
    const target = { url: database.url, schema: 'sentlog' };
    await spreadAccount(target, { account, slices: 2, announceMs: 0 });
    const haveHashOf = (id: string) =>
      database.query(`UPDATE sentlog.folded_key SET hashes = array_fill(hashtext('${id}'), ARRAY[2]), last_id = 'm9'`);
    await haveHashOf(old);
    // Recorded before its layout is heard of, and when it is.
    for (const counts of [{ updated: 1, unchanged: 1 }, { unchanged: 2 }])
      expect(await record(store, [message(old), report(old)])).toEqual(outcome(counts));
    await haveHashOf(free);
    expect(await record(store, [message(free), report(free)])).toEqual(outcome({ recorded: 1, updated: 1 }));
    expect(await record(store, [message(free), report(free)])).toEqual(outcome({ unchanged: 2 }));
  }),
);

test.skipIf(isGiven)('retention drops one generation → its ids are free, and others are known and folded', () =>
  withSealed(async ({ database, store, seal, fold }) => {
    const advance = () => expect(fold(1, { statement: 0, isDone: false })).rejects.toThrow(Broken);
    const [late, early] = [ids(40).slice(0, 20), ids(40).slice(20)];
    const sent = (of: readonly string[], sentAt: number) => of.map(id => message(id, { sentAt }));
    await recordAll(store, sent(late, now));
    await advance();
    await recordAll(store, sent(early, now - 9 * hourMs));
    await advance();
    await recordAll(store, [message('last', { sentAt: now })]);
    await advance();
    await seal();
    for (const isFolded of [false, true]) {
      await store.dropBefore(now - 5 * hourMs);
      expect(idsOf((await store.find(query({ filter: { messageId: ids(40) } }))).logs)).toEqual(late.toReversed());
      expect(await record(store, sent(late, now))).toEqual(outcome({ unchanged: 20 }));
      await fold();
      if (!isFolded) expect(await keysHeld(database)).toEqual([0, 2]);
      else await recordAll(store, sent(early, now));
    }
    expect(await record(store, [...late, ...early].map(report))).toEqual(outcome({ updated: 40 }));
  }),
);

/** Messages and reports that two processes record at once, and what comes of the folding that goes on beside them. */
const anyRound = fc.record({
  records: fc.array(
    fc.record({ store: fc.nat(1), id: fc.nat(19), does: fc.constantFrom('message', 'report', 'both') }),
    { maxLength: 24 },
  ),
  endings: fc.array(fc.record({ statement: fc.nat(24), isDone: fc.boolean() }), { maxLength: 2 }),
  keysAtOnce: fc.constantFrom(1, 7, 1000),
  isSealed: fc.boolean(),
});
type Round = typeof anyRound extends fc.Arbitrary<infer R> ? R : never;

test.skipIf(isGiven)(
  'folding ends at any statement while two processes record → nothing is lost and nothing is there twice',
  () =>
    withSealed(async ({ database, store, seal, fold }) => {
      const stores = [store, await database.open()];
      let accounts = 100;
      const property = async (rounds: readonly Round[]) => {
        const own = ++accounts;
        const [messaged, reported] = [new Set<number>(), new Set<number>()];
        let recorded = 0;
        for (const { records, endings, keysAtOnce, isSealed } of rounds) {
          const submissionsOf = ({ id, does }: (typeof records)[number]): Submission[] => [
            ...(does === 'report' ? [] : [message(`m${id}`, { sentAt: now - id * 60_000 })]),
            ...(does === 'message' ? [] : [report(`m${id}`)]),
          ];
          const recording = records.map(async one => {
            const done = await record(pick(stores, one.store), submissionsOf(one), { account: own });
            expect(done.rejected).toEqual([]);
            recorded += done.recorded;
          });
          for (const { id, does } of records) {
            if (does !== 'report') messaged.add(id);
            if (does !== 'message') reported.add(id);
          }
          const folding = (async () => {
            if (isSealed) await seal();
            for (const ending of endings) {
              const broken = fold(keysAtOnce, ending).catch(error => expect(error).toBeInstanceOf(Broken));
              await Promise.all([broken, fold(keysAtOnce)]);
            }
          })();
          await Promise.all([...recording, folding]);
          for (const one of stores) {
            const all = (await one.find(query({ account: own }))).logs;
            const known = [...messaged].sort((a, b) => a - b);
            expect(idsOf(all)).toEqual(known.map(id => `m${id}`));
            const messageId = ids(20);
            const byId = (await one.find(query({ account: own, filter: { messageId } }))).logs;
            expect(byId).toEqual(all);
            for (const log of all) {
              const { timeline, log: found } = (await one.history(own, log.messageId, horizon)) ?? {};
              expect(found).toEqual(log);
              expect(timeline).toHaveLength(reported.has(Number(log.messageId.slice(1))) ? 2 : 1);
            }
          }
        }
        expect(recorded).toBe(messaged.size);
      };
      await fc.assert(fc.asyncProperty(fc.array(anyRound, { minLength: 2, maxLength: 4 }), property), {
        numRuns: runs(24),
      });
      await fold();
    }),
);

test.skipIf(isGiven)('recordings of a closed generation → small, and whoever follows or counts is told the same', () =>
  withSealed(async ({ database, store, seal, fold }) => {
    const { next } = await store.changes({ account, sentSince: horizon, limit: 1000 });
    await recordAll(store, spreadOut(600));
    await record(store, ids(300).map(report));
    await seal();
    const told = async () => {
      const range = summaryRange({}, horizon, now + 1, 10);
      const summary = await store.summarize({ account, filter: {}, sentSince: horizon, range, budgetMs: 60_000 });
      return [summary, (await store.stats()).messages];
    };
    const bytes = async () => {
      const [row] = await database.query(
        `SELECT sum(pg_column_size(r.*))::integer AS bytes, bool_and(r.minutes = '[]') AS all FROM sentlog.recording_g1 r`,
      );
      return [Number(row?.bytes), row?.all] as const;
    };
    const [before] = await bytes();
    // Nothing goes before it counts.
    await fold();
    expect((await bytes())[1]).toBe(false);
    const { changes, next: end } = await follow(store, next);
    await store.dropBefore(0);
    const expected = await told();
    await fold();
    const [after, isAll] = await bytes();
    expect(isAll).toBe(true);
    expect(after).toBeLessThan(before / 2);
    expect((await follow(store, next, { until: end })).changes).toEqual(changes);
    expect(changes).toHaveLength(900);
    expect(await told()).toEqual(expected);
    await fold();
    expect((await bytes())[0]).toBe(after);
  }),
);
