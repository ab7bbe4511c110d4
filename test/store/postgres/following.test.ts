import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Submission } from '../../../src/domain/message.ts';
import { minuteMs, summaryRange } from '../../../src/domain/summary.ts';
import { type Bookmark, type Change, InvalidBookmark, type Store } from '../../../src/store/store.ts';
import { anyReport, present } from '../../support/arbitraries.ts';
import { type DatabaseServer, databaseServer } from '../../support/database-server.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { runs } from '../../support/properties.ts';
import { until, Witness } from '../../support/sqlite-log.ts';
import {
  account,
  delivered,
  enroute,
  horizon,
  hourMs,
  message,
  messages,
  now,
  query,
  record,
  recordAll,
  rejected,
} from '../conformance/engine.ts';
import { PostgresDatabase, pick } from './database.ts';

let server: DatabaseServer;
let database: PostgresDatabase;

beforeAll(async () => {
  server = await databaseServer(['fsync=off']);
  return () => server.remove();
});

beforeEach(async () => {
  database = await PostgresDatabase.create(server);
});
afterEach(() => database.close());

const changesAfter = (store: Store, after?: Bookmark, limit = 1000) =>
  store.changes({ account, sentSince: horizon, limit, ...(after !== undefined && { after }) });
const placeNow = async (store: Store) => (await changesAfter(store)).next;

/** Follows the log as somebody does who is connected now to this process, now to that. */
class Follower {
  readonly taken: Change[] = [];
  #place: Bookmark;

  constructor(place: Bookmark) {
    this.#place = place;
  }

