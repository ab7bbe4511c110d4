import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { summaryRange } from '../../../src/domain/summary.ts';
import type { Query, Store } from '../../../src/store/store.ts';
import { Line } from '../../support/line.ts';
import { until } from '../../support/sqlite-log.ts';
import {
  account,
  delivered,
  expired,
  findIds,
  horizon,
  idsOf,
  message,
  messages,
  now,
  query,
  record,
  recordAll,
} from '../conformance/engine.ts';
import { databaseOf, ReplicaPair, readsOf, replicaIn, replicaUsed } from './replica-pair.ts';

const pair = new ReplicaPair(['max_standby_streaming_delay=0']);
beforeAll(() => pair.start());
afterAll(() => pair.remove());
beforeEach(() => pair.begin());
afterEach(() => pair.end());

const summarize = (store: Store, filter = {}) =>
  store.summarize({
    account,
    filter,
    sentSince: horizon,
    range: summaryRange(filter, horizon, now, 48),
    budgetMs: 60_000,
  });

describe('a standby answers reads', () => {
  it('the database away → pages, a walk under way and summaries go on, within the lag', async () => {
    const store = await pair.openOver(60_000);
    await recordAll(store, messages(30));
    const { next: after } = await store.find(query({ limit: 10, walk: true }));
    if (after === undefined) throw new Error('no bookmark');
    const recordedAt = performance.now();
    // Until the standby is known to show all of it.
    await until(async () => {
      const askedAt = performance.now();
      const { behindMs = Infinity } = await replicaIn(store);
      return behindMs < askedAt - recordedAt;
    });
    const before = await readsOf(store);
    await pair.server.halt();
    try {
      expect(await findIds(store)).toHaveLength(30);
      expect((await store.find(query({ walk: true, after }))).logs).toHaveLength(20);
      expect(await summarize(store)).toMatchObject({ total: 30 });
      expect(await summarize(store, { sender: '44113496000' })).toMatchObject({ total: 30 });
    } finally {
      await pair.server.resume();
    }
    await until(() => store.stats().then(Boolean, () => false));
    const { primary, replicas } = await readsOf(store);
    expect(primary).toBe(before.primary);
    expect(replicas[0]?.reads).toBe((before.replicas[0]?.reads ?? 0) + 4);
  });

  it('asked right after recording, time and again, replay standing still or not → never missed', async () => {
    const store = await pair.openOver(30_000);
    for (let i = 0; i < 120; i++) {
      if (i % 30 === 20) await pair.pauseReplay();
      if (i % 30 === 0) await pair.resumeReplay();
      await recordAll(store, [message(`m${i}`, { sentAt: now + i })]);
      expect((await store.find(query({ limit: 1 }))).logs[0]?.messageId).toBe(`m${i}`);
      expect((await store.find(query({ limit: 1, walk: true }))).logs[0]?.messageId).toBe(`m${i}`);
      expect(await store.history(account, `m${i}`, horizon)).toBeDefined();
      expect(await summarize(store)).toMatchObject({ total: i + 1 });
    }
    const { primary, replicas } = await readsOf(store);
    expect(primary).toBeGreaterThan(0);
    expect(replicas[0]?.reads).toBeGreaterThan(0);
  });

  it('another process records, and this one tells a follower → shown by whatever is asked next', async () => {
    const [following, recording] = [await pair.openOver(60_000), await pair.open()];
    const third = await pair.open({ replicas: { urls: [pair.replicaUrl], lagMsMax: 60_000, lookEveryMs: 20 } });
    await until(async () => (await replicaIn(third)).isUsed);
    await recordAll(recording, [message('before')]);
    const asked = { account, sentSince: horizon, limit: 10 };
    const { next: after } = await following.changes(asked);
    await until(async () => (await findIds(following)).length === 1);
    await pair.pauseReplay();
    await recordAll(recording, [message('told')]);
    await until(async () => (await following.changes({ ...asked, after })).changes.length === 1);
    expect(await findIds(following)).toEqual(['told', 'before']);
    for (const store of [following, third]) expect(await store.history(account, 'told', horizon)).toBeDefined();
    expect(await summarize(following)).toMatchObject({ total: 2 });
  });

  it('another process records, replay stops and goes on → nothing older than the lag is missed', async () => {
    const lagMsMax = 400;
    const [reading, recording] = [await pair.openOver(lagMsMax), await pair.open()];
    const recordedAt: number[] = [];
    let going = true;
    const records = (async () => {
      for (let i = 0; going; i++) {
        await recordAll(recording, [message(`m${i}`, { sentAt: now + i })]);
        recordedAt.push(performance.now());
      }
    })();
    for (let round = 0; round < 4; round++) {
      await pair.resumeReplay();
      await until(async () => (await replicaIn(reading)).isUsed);
      const before = { reads: (await replicaIn(reading)).reads, recorded: recordedAt.length };
      for (let paused = false; !paused || (await replicaIn(reading)).isUsed; ) {
        const since = performance.now() - lagMsMax;
        const due = recordedAt.findLastIndex(at => at < since);
        const [newest] = (await reading.find(query({ limit: 1 }))).logs;
        expect(Number(newest?.messageId.slice(1) ?? -1)).toBeGreaterThanOrEqual(due);
        if (paused || (await replicaIn(reading)).reads < before.reads + 20) continue;
        await pair.pauseReplay();
        paused = true;
      }
      const { primary } = await readsOf(reading);
      await reading.find(query({ limit: 1 }));
      expect((await readsOf(reading)).primary).toBe(primary + 1);
      expect(recordedAt.length).toBeGreaterThan(before.recorded);
    }
    going = false;
    await records;
  });
});

