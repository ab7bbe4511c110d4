import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { lockKey } from '../../../src/postgres/locks.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { migrations } from '../../../src/postgres/migrations.ts';
import { spreadAccount, spreadAccounts } from '../../../src/store/postgres/layout/spreading.ts';
import { sliceAt, sliceIndexOf } from '../../../src/store/postgres/rows/slices.ts';
import type { Change, RecordOutcome, Store } from '../../../src/store/store.ts';
import { type DatabaseServer, databaseServer } from '../../support/database-server.ts';
import { until } from '../../support/sqlite-log.ts';
import {
  account,
  delivered,
  findIds,
  horizon,
  hourMs,
  idsOf,
  message,
  messages,
  now,
  outcome,
  query,
  record,
  recordAll,
  walk,
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

const target = () => ({ url: database.url, schema: 'sentlog' });
/** At once: sound where every store is opened, or records, only afterwards. */
const spreadAtOnce = (slices: number) => spreadAccount(target(), { account, slices, announceMs: 0 });
/** Another session that `spreadAccount` takes for one of a server. */
const knowing = `SELECT pg_advisory_lock_shared(${lockKey('knowsLayouts')})`;

async function slicesUsed(): Promise<readonly number[]> {
  const rows = await database.query('SELECT DISTINCT account_id AS slice FROM sentlog.message ORDER BY 1');
  return rows.map(({ slice }) => Number(slice));
}

/** Every change of the log since a place, through whichever store. */
async function follow(stores: readonly Store[], place: string, limit = 37): Promise<readonly Change[]> {
  const changes: Change[] = [];
  for (let [after, turn] = [place, 0]; ; turn++) {
    const answer = await pick(stores, turn).changes({ account, sentSince: horizon, limit, after });
    changes.push(...answer.changes);
    after = answer.next;
    if (!answer.more) return changes;
  }
}

describe('an account that is spread while servers run', () => {
  it('two stores record, report, walk and follow meanwhile → nothing lost, nothing twice, every walk exact', async () => {
    const stores = await database.openSeveral(2, { poolSize: 6 });
    const { next } = await pick(stores, 0).changes({ account, sentSince: horizon, limit: 1 });
    const answered = new Set<string>();
    const answers: RecordOutcome[] = [];
    let going = true;
    // Each round is recorded by both, in another order, and reported on some rounds later.
    const recording = stores.map(async (store, i) => {
      for (let round = 0; going; round++) {
        const batch = messages(24, j => ({ messageId: `${round} ${j}`, sentAt: now - ((round + j) % 50) * 60_000 }));
        answers.push(await record(store, i === 0 ? batch : batch.toReversed()));
        for (const { messageId } of batch) answered.add(messageId);
        const reported = messages(24, j => ({ messageId: `${Math.max(0, round - 20)} ${j}` }));
        await record(
          store,
          reported.map(({ messageId }) => ({ messageId, status: delivered, at: now })),
        );
      }
    });
    const walking = stores.map(async store => {
      while (going) {
        const before = [...answered];
        const ids = idsOf(await walk(store, { limit: 400 }));
        expect(new Set(ids).size).toBe(ids.length);
        const found = new Set(ids);
        expect(before.filter(id => !found.has(id))).toEqual([]);
      }
    });
    const spreading = (async () => {
      await until(async () => answered.size > 300);
      for (const slices of [5, 3]) expect(await spreadAccount(target(), { account, slices })).toBe(true);
      const { size } = answered;
      await until(async () => answered.size > size + 300);
    })().finally(() => {
      going = false;
    });
    await Promise.all([...recording, ...walking, spreading]);
    const total = answers.reduce((sum, one) => sum + one.recorded, 0);
    expect(total).toBe(answered.size);
    expect(answers.flatMap(one => one.rejected)).toEqual([]);
    expect(await database.query('SELECT message_id FROM sentlog.message GROUP BY 1 HAVING count(*) > 1')).toEqual([]);
    expect(await slicesUsed()).toEqual([0, 1, 2, 3, 4].map(index => sliceAt(account, index)));
    expect((await pick(stores, 1).stats()).messages).toBe(answered.size);
    const shown = (await follow(stores, next)).map(({ log }) => `${log.messageId} ${log.status.groupName}`);
    expect(new Set(shown).size).toBe(shown.length);
    expect(shown.filter(one => one.endsWith('PENDING'))).toHaveLength(answered.size);
    const ids = idsOf(await walk(pick(stores, 0), { filter: { generalStatus: 'DELIVERED' } }));
    expect(shown.filter(one => one.endsWith('DELIVERED')).toSorted()).toEqual(
      ids.map(id => `${id} DELIVERED`).toSorted(),
    );
  });

  it('a store that has not looked since before → finds what another recorded in the new slices', async () => {
    const [idle, other] = [await database.open(), await database.open()];
    await recordAll(other, messages(10));
    let woken = 0;
    await spreadAccount(target(), { account, slices: 6 });
    const end = idle.watch(account, () => woken++);
    const { next } = await other.changes({ account, sentSince: horizon, limit: 1 });
    await recordAll(
      other,
      messages(30, i => ({ messageId: `n${i}` })),
    );
    expect(await findIds(idle)).toHaveLength(40);
    expect(await follow([idle], next)).toHaveLength(30);
    for (const id of ['m3', 'n17']) expect((await idle.history(account, id, horizon))?.log.messageId).toBe(id);
    woken = 0;
    await recordAll(other, [message('last')]);
    await until(() => woken > 0);
    end();
  });

  it('a recording is under way when the layout would begin → it ends first, and its id is known afterwards', async () => {
    const [first, second] = [await database.open(), await database.open()];
    await recordAll(first, [message('before')]);
    // Two whose slices are others by the new layout.
    const moved = ['a', 'b', 'c', 'd', 'e'].filter(one => sliceIndexOf(one, 5) > 0);
    const [id, other] = [pick(moved, 0), pick(moved, 1)];
    const hold = await database.hold(`${knowing}; LOCK TABLE message IN SHARE MODE`);
    const early = record(first, [message(id)]);
    await database.someoneWaits();
    const spreading = spreadAtOnce(5);
    await until(() => database.waits('advisory'));
    const late = record(second, [message(id, { sender: 'another' })]);
    await new Promise(resolve => setTimeout(resolve, 50));
    await hold.end();
    expect(await early).toEqual(outcome({ recorded: 1 }));
    expect(await spreading).toBe(true);
    expect((await late).rejected).toHaveLength(1);
    expect(await record(second, [message(id), message('before')])).toEqual(outcome({ unchanged: 2 }));
    expect(await slicesUsed()).toEqual([account]);
    // One store opened by the new layout, one that has heard of none.
    const third = await database.open();
    for (const store of [third, first]) await record(store, [message(other)]);
    expect((await findIds(third)).toSorted()).toEqual([id, other, 'before'].toSorted());
  });

  it('batches of a store that wait when the layout changes → keep their order by id', async () => {
    const store = await database.open({ poolSize: 2 });
    await recordAll(store, [message('before')]);
    const hold = await database.hold(`${knowing}; LOCK TABLE message_key IN EXCLUSIVE MODE`);
    const ids = Array.from({ length: 20 }, (_, i) => `m${i}`);
    const all = [record(store, [message('first')])];
    await database.someoneWaits();
    // Behind the back of the store, as if it had been announced for long.
    await database.query(
      `INSERT INTO sentlog.layout (account_id, slices, begun_at) VALUES (${account}, 1, now()), (${account}, 5, now())`,
    );
    for (const batch of [
      ids.map(id => message(id)),
      ids.map(messageId => ({ messageId, status: delivered, at: now })),
      ids.map(messageId => ({ messageId, seenAt: now })),
    ])
      all.push(record(store, batch));
    await hold.end();
    expect(await Promise.all(all)).toEqual([
      outcome({ recorded: 1 }),
      outcome({ recorded: 20 }),
      outcome({ updated: 20 }),
      outcome({ updated: 20 }),
    ]);
    expect((await slicesUsed()).length).toBe(5);
  });

  it('a batch is being led when the one before it turns out misled → they keep their order by id', async () => {
    const store = await database.open({ poolSize: 2 });
    await spreadAtOnce(5);
    await recordAll(
      store,
      messages(40, i => ({ messageId: `before ${i}` })),
    );
    const hold = await database.hold(`SELECT pg_advisory_xact_lock(${lockKey('generation')})`);
    const ids = Array.from({ length: 20 }, (_, i) => `m${i}`);
    const recording = record(
      store,
      ids.map(id => message(id)),
    );
    await until(() => database.waits('advisory'));
    // It waits for its numbers: the only connection is taken.
    const reporting = record(
      store,
      ids.map(messageId => ({ messageId, status: delivered, at: now })),
    );
    await database.query(`INSERT INTO sentlog.layout (account_id, slices, begun_at) VALUES (${account}, 3, now())`);
    await hold.end();
    expect(await recording).toEqual(outcome({ recorded: 20 }));
    expect(await reporting).toEqual(outcome({ updated: 20 }));
  });

  it('a walk that began before → goes on exactly, also over what has the asked status no more', async () => {
    const store = await database.open();
    await recordAll(store, messages(30));
    const begun = await Promise.all(
      [{}, { generalStatus: 'PENDING' } as const].map(async filter => ({
        filter,
        page: await store.find(query({ filter, walk: true, limit: 7 })),
      })),
    );
    await spreadAtOnce(4);
    await recordAll(
      store,
      messages(30, i => ({ messageId: `n${i}` })),
    );
    const reported = [3, 5, 17].map(i => ({ messageId: `m${i}`, status: delivered, at: now }));
    expect(await record(store, reported)).toEqual(outcome({ updated: 3 }));
    for (const { filter, page } of begun) {
      const logs = [...page.logs];
      for (let after = page.next; after !== undefined; ) {
        const following = await store.find(query({ filter, walk: true, limit: 7, after }));
        logs.push(...following.logs);
        after = following.next;
      }
      expect(idsOf(logs)).toEqual(
        messages(30)
          .map(one => one.messageId)
          .toReversed(),
      );
    }
  });
});

describe('an account that is spread', () => {
  it('records with faults among good ones → told by their places in the batch, as of an account that is not', async () => {
    const stores = [await database.open()];
    await spreadAtOnce(5);
    const store = pick(stores, 0);
    const batch = messages(200).map((one, i) => (i % 7 === 3 ? { messageId: one.messageId, sender: 'alone' } : one));
    const again = [
      ...batch,
      { messageId: 'nobody', status: delivered },
      { messageId: 'm0', status: delivered, at: now },
    ];
    for (const submissions of [batch, again]) {
      const [spread, plain] = [await record(store, submissions), await record(store, submissions, { account: 3 })];
      expect(spread.rejected.length).toBeGreaterThan(20);
      expect(spread).toEqual(plain);
    }
    expect(idsOf((await store.find(query())).logs)).toEqual(idsOf((await store.find(query({ account: 3 }))).logs));
  });

  it('every message of a page in one slice → the page is full, and the walk whole', async () => {
    await migrate(target(), () => {});
    await spreadAtOnce(5);
    const store = await database.open();
    const ids = Array.from({ length: 3000 }, (_, i) => `m${i}`).filter(id => sliceIndexOf(id, 5) === 3);
    await recordAll(
      store,
      ids.map(id => message(id)),
    );
    expect(await slicesUsed()).toEqual([sliceAt(account, 3)]);
    expect(idsOf(await walk(store, { limit: 250 }))).toEqual(ids.toReversed());
  });

  it('messages of an older layout → known where they are, until they are past; then the layout is forgotten', async () => {
    const store = await database.open();
    const sentAt = now - 40 * hourMs;
    await recordAll(
      store,
      messages(20, () => ({ sentAt })),
    );
    await spreadAtOnce(4);
    expect(await spreadAccounts(target())).toEqual([{ account: '1', slices: 4, olderSlices: [1] }]);
    const reports = messages(20).map(({ messageId }) => ({ messageId, status: delivered, at: now }));
    expect(await record(store, reports)).toEqual(outcome({ updated: 20 }));
    expect(await slicesUsed()).toEqual([account]);
    await store.dropBefore(sentAt);
    expect(await spreadAccounts(target())).toMatchObject([{ olderSlices: [1] }]);
    const later = { sentSince: sentAt + hourMs };
    const anew = messages(20, () => ({ sender: 'anew' }));
    expect(await record(store, anew, later)).toEqual(outcome({ recorded: 20 }));
    expect((await slicesUsed()).length).toBe(4);
    await store.dropBefore(sentAt + 2 * hourMs);
    expect(await spreadAccounts(target())).toEqual([{ account: '1', slices: 4, olderSlices: [] }]);
    expect(await record(store, anew, later)).toEqual(outcome({ unchanged: 20 }));
    expect((await store.stats()).messages).toBe(20);
  });

  it('spread anew, and back → as often as there are layouts to be remembered, then refused', async () => {
    const store = await database.open();
    expect(await spreadAtOnce(1)).toBe(false);
    for (const [i, slices] of [2, 3, 1, 4, 1, 3, 2].entries()) {
      expect(await spreadAtOnce(slices)).toBe(true);
      expect(await spreadAtOnce(slices)).toBe(false);
      await recordAll(
        store,
        messages(12, j => ({ messageId: `${i} ${j}` })),
      );
    }
    const all = await findIds(store);
    expect(all).toHaveLength(7 * 12);
    expect(
      await record(
        store,
        all.map(id => message(id)),
      ),
    ).toEqual(outcome({ unchanged: all.length }));
    await spreadAtOnce(5);
    await recordAll(store, [message('last')]);
    await expect(spreadAtOnce(6)).rejects.toThrow('has messages of 8 layouts');
  });
});

describe('programs that know no slices', () => {
  /** They cannot live with later steps either; what is looked at is what they do about this one. */
  const older = async () => {
    await database.query(`UPDATE sentlog.migration SET breaking = false WHERE number > 4`);
    return migrate(target(), () => {}, migrations.slice(0, 3));
  };

  it('one is connected → no account is spread until it is gone', async () => {
    const store = await database.open();
    const hold = await database.hold(`SET application_name = 'sentlog'`);
    await expect(spreadAtOnce(4)).rejects.toThrow(/\d+ \(sentlog\)/);
    expect(await spreadAccounts(target())).toEqual([]);
    await expect(older()).resolves.toEqual([]);
    await hold.end();
    expect(await spreadAtOnce(4)).toBe(true);
    await recordAll(store, messages(3));
  });

  it('one is connected as a user that may not be looked at → no account is spread until it is gone', async () => {
    await migrate(target(), () => {});
    await database.query(
      'CREATE ROLE another LOGIN; GRANT USAGE ON SCHEMA sentlog TO another; GRANT SELECT ON sentlog.layout TO another',
    );
    const hold = await database.hold(`SET application_name = 'sentlog'`);
    const url = server.url(new URL(database.url).pathname.slice(1), 'another');
    const spreading = spreadAccount({ ...target(), url }, { account, slices: 4, announceMs: 0 });
    await expect(spreading).rejects.toThrow(/\d+ \(sentlog\)/);
    await hold.end();
    await database.query('DROP OWNED BY another; DROP ROLE another');
  });

  it('one is started after an account was spread → it refuses to start', async () => {
    await database.open();
    await expect(older()).resolves.toEqual([]);
    await spreadAtOnce(4);
    await expect(older()).rejects.toThrow('newer sentlog (step 4, layouts)');
  });

  it('one connects while it is announced → it is taken back, and works on', async () => {
    await database.open();
    const spreading = spreadAccount(target(), { account, slices: 4, announceMs: 1500 });
    const failed = expect(spreading).rejects.toThrow('Upgrade all servers');
    await until(async () => (await spreadAccounts(target())).length > 0);
    expect(await spreadAccounts(target())).toMatchObject([{ slices: 1, announcedSlices: 4 }]);
    const hold = await database.hold('SELECT 1');
    await failed;
    await hold.end();
    expect(await spreadAccounts(target())).toMatchObject([{ slices: 1 }]);
    await expect(older()).resolves.toEqual([]);
  });
});