  async take(store: Store, limit = 1000): Promise<void> {
    for (let more = true; more; ) {
      const answer = await changesAfter(store, this.#place, limit);
      this.taken.push(...answer.changes);
      this.#place = answer.next;
      more = answer.more;
    }
  }

  get shown(): readonly string[] {
    return this.taken.map(({ log }) => `${log.messageId} ${log.status.groupName}`);
  }
}

describe('following what several processes record', () => {
  it('a recording that began before another and ends after it → both are given, once', async () => {
    const [first, second] = [await database.open(), await database.open()];
    await recordAll(first, [message('held')]);
    const follower = new Follower(await placeNow(first));
    const hold = await database.hold('SELECT FROM message WHERE account_id = 1 FOR UPDATE');
    const late = record(second, [message('late'), { messageId: 'held', status: rejected }]);
    await database.someoneWaits();
    await recordAll(first, messages(3));
    await follower.take(first);
    await hold.end();
    await late;
    await follower.take(second);
    expect(follower.shown.toSorted()).toEqual(
      ['m0 PENDING', 'm1 PENDING', 'm2 PENDING', 'late PENDING', 'held REJECTED'].toSorted(),
    );
  });

  it('another account’s recording that began earlier ends → the bytes of a walk’s beginning stay as they are', async () => {
    const store = await database.open();
    const other = { account: 2 };
    await recordAll(store, messages(1), other);
    await recordAll(store, messages(4));
    const walks = async () => (await store.find(query({ limit: 2, walk: true }))).next;
    const hold = await database.hold('SELECT FROM message_key WHERE account_id = 2 FOR UPDATE');
    const reporting = record(store, [{ messageId: 'm0', status: delivered }], other);
    await until(() => database.waits());
    await recordAll(store, [message('newer')]);
    const before = await walks();
    await hold.end();
    await reporting;
    expect(before).toBeDefined();
    expect(await walks()).toBe(before);
    await record(store, [{ messageId: 'm0', status: enroute, at: now }]);
    expect(await walks()).not.toBe(before);
  });

  it('an own recording that began earlier ends while a walk goes on → the walk shows nothing of it', async () => {
    const store = await database.open();
    await recordAll(
      store,
      messages(3, i => ({ sentAt: now - i * 1000 })),
    );
    const hold = await database.hold("SELECT FROM message_key WHERE message_id = 'm2' FOR UPDATE");
    const reporting = record(store, [{ messageId: 'm2', status: rejected }]);
    await until(() => database.waits());
    await recordAll(store, [message('newer', { sentAt: now })]);
    const filter = { generalStatus: 'PENDING' } as const;
    const first = await store.find(query({ filter, limit: 2, walk: true }));
    await hold.end();
    await reporting;
    if (first.next === undefined) throw new Error('one page');
    const rest = await store.find(query({ filter, limit: 5, after: first.next }));
    expect([...first.logs, ...rest.logs].map(({ messageId }) => messageId).sort()).toEqual(['m0', 'm1', 'm2', 'newer']);
  });

  it.each<[string, (store: Store, signal: AbortSignal) => Promise<unknown>]>([
    ['page', (store, signal) => store.render(query({ limit: 5 }), 'json', signal)],
    ['walk', (store, signal) => store.render(query({ limit: 5, walk: true }), 'json', signal)],
    ['filtered page', (store, signal) => store.render(query({ filter: { sender: ['a', 'b'] } }), 'ndjson', signal)],
    [
      'counted summary',
      (store, signal) => {
        const range = summaryRange({ sentSince: horizon }, horizon, now, 7);
        const filter = { sender: 'a' };
        return store.summarize({ account, filter, sentSince: horizon, range, budgetMs: 60_000 }, signal);
      },
    ],
  ])(
    'the caller of a %s goes while the database works → its statement ends, and nobody is told of a failure',
    async (_, ask) => {
      const witness = new Witness();
      const store = await database.open({ observer: witness });
      await recordAll(store, messages(10));
      // Upkeep may wait as well.
      const reading = () =>
        database.query(
          `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FROM message%account_id%'`,
        );
      const hold = await database.hold('LOCK TABLE message IN ACCESS EXCLUSIVE MODE');
      try {
        const gone = new AbortController();
        const asking = ask(store, gone.signal);
        await database.someoneWaits();
        const reason = new Error('gone');
        gone.abort(reason);
        await expect(asking).rejects.toBe(reason);
        await until(async () => (await reading()).length === 0);
      } finally {
        await hold.end();
      }
      expect((await store.find(query({ limit: 5 }))).logs).toHaveLength(5);
      expect(witness.notes.filter(note => /cancel|fail|broke|cannot/.test(note))).toEqual([]);
    },
  );

  it('another program’s transaction does not end → holds nobody up, and brings back nothing to who begins to follow', async () => {
    const store = await database.open();
    const before = new Follower(await placeNow(store));
    const hold = await database.hold('SELECT pg_current_xact_id()');
    try {
      await recordAll(store, messages(3));
      const after = new Follower(await placeNow(store));
      await recordAll(store, [message('m3')]);
      for (const [follower, count] of [[before, 4] as const, [after, 1] as const])
        await until(async () => {
          await follower.take(store);
          return follower.taken.length >= count;
        });
      expect([before.shown.length, after.shown]).toEqual([4, ['m3 PENDING']]);
    } finally {
      await hold.end();
    }
  });

  it('recorded by four processes at once, followed through all of them → every step once, and in order', async () => {
    const all = await database.openSeveral(4);
    const followers = await Promise.all(all.map(async store => new Follower(await placeNow(store))));
    const recorders = all.map(async (store, i) => {
      for (let round = 0; round < 15; round++) {
        await recordAll(
          store,
          messages(20, j => ({ messageId: `${i} ${round} ${j}`, sentAt: now - (round + 1) * minuteMs })),
        );
        const reports = messages(10, j => ({ messageId: `${i} ${round} ${j}` }));
        await record(
          pick(all, i + 1),
          reports.map(({ messageId }) => ({ messageId, status: enroute, at: now })),
        );
        await record(
          pick(all, i + 2),
          reports.map(({ messageId }) => ({ messageId, status: delivered, at: now })),
        );
      }
    });
    let going = true;
    const following = followers.map(async (follower, i) => {
      for (let turn = i; going; turn++) await follower.take(pick(all, turn), 37);
    });
    await Promise.all(recorders);
    going = false;
    await Promise.all(following);
    for (const follower of followers) {
      await follower.take(pick(all, 0));
      const steps = Map.groupBy(follower.taken, ({ log }) => log.messageId);
      expect(steps.size).toBe(4 * 15 * 20);
      for (const [messageId, changes] of steps) {
        const reported = Number(messageId.split(' ')[2]) < 10 ? ['PENDING_ENROUTE', 'DELIVERED_TO_HANDSET'] : [];
        expect(changes.map(({ log }) => log.status.name)).toEqual(['PENDING_ACCEPTED', ...reported]);
      }
    }
  });

  it('generations begin and are dropped meanwhile → nothing inside retention is missed', async () => {
    const store = await database.open({ generationMs: 0, upkeepMs: 10 });
    const follower = new Follower(await placeNow(store));
    const newest = async () =>
      (await database.query('SELECT max(number) AS generations FROM sentlog.generation'))[0]?.generations;
    for (let round = 0; round < 10; round++) {
      await recordAll(store, [message(`m${round}`, { sentAt: round % 2 === 0 ? now - 1 : horizon })]);
      await until(async () => Number(await newest()) > round / 3);
      await record(store, [{ messageId: 'm0', seenAt: now + round }]);
    }
    await store.dropBefore(horizon + hourMs);
    await follower.take(store);
    const ids = follower.taken.map(({ log }) => log.messageId);
    expect(new Set(ids)).toEqual(new Set(['m0', 'm2', 'm4', 'm6', 'm8']));
    expect(await newest()).toBeGreaterThan(2);
  });

  it('the log restored on another server → a place goes on; one of what was lost is none', async () => {
    const store = await database.open();
    await recordAll(store, messages(3));
    const [{ system_identifier: identity } = {}] = await database.query('SELECT system_identifier FROM sentlog.era');
    const follower = new Follower(await placeNow(store));
    await recordAll(store, [message('before')]);
    await store.close();
    await database.query(`UPDATE sentlog.era SET system_identifier = 'another'`);
    const restored = await database.open();
    await recordAll(restored, [message('after')]);
    await follower.take(restored);
    expect(follower.shown).toEqual(['before PENDING', 'after PENDING']);
    const ahead = await placeNow(restored);
    await restored.close();
    await database.query(`DELETE FROM sentlog.era WHERE number = 2`);
    await database.query(`UPDATE sentlog.era SET system_identifier = '${identity}'`);
    const older = await database.open();
    await expect(changesAfter(older, ahead)).rejects.toThrow(InvalidBookmark);
  });

  it('somebody watches → woken for what other processes record, also when it ends late', async () => {
    const [first, second] = [await database.open(), await database.open()];
    await recordAll(second, [message('held')]);
    let woken = 0;
    const end = first.watch(account, () => woken++);
    await until(() => woken > 0);
    const hold = await database.hold('SELECT FROM message WHERE account_id = 1 FOR UPDATE');
    const late = record(second, [{ messageId: 'held', status: rejected }]);
    await database.someoneWaits();
    const follower = new Follower(await placeNow(first));
    woken = 0;
    await hold.end();
    await late;
    await until(() => woken > 0);
    await follower.take(first);
    expect(follower.shown).toEqual(['held REJECTED']);
    end();
  });
});

const anyId = fc.nat({ max: 20 }).map(i => `m${i}`);
const anyMoment = fc.integer({ min: -130, max: 4 }).map(minutes => now + minutes * minuteMs + (minutes % 3) * 7919);
const anySubmission = fc.oneof(
  fc
    .record({ messageId: anyId, sentAt: anyMoment, sender: fc.constantFrom('s', 't') })
    .map(({ messageId, ...fields }) => message(messageId, present(fields))),
  fc.tuple(anyId, anyReport).map(([messageId, report]): Submission => ({ messageId, ...report })),
);

describe('summaries of what several processes record', () => {
  it('a server took over that lacks the last account → it is summed up again', async () => {
    const [store] = await database.openSeveral(1);
    if (store === undefined) throw new Error('no store');
    await recordAll(store, [message('m1')]);
    await database.query('DELETE FROM sentlog.summed');
    await recordAll(store, [message('m2')]);
    await until(async () => {
      const [{ summed } = {}] = await database.query(
        `SELECT count(*)::integer AS summed FROM sentlog.summed WHERE account_id = ${account} AND until_tx > 0`,
      );
      return summed === 1;
    });
  });

  it('recorded and added up by all of them → the figures of the reference store', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(anySubmission, { minLength: 1, maxLength: 30 }), { minLength: 2, maxLength: 6 }),
        fc.array(fc.tuple(anyMoment, anyMoment), { minLength: 4, maxLength: 4 }),
        async (batches, ranges) => {
          const own = await PostgresDatabase.create(server);
          const all = await own.openSeveral(2);
          const model = new MemoryStore();
          try {
            for (const [i, batch] of batches.entries()) {
              await record(pick(all, i), batch);
              await record(model, batch);
              // Dropping what nobody has adds up what everybody recorded.
              if (i % 2 === 0) await Promise.all(all.map(store => store.dropBefore(horizon)));
            }
            for (const [a, b] of ranges) {
              const filter = { sentSince: Math.min(a, b), sentUntil: Math.max(a, b) };
              for (const asked of [filter, { sentSince: filter.sentSince }, {}]) {
                const range = summaryRange(asked, horizon, now, 13);
                const summary = { account, filter: asked, sentSince: horizon, range, budgetMs: 60_000 };
                expect(await pick(all, 1).summarize(summary)).toEqual(await model.summarize(summary));
              }
            }
          } finally {
            await own.close();
          }
        },
      ),
      { numRuns: runs(10) },
    );
  });

  it('the figures took all of the budget → the breakdown has no other one', async () => {
    const store = await database.open();
    await recordAll(store, messages(10));
    // A part of a minute is counted.
    const range = summaryRange({ sentSince: horizon + 30_000 }, horizon, now, 7);
    const asked = { account, filter: {}, sentSince: horizon, range, budgetMs: 60_000 };
    const hold = await database.hold('LOCK TABLE message IN ACCESS EXCLUSIVE MODE');
    const clock = performance.now.bind(performance);
    onTestFinished(() => void vi.restoreAllMocks());
    const summing = store.summarize({ ...asked, by: ['sender'] });
    await until(async () => {
      const waiting = await database.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%GROUPING(%'`,
      );
      return waiting.length > 0;
    });
    vi.spyOn(performance, 'now').mockImplementation(() => clock() + 60_000);
    await hold.end();
    const summary = await summing;
    expect(summary).toMatchObject({ complete: false, total: 10 });
    expect(summary).not.toHaveProperty('breakdown');
  });

  it('added up while others record → no moment at which anything is missing or counted twice', async () => {
    const all = await database.openSeveral(3);
    let recorded = 0;
    const totals: (readonly [least: number, total: number | undefined, most: number])[] = [];
    let going = true;
    const recording = (async () => {
      for (let i = 0; going && (i < 60 || totals.length <= 3); i++) {
        await recordAll(
          pick(all, i),
          messages(10, j => ({ messageId: `${i} ${j}`, sentAt: now - j * minuteMs })),
        );
        recorded += 10;
      }
    })();
    const adding = (async () => {
      while (going) await pick(all, 0).dropBefore(horizon);
    })();
    const range = summaryRange({}, horizon, now, 48);
    const asked = { account, filter: {}, sentSince: horizon, range, budgetMs: 60_000 };
    const summing = (async () => {
      while (going) {
        const least = recorded;
        const { total } = await pick(all, 1).summarize(asked);
        totals.push([least, total, recorded + 10]);
      }
    })();
    const work = [recording, adding, summing];
    try {
      await Promise.race([recording, Promise.all([adding, summing])]);
    } finally {
      // What fails ends the others, too: recording would wait for sums for ever.
      going = false;
      await Promise.allSettled(work);
    }
    await Promise.all(work);
    for (const [least, total = Number.NaN, most] of totals) {
      expect(total).toBeGreaterThanOrEqual(least);
      expect(total).toBeLessThanOrEqual(most);
    }
  });
});