describe('a walk', () => {
  it('over database and standby, messages and statuses changing, replay stopping at random → exact', async () => {
    const store = await pair.openOver(10_000);
    const other = await pair.open();
    await recordAll(
      store,
      messages(400, i => ({ sentAt: now - (i % 90) })),
    );
    const statuses = [delivered, expired];
    let rounds = 0;
    /** New messages and reports by both, while a page is read. */
    const changing = async () => {
      const round = rounds++;
      const recordings = [store, other].map(async (one, lane) => {
        await record(
          one,
          messages(10, j => ({ messageId: `late ${lane} ${round} ${j}`, sentAt: now - j })),
        );
        const at = (round * 37 + lane * 200) % 400;
        const status = statuses[(round + lane) % 2] ?? delivered;
        await record(
          one,
          messages(400)
            .slice(at, at + 5)
            .map(({ messageId }) => ({ messageId, status })),
        );
      });
      await Promise.all(recordings);
    };
    const findMeanwhile = async (asked: Query) => (await Promise.all([store.find(asked), changing()]))[0];
    const steps = fc.record({
      limit: fc.integer({ min: 20, max: 90 }),
      status: fc.constantFrom(undefined, 'PENDING' as const, 'DELIVERED' as const),
      pauses: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
    });
    const walked = fc.asyncProperty(steps, async ({ limit, status, pauses }) => {
      const filter = status === undefined ? {} : { generalStatus: status };
      const asked = query({ limit, filter, walk: true });
      const begun = await findMeanwhile(asked);
      const ids = [...idsOf(begun.logs)];
      let page = begun;
      for (let i = 0; page.next !== undefined; i++) {
        if (pauses[i % pauses.length]) await pair.pauseReplay();
        else await pair.resumeReplay();
        page = await findMeanwhile({ ...asked, after: page.next });
        ids.push(...idsOf(page.logs));
        if (status !== undefined) expect(page.logs.every(log => log.status.groupName === status)).toBe(true);
      }
      expect(new Set(ids).size).toBe(ids.length);
      // The same walk, by one who reads from the database alone.
      const rest: string[] = [];
      for (let after = begun.next; after !== undefined; ) {
        const { logs, next } = await other.find({ ...asked, after });
        rest.push(...idsOf(logs));
        after = next;
      }
      expect(ids.slice(begun.logs.length)).toEqual(rest);
      if (status === undefined) expect(ids.filter(id => id.startsWith('m'))).toHaveLength(400);
    });
    await fc.assert(walked, { numRuns: 6 });
    const { primary, replicas } = await readsOf(store);
    expect(primary).toBeGreaterThan(0);
    expect(replicas[0]?.reads).toBeGreaterThan(0);
  });

  it('begun on one process, continued on another whose standby is behind, and again when it is not → the same page', async () => {
    const [first, second] = [await pair.open(), await pair.openOver(60_000)];
    await recordAll(first, messages(40));
    await pair.pauseReplay();
    await record(
      first,
      messages(20).map(({ messageId }) => ({ messageId, status: delivered })),
    );
    const asked = query({ limit: 10, walk: true, filter: { generalStatus: 'DELIVERED' } });
    const { next: after } = await first.find(asked);
    if (after === undefined) throw new Error('no bookmark');
    const expected = idsOf((await first.find({ ...asked, after })).logs);
    expect(expected).toHaveLength(10);
    const { reads } = await replicaIn(second);
    expect(idsOf((await second.find({ ...asked, after })).logs)).toEqual(expected);
    expect((await replicaIn(second)).reads).toBe(reads);
    await pair.resumeReplay();
    await until(async () => {
      expect(idsOf((await second.find({ ...asked, after })).logs)).toEqual(expected);
      return (await replicaIn(second)).reads > reads;
    });
  });
});

