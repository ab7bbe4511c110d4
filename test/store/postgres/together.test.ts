import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Filter } from '../../../src/domain/filter.ts';
import type { LogRecord } from '../../../src/domain/message.ts';
import type { Bookmark, RecordOutcome, Store } from '../../../src/store/store.ts';
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
  rejected,
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

const sum = (answers: readonly RecordOutcome[], count: 'recorded' | 'unchanged') =>
  answers.reduce((total, answer) => total + answer[count], 0);

describe('several stores over one database', () => {
  it('opened all at once on an empty database → the tables are made once', async () => {
    const empty = await PostgresDatabase.createEmpty(server);
    onTestFinished(() => empty.close());
    const all = await empty.openSeveral(5);
    for (const [i, store] of all.entries()) await recordAll(store, [message(`m${i}`)]);
    for (const store of all) expect(await findIds(store)).toHaveLength(5);
  });

  it('the same messages from all of them, in any order → each recorded once', async () => {
    const all = await database.openSeveral(4);
    const batch = messages(300, i => ({ sentAt: now - (i % 5) * hourMs }));
    const shuffled = Array.from({ length: 24 }, (_, i) => batch.toSorted((a, b) => order(i, a.messageId, b.messageId)));
    const answers = await Promise.all(shuffled.map((submissions, i) => record(pick(all, i), submissions)));
    expect([sum(answers, 'recorded'), sum(answers, 'unchanged')]).toEqual([300, 23 * 300]);
    expect((await findIds(pick(all, 1))).toSorted()).toEqual(batch.map(({ messageId }) => messageId).toSorted());
  });

  it('the same messages while generations of ids succeed each other → each recorded once', async () => {
    const all = await database.openSeveral(3, { generationMs: 0, upkeepMs: 15 });
    for (let round = 0; round < 12; round++) {
      const batch = messages(20, i => ({ messageId: `${round} ${i}` }));
      const answers = await Promise.all(Array.from({ length: 9 }, (_, i) => record(pick(all, i), batch)));
      expect([sum(answers, 'recorded'), sum(answers, 'unchanged')]).toEqual([20, 160]);
      expect(
        await record(
          pick(all, round),
          messages(20, i => ({ messageId: `${round >> 1} ${i}` })),
        ),
      ).toEqual(outcome({ unchanged: 20 }));
    }
    await until(async () => {
      const [{ generations } = {}] = await database.query('SELECT max(number) AS generations FROM sentlog.generation');
      return Number(generations) > 2;
    });
    expect(await findIds(pick(all, 0))).toHaveLength(240);
  });

  it('a generation of ids that ends while a recording is under way → its id is claimed for the next one too', async () => {
    const first = await database.open();
    await recordAll(first, [message('before')]);
    const hold = await database.hold('LOCK TABLE message IN SHARE MODE');
    const early = record(first, [message('m')]);
    await database.someoneWaits();
    const second = await database.open({ generationMs: 0, upkeepMs: 10 });
    const generations = 'SELECT max(number) AS newest FROM sentlog.generation';
    await until(async () => {
      const [{ newest } = {}] = await database.query(generations);
      return newest === 2 || (await database.waits('advisory'));
    });
    const late = record(second, [message('m', { sender: 'another' })]);
    await new Promise(resolve => setTimeout(resolve, 50));
    await hold.end();
    expect(await early).toEqual(outcome({ recorded: 1 }));
    expect((await late).rejected).toHaveLength(1);
    expect(await findIds(first)).toEqual(['m', 'before']);
    await until(async () => Number((await database.query(generations))[0]?.newest) > 1);
    expect(await record(second, [message('m')])).toEqual(outcome({ unchanged: 1 }));
  });

  it('different messages with one id → one recorded, the others refused by all', async () => {
    const all = await database.openSeveral(4);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => record(pick(all, i), [message('m', { sender: `s${i}` })])),
    );
    expect(sum(answers, 'recorded')).toBe(1);
    expect(answers.filter(answer => answer.rejected.length === 1)).toHaveLength(19);
  });

  it('reports on the same messages from all of them, in any order → none lost, one history', async () => {
    const all = await database.openSeveral(4);
    await recordAll(pick(all, 0), messages(50));
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const reports = messages(50).map(({ messageId }) => ({ messageId, status: delivered, at: now + i }));
        return record(
          pick(all, i),
          reports.toSorted((a, b) => order(i, a.messageId, b.messageId)),
        );
      }),
    );
    for (const store of all) {
      const history = await store.history(account, 'm17', horizon);
      expect(history?.timeline).toHaveLength(21);
      expect(history?.log.at).toBe(now + 19);
    }
    expect(await pick(all, 2).stats()).toMatchObject({ messages: 50, reports: 1000 });
  });

  it('what one answered → known to the others at once', async () => {
    const all = await database.openSeveral(3);
    for (let i = 0; i < 30; i++) {
      await recordAll(pick(all, i), [message(`m${i}`)]);
      expect(await record(pick(all, i + 1), [{ messageId: `m${i}`, status: delivered }])).toEqual(
        outcome({ updated: 1 }),
      );
      expect(await findIds(pick(all, i + 2), { generalStatus: 'DELIVERED' })).toHaveLength(i + 1);
    }
  });

  it('partitions of another width beside those there are → every message has its place', async () => {
    const first = await database.open();
    const sentAt = (i: number) => now - i * 80_000;
    await recordAll(
      first,
      messages(10, i => ({ sentAt: sentAt(i * 30) })),
    );
    const narrow = await database.open({ partitionMs: 600_000 });
    await recordAll(
      narrow,
      messages(200, i => ({ messageId: `n${i}`, sentAt: sentAt(i) })),
    );
    const wide = await database.open({ partitionMs: 5 * hourMs });
    await recordAll(
      wide,
      messages(200, i => ({ messageId: `w${i}`, sentAt: sentAt(i) })),
    );
    expect(await findIds(first)).toHaveLength(410);
    const cut = now - 2 * hourMs;
    const inside = (await first.find(query({ sentSince: cut }))).logs;
    await wide.dropBefore(cut);
    expect((await narrow.find(query({ sentSince: cut }))).logs).toEqual(inside);
    expect(inside.length).toBeGreaterThan(150);
    expect(inside.length).toBeLessThan(250);
  });

  it('a time for which only messages have a partition → reports get theirs with the next message', async () => {
    await recordAll(await database.open(), [message('m')]);
    // As two processes with partitions of other widths may leave it.
    for (const { name } of await database.query(
      `SELECT inhrelid::regclass AS name FROM pg_inherits WHERE inhparent = 'sentlog.report'::regclass`,
    ))
      await database.query(`DROP TABLE ${name}`);
    const store = await database.open();
    await recordAll(store, [message('n')]);
    const reports = ['m', 'n'].map(messageId => ({ messageId, status: delivered }));
    expect(await record(store, reports)).toEqual(outcome({ updated: 2 }));
  });
});