describe('a standby fails', () => {
  it('it is killed under reads, and comes back → no call fails, told once each way', async () => {
    const store = await pair.openOver(5_000);
    await recordAll(store, messages(200));
    let [going, reads] = [true, 0];
    const reading = Array.from({ length: 6 }, async () => {
      for (; going; reads++) {
        expect(await findIds(store)).toHaveLength(200);
        expect(await summarize(store, { destination: '66855538125' })).toMatchObject({ total: 200 });
      }
    });
    await until(() => reads > 20);
    await pair.standby.halt('kill');
    await until(async () => !(await replicaIn(store)).isUsed);
    const seen = reads;
    await until(() => reads > seen + 20);
    await pair.standby.resume();
    await until(async () => (await replicaIn(store)).isUsed);
    going = false;
    await Promise.all(reading);
    expect(pair.told.map(line => line.replace(/: .*/, ''))).toEqual([
      ...pair.told.slice(0, pair.told.indexOf(replicaUsed) + 1),
      'warn a read replica is not used',
      replicaUsed,
    ]);
  });

  it('recovery breaks off what it reads → read from the database', async () => {
    const store = await pair.openOver(30_000);
    await recordAll(
      store,
      messages(20_000, i => ({ messageId: `m${i}`, sender: `s${i % 3}`, sentAt: now - i })),
    );
    const client = await pair.server.connect(pair.url);
    const conflicts = async () => {
      const rows = await pair.standby.query(
        `SELECT confl_lock FROM pg_stat_database_conflicts WHERE datname = '${databaseOf(pair.url)}'`,
      );
      return Number(rows[0]?.confl_lock);
    };
    let going = true;
    const locking = (async () => {
      while (going) {
        await client.query('BEGIN; LOCK TABLE sentlog.message; COMMIT');
        await new Promise(resolve => setTimeout(resolve, 15));
      }
    })();
    await until(async () => {
      expect(await summarize(store, { sender: 's1' })).toMatchObject({ total: 6_667 });
      return (await conflicts()) >= 3;
    });
    going = false;
    await locking;
    await client.end();
  });

  it('it falls silent with reads under way → they are read from the database', async () => {
    const line = await Line.to(pair.standby.port);
    try {
      const store = await pair.openOver(1_000, [`postgres://postgres@127.0.0.1:${line.port}/${databaseOf(pair.url)}`]);
      await recordAll(store, messages(20));
      await until(async () => (await store.find(query())).logs.length === 20 && (await replicaIn(store)).reads > 0);
      line.isSilent = true;
      const answers = await Promise.all(Array.from({ length: 5 }, () => findIds(store)));
      expect(answers.map(ids => ids.length)).toEqual([20, 20, 20, 20, 20]);
      await until(async () => !(await replicaIn(store)).isUsed);
      line.cut();
      await until(async () => (await replicaIn(store)).isUsed);
    } finally {
      await line.close();
    }
  });
});