/** One of many orders of the same texts. */
function order(seed: number, a: string, b: string): number {
  const rank = (text: string) =>
    [...text].reduce((hash, char) => (hash * (31 + seed) + char.charCodeAt(0)) % 9973, seed);
  return rank(a) - rank(b) || (a < b ? -1 : 1);
}

describe('walks beside other processes', () => {
  it('a recording that was under way when the walk began and ends later → not in the walk', async () => {
    const first = await database.open();
    const second = await database.open();
    await recordAll(first, [message('held', { sentAt: now - 9 })]);
    const hold = await database.hold('SELECT FROM message WHERE account_id = 1 FOR UPDATE');
    const late = record(second, [message('late', { sentAt: now - 8 }), { messageId: 'held', status: rejected }]);
    await database.someoneWaits();
    await recordAll(
      first,
      messages(4, i => ({ sentAt: now - 1 - i })),
    );
    const expected = ['m0', 'm1', 'm2', 'm3', 'held'];
    const begun = await first.find(query({ walk: true, limit: 2 }));
    const byStatus = await first.find(query({ walk: true, limit: 2, filter: { generalStatus: 'PENDING' } }));
    await hold.end();
    expect(await late).toEqual(outcome({ recorded: 1, updated: 1 }));
    expect(idsOf([...begun.logs, ...(await rest(second, {}, begun.next))])).toEqual(expected);
    const pending: Filter = { generalStatus: 'PENDING' };
    const walked = [...byStatus.logs, ...(await rest(second, pending, byStatus.next))];
    expect(idsOf(walked)).toEqual(expected);
    expect(walked.at(-1)?.status.groupName).toBe('PENDING');
    expect(await findIds(first, { generalStatus: 'REJECTED' })).toEqual(['held']);
  });

  it('recording and reporting by other processes → every walk gives what was there when it began', async () => {
    const all = await database.openSeveral(3);
    const sentAt = (i: number) => now - (i % 11) * 700_000;
    await recordAll(
      pick(all, 0),
      messages(400, i => ({ sentAt: sentAt(i) })),
    );
    const expected = await findIds(pick(all, 0));
    const writing = Array.from({ length: 6 }, async (_, writer) => {
      for (let i = 0; i < 12; i++) {
        await record(
          pick(all, writer),
          messages(25, j => ({ messageId: `w${writer} ${i} ${j}`, sentAt: sentAt(j) })),
        );
        const status = i % 2 === 0 ? delivered : rejected;
        await record(
          pick(all, writer + 1),
          messages(40).map((_, j) => ({ messageId: `m${(writer * 60 + i * 7 + j) % 400}`, status, at: now + i })),
        );
      }
    });
    const walking = Array.from({ length: 6 }, async (_, i) => {
      const store = pick(all, i);
      const plain = idsOf(await walk(store, { limit: 31 + i }));
      expect(new Set(plain).size).toBe(plain.length);
      expect(plain.filter(id => id.startsWith('m'))).toEqual(expected);
      const groups = (['PENDING', 'DELIVERED', 'REJECTED'] as const).map(generalStatus =>
        walk(store, { limit: 29 + i, filter: { generalStatus } }),
      );
      for (const logs of await Promise.all(groups)) expect(new Set(idsOf(logs)).size).toBe(logs.length);
    });
    await Promise.all([...writing, ...walking]);
    const everything = idsOf(await walk(pick(all, 1), {}));
    expect(everything).toHaveLength(400 + 6 * 12 * 25);
    expect(idsOf(await walk(pick(all, 2), { filter: { generalStatus: 'PENDING' } }))).toEqual(
      everything.filter(id => id.startsWith('w')),
    );
  });

  it('many walks by status begun one after the other while statuses change → together they add up at each moment', async () => {
    const first = await database.open();
    const second = await database.open();
    await recordAll(first, messages(120));
    const changing = (async () => {
      for (let i = 0; i < 120; i += 4)
        await record(
          second,
          [0, 1, 2, 3].map(j => ({ messageId: `m${i + j}`, status: delivered })),
        );
    })();
    for (let i = 0; i < 10; i++) {
      const ids = idsOf(await walk(first, { limit: 3, filter: { generalStatus: 'PENDING' } }));
      // The messages are delivered in their order, four at a time: what was pending at one moment is all the newest.
      expect(ids).toEqual(Array.from({ length: ids.length }, (_, j) => `m${119 - j}`));
      expect(ids.length % 4).toBe(0);
    }
    await changing;
    expect(await findIds(first, { generalStatus: 'PENDING' })).toEqual([]);
  });

  it('the log restored on another server between two pages → the walk goes on exactly', async () => {
    const store = await database.open();
    await recordAll(store, messages(20));
    const expected = await findIds(store);
    const begun = await store.find(query({ walk: true, limit: 5 }));
    await store.close();
    await database.query(`UPDATE sentlog.era SET system_identifier = 'another'`);
    const restored = await database.open();
    await recordAll(
      restored,
      messages(20, i => ({ messageId: `late ${i}` })),
    );
    expect([...idsOf(begun.logs), ...idsOf(await rest(restored, {}, begun.next))]).toEqual(expected);
    expect(await walk(restored, { limit: 7 })).toHaveLength(40);
    expect(await database.query('SELECT count(*)::int AS eras FROM sentlog.era')).toEqual([{ eras: 2 }]);
  });
});

/** What a walk has left. */
async function rest(store: Store, filter: Filter, next: Bookmark | undefined): Promise<readonly LogRecord[]> {
  if (next === undefined) throw new Error('the walk is at its end');
  const { logs, next: after } = await store.find(query({ filter, walk: true, limit: 3, after: next }));
  return after === undefined ? logs : [...logs, ...(await rest(store, filter, after))];
}

describe('retention beside other processes', () => {
  it('two janitors while others record and read → dropped, and nothing inside is missed', async () => {
    const all = await database.openSeveral(3);
    await recordAll(
      pick(all, 0),
      messages(600, i => ({ sentAt: horizon + i * 60_000 })),
    );
    const cut = horizon + 300 * 60_000;
    const expected = (await pick(all, 0).find(query({ sentSince: cut }))).logs;
    let dropping = true;
    const reading = Array.from({ length: 4 }, async (_, i) => {
      while (dropping) expect((await pick(all, i).find(query({ sentSince: cut }))).logs.length).toBe(expected.length);
    });
    const recording = (async () => {
      for (let i = 0; dropping; i++)
        await recordAll(
          pick(all, i),
          messages(5, j => ({ messageId: `n${i} ${j}`, sentAt: cut - 1 })),
        );
    })();
    await Promise.all([pick(all, 1).dropBefore(cut), pick(all, 2).dropBefore(cut)]);
    dropping = false;
    await Promise.all([...reading, recording]);
    await pick(all, 0).dropBefore(cut);
    const [{ least } = {}] = await database.query('SELECT min(sent_at) AS least FROM sentlog.message');
    expect(Number(least)).toBeGreaterThanOrEqual(cut);
    expect(await pick(all, 1).find(query({ sentSince: cut }))).toEqual({ logs: expected });
  });

  it('a partition that somebody is reading → dropped when they are done, and nobody waits behind', async () => {
    const first = await database.open();
    const second = await database.open();
    await recordAll(first, [message('old', { sentAt: horizon }), message('new', { sentAt: now })]);
    const hold = await database.hold('SELECT * FROM message');
    const dropping = first.dropBefore(horizon + hourMs);
    await database.someoneWaits();
    for (const store of [first, second]) expect((await store.find(query({ sentSince: now }))).logs).toHaveLength(1);
    await recordAll(second, [message('newer', { sentAt: now })]);
    await recordAll(second, [message('another hour', { sentAt: now - 5 * hourMs })]);
    await hold.end();
    await dropping;
    expect(await findIds(second)).toEqual(['newer', 'new', 'another hour']);
  });

  it('a drop that was broken off → finished by the next one', async () => {
    const first = await database.open();
    await recordAll(first, [message('old', { sentAt: horizon }), message('new', { sentAt: now })]);
    const hold = await database.hold('SELECT * FROM message');
    const dropping = first.dropBefore(horizon + hourMs).catch((error: unknown) => error);
    await database.someoneWaits();
    await database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^(ALTER|DROP) TABLE' AND pid <> pg_backend_pid()`,
    );
    expect(await dropping).toMatchObject({ name: 'Unavailable' });
    await hold.end();
    await first.dropBefore(horizon + hourMs);
    const left = await database.query(`SELECT sent_at FROM sentlog.message`);
    expect(left).toEqual([{ sent_at: `${now}` }]);
    expect(await first.stats()).toMatchObject({ messages: 1 });
  });

  it('ids whose messages were dropped → free again, and their table dropped in its time', async () => {
    const first = await database.open({ generationMs: 0, upkeepMs: 20 });
    const second = await database.open({ generationMs: 0, upkeepMs: 20 });
    await recordAll(
      first,
      messages(10, () => ({ sentAt: horizon })),
    );
    await first.dropBefore(horizon + hourMs);
    await recordAll(
      second,
      messages(10, () => ({ sentAt: horizon + hourMs })),
    );
    expect(
      await record(
        first,
        messages(10, () => ({ sentAt: horizon + hourMs })),
      ),
    ).toEqual(outcome({ unchanged: 10 }));
    expect(await findIds(first, { messageId: ['m3'] })).toEqual(['m3']);
    // Once the generations that were begun meanwhile let it.
    await until(async () => {
      await second.dropBefore(now);
      const [{ keys } = {}] = await database.query('SELECT count(*)::int AS keys FROM sentlog.message_key');
      return Number(keys) <= 10;
    });
  });
});
