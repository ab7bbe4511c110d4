import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { PostgresAccountRows } from '../../src/accounts/postgres/account-rows.ts';
import { counting, readSlots, type Slots, spending, writeSlots } from '../../src/mirror/budget.ts';
import { PostgresMirrorRows } from '../../src/mirror/postgres/mirror-rows.ts';
import { type Mirror, MirrorGone, type MirrorRows } from '../../src/mirror/rows.ts';
import { SparingCounts } from '../../src/mirror/sparing-counts.ts';
import { SqliteMirrorRows } from '../../src/mirror/sqlite/mirror-rows.ts';
import { Connections } from '../../src/postgres/connections.ts';
import { KeptTables } from '../support/kept-tables.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** Where mirrors are kept: `open` gives the same place again, as another process has it. */
type Place = { readonly account: number; readonly open: () => MirrorRows; readonly connections?: () => Connections };

let server: PostgresServer;
let tables: KeptTables;

beforeAll(async () => {
  server = await PostgresServer.start(['fsync=off']);
  tables = new KeptTables(server);
  return () => server.remove();
});

const places: Readonly<Record<string, () => Promise<Place>>> = {
  'a file': async () => {
    const path = `${temporaryFolder()}/data/mirrors.db`;
    return { account: 1, open: () => closing(new SqliteMirrorRows(path)) };
  },
  PostgreSQL: async () => {
    const target = await tables.take();
    onTestFinished(() => tables.giveBack(target));
    const connections = () => new Connections({ ...target, statementTimeoutMs: 5000, max: 2, note: () => {} });
    const accounts = new PostgresAccountRows(connections());
    const account = await accounts.addAccount({ id: 1, name: 'a', createdAt: 0 });
    await accounts.close();
    return { account: account?.id ?? 0, connections, open: () => closing(new PostgresMirrorRows(connections())) };
  },
};

function closing<T extends MirrorRows>(rows: T): T {
  onTestFinished(() => rows.close());
  return rows;
}

async function add({ account }: Place, rows: MirrorRows, name = 'm'): Promise<Mirror> {
  const mirror = { name, account, from: 'https://x', requestsPerMinute: 60, sinceMs: 172_800_000, createdAt: 5 };
  const made = await rows.add(mirror, 'sealed');
  if (made === undefined) throw new Error('the name is taken');
  return made;
}

const later = 1_900_000_000_000;
const message = (number: number) => ({
  messageId: `m,"${number}\\`,
  sentAt: later + number,
  dueAt: later + number,
  isById: number % 2 === 0,
});

test('two live processes fight for the lease → each step is kept once, on the place that the last one left', async () => {
  const place = await (places.PostgreSQL ?? (() => Promise.reject(new Error('no PostgreSQL'))))();
  const rows = [place.open(), place.open()];
  const { id } = await add(place, place.open());
  const kept = await Promise.all(
    rows.map(async (own, i) => {
      let steps = 0;
      for (let tries = 0; tries < 60; tries++) {
        // So short that it is over while its holder is at work.
        if (!(await own.lease(id, `process ${i}`, 3))) continue;
        const before = Number((await own.place(id)) ?? 0);
        if (await own.keep(id, `process ${i}`, { place: `${before + 1}`, follow: [], unfollow: [] })) steps++;
      }
      return steps;
    }),
  );
  expect(Number(await rows[0]?.place(id))).toBe(kept.reduce((sum, steps) => sum + steps, 0));
  expect(Math.max(...kept)).toBeGreaterThan(0);
});

test('a process that is put to sleep in any of its transactions → what it locked is free before its lease is over', async () => {
  const place = await (places.PostgreSQL ?? (() => Promise.reject(new Error('no PostgreSQL'))))();
  const connections = place.connections?.();
  if (connections === undefined) throw new Error('no connections');
  const sleepMsMax: number[] = [];
  const asked = "SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'";
  const watched = new Proxy(connections, {
    get: (target, name) => {
      if (name !== 'transaction') return Reflect.get(target, name).bind(target);
      return (...[begin, work]: Parameters<Connections['transaction']>) =>
        target.transaction(begin, async session => {
          const [row] = await session.query(asked);
          sleepMsMax.push(Number(row?.[0]));
          return work(session);
        });
    },
  });
  const rows = closing(new PostgresMirrorRows(watched));
  const { id } = await add(place, rows);
  expect(await rows.lease(id, 'me', 60_000)).toBe(true);
  await rows.spend(id, later, { all: 1, patient: 1 }, false);
  await rows.keep(id, 'me', { place: 'p', follow: [message(1)], unfollow: [] });
  await rows.unfollow(id, [message(1).messageId]);
  expect(sleepMsMax).toHaveLength(3);
  for (const ms of sleepMsMax) expect(ms > 0 && ms < 7000, String(ms)).toBe(true);
});

test('messages end by webhooks while a step is kept → that waits for the step, and neither is lost', async () => {
  const place = await (places.PostgreSQL ?? (() => Promise.reject(new Error('no PostgreSQL'))))();
  const rows = place.open();
  const { id } = await add(place, rows);
  expect(await rows.lease(id, 'me', 60_000)).toBe(true);
  expect(await rows.keep(id, 'me', { place: 'p1', follow: [message(1), message(2)], unfollow: [] })).toBe(true);
  const connections = place.connections?.();
  if (connections === undefined) throw new Error('no connections');
  onTestFinished(() => connections.close());
  const waiting = async () =>
    (
      await connections.query(
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FROM mirror WHERE id%FOR UPDATE%'",
      )
    ).length;
  let ended: Promise<void> | undefined;
  // As `keep` does: the mirror first, then what it follows.
  await connections.transaction('', async session => {
    await session.query('UPDATE mirror SET place = $1 WHERE id = $2', ['p2', id]);
    ended = rows.unfollow(id, [message(1).messageId, message(2).messageId]);
    await expect.poll(waiting).toBe(1);
    await session.query('UPDATE mirror_followed SET due_at = due_at + 1 WHERE mirror_id = $1', [id]);
  });
  await ended;
  expect(await rows.place(id)).toBe('p2');
  expect(await rows.followed(id)).toEqual({ messages: 0, byId: 0 });
});

describe.each(Object.entries(places))('mirrors in %s', (kind, make) => {
  test('added, changed, paused, removed → as it was told, and so for every process', async () => {
    const place = await make();
    const [rows, elsewhere] = [place.open(), place.open()];
    const made = await add(place, rows);
    expect(made).toEqual({
      id: made.id,
      name: 'm',
      account: place.account,
      from: 'https://x',
      sealedKey: 'sealed',
      requestsPerMinute: 60,
      sinceMs: 172_800_000,
      createdAt: 5,
    });
    expect(await rows.add({ ...made, from: 'https://y' }, 'other')).toBeUndefined();
    expect(await elsewhere.mirrors()).toEqual([made]);
    await rows.change(made.id, { sealedKey: 'new', requestsPerMinute: 7 });
    await rows.pause(made.id, { reason: 'refused', at: later });
    expect(await elsewhere.mirrors()).toEqual([
      { ...made, sealedKey: 'new', requestsPerMinute: 7, pause: { reason: 'refused', at: later } },
    ]);
    const lastCheck = { at: later + 9, from: later, until: later + 5, messages: 3, questions: 8, differences: 1 };
    await elsewhere.checked(made.id, { ...lastCheck, differences: 7 });
    await elsewhere.checked(made.id, lastCheck);
    expect((await rows.mirrors())[0]).toMatchObject({ lastCheck });
    await elsewhere.pause(made.id, undefined);
    expect((await rows.mirrors())[0]).not.toHaveProperty('pause');
    expect(await elsewhere.remove(made.id)).toBe(true);
    expect(await rows.remove(made.id)).toBe(false);
    expect(await rows.mirrors()).toEqual([]);
  });

  test('a step is kept → its place and what is followed, whole, until it is removed', async () => {
    const place = await make();
    const rows = place.open();
    const { id } = await add(place, rows);
    const other = await add(place, rows, 'other');
    expect(await rows.place(id)).toBeUndefined();
    expect(await rows.lease(id, 'me', 60_000)).toBe(true);
    const follow = [message(3), message(1), message(2)];
    expect(await rows.keep(id, 'me', { place: 'p1', follow, unfollow: ['never'] })).toBe(true);
    expect(await rows.place(id)).toBe('p1');
    expect(await rows.due(id, later + 2, 0, 10)).toEqual([message(1), message(2)]);
    expect(await rows.due(id, later + 9, 0, 1)).toEqual([message(1)]);
    expect(await rows.due(other.id, later + 9, 0, 9)).toEqual([]);
    // Whatever is overdue of older ones, younger ones are among those that are given.
    expect(await rows.due(id, later + 9, later + 1, 1)).toEqual([message(2), message(1)]);
    const again = { ...message(1), dueAt: later + 50, isById: true };
    expect(
      await rows.keep(id, 'me', { place: 'p2', follow: [message(1), again], unfollow: [message(2).messageId] }),
    ).toBe(true);
    expect(await place.open().due(id, later + 99, 0, 10)).toEqual([message(3), again]);
    expect(await rows.followed(id)).toEqual({ messages: 2, byId: 1 });
    // What was pending in a range, and is not among what is now, is due since it was sent; what only its id finds waits.
    const pending = [4, 5, 6, 7].map(number => ({ ...message(number), dueAt: later + 60, isById: number === 6 }));
    const shown = pending.filter(({ sentAt }) => sentAt === later + 5);
    expect(await rows.keep(id, 'me', { place: 'p3', follow: pending, unfollow: [] })).toBe(true);
    const pendingOf = { from: later + 4, until: later + 7 };
    expect(await rows.keep(id, 'me', { place: 'p4', follow: shown, pendingOf, unfollow: [] })).toBe(true);
    expect(await rows.due(id, later + 59, later + 3, 9)).toEqual([
      { ...message(4), dueAt: later + 4, isById: true },
      message(3),
      again,
    ]);
    expect(await rows.followed(id)).toEqual({ messages: 6, byId: 3 });
    await rows.unfollow(
      id,
      pending.map(one => one.messageId),
    );
    await place.open().unfollow(id, [message(3).messageId, 'never']);
    expect(await rows.due(id, later + 99, 0, 10)).toEqual([again]);
    await rows.remove(id);
    expect(await rows.keep(id, 'me', { place: 'p3', follow: [message(4)], unfollow: [] })).toBe(false);
    expect(await rows.due(id, later + 99, 0, 10)).toEqual([]);
  });

  test('any changes of what is followed → as many as there are, for each mirror', async () => {
    const place = await make();
    const [rows, elsewhere] = [place.open(), place.open()];
    const ids: number[] = [];
    for (const name of ['one', 'two']) ids.push((await add(place, rows, name)).id);
    for (const id of ids) await rows.lease(id, 'me', 60_000);
    const number = fc.integer({ min: 0, max: 12 });
    const change = fc.record({
      id: fc.constantFrom(...ids),
      follow: fc.array(fc.record({ number, isById: fc.boolean() }), { maxLength: 8 }),
      pendingOf: fc.option(fc.tuple(number, number), { nil: undefined }),
      unfollow: fc.array(number, { maxLength: 4 }),
      isByAnother: fc.boolean(),
    });
    const idOf = (of: number) => message(of).messageId;
    const countedOf = async (id: number) => {
      const all = await rows.due(id, later + 999, 0, 999);
      return { messages: all.length, byId: all.filter(one => one.isById).length };
    };
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 12 }), async changes => {
        for (const { id, follow, pendingOf, unfollow, isByAnother } of changes) {
          const [from = 0, until = 0] = pendingOf ?? [];
          const kept = {
            place: 'p',
            follow: follow.map(one => ({ ...message(one.number), isById: one.isById })),
            ...(pendingOf !== undefined && { pendingOf: { from: later + from, until: later + until } }),
            unfollow: isByAnother ? [] : unfollow.map(idOf),
          };
          await rows.keep(id, 'me', kept);
          if (isByAnother) await elsewhere.unfollow(id, unfollow.map(idOf));
          for (const each of ids) expect(await rows.followed(each)).toEqual(await countedOf(each));
        }
      }),
      { numRuns: kind === 'a file' ? 20 : 3 },
    );
    const [gone = 0] = ids;
    await elsewhere.remove(gone);
    expect(await rows.followed(gone)).toEqual({ messages: 0, byId: 0 });
  });

  test('many ask at once → never more than the budget in any minute', async () => {
    const place = await make();
    const [rows, elsewhere] = [place.open(), place.open()];
    const { id } = await add(place, rows);
    // What can wait is spread: of eight a minute, two at once.
    const budget = { all: 5, patient: 8 };
    const asked = [...Array.from({ length: 4 }, () => true), ...Array.from({ length: 6 }, () => false)];
    const waits = await Promise.all(
      asked.map((isPatient, i) => (i % 2 ? rows : elsewhere).spend(id, later, budget, isPatient)),
    );
    expect(waits.filter(wait => wait === undefined)).toHaveLength(5);
    expect(await rows.spent(id, later)).toEqual({ requests: 5, patient: 2 });
    expect(await rows.spend(id, later + 59_999, budget, false)).toBeGreaterThan(0);
    expect(await rows.spend(id, later + 61_000, budget, true)).toBeUndefined();
  });

  test('the clock is put back while the budget is full → what was spent counts on, for a minute', async () => {
    const place = await make();
    const rows = place.open();
    const { id } = await add(place, rows);
    const budget = { all: 3, patient: 3 };
    for (let i = 0; i < 3; i++) expect(await rows.spend(id, later + i, budget, false)).toBeUndefined();
    const back = later - 3_600_000;
    const asked: number[] = [];
    for (let at = back; at < back + 120_000 && asked.length === 0; ) {
      const fullForMs = await rows.spend(id, at, budget, false);
      if (fullForMs === undefined) asked.push(at);
      else at += Math.min(fullForMs, 1000);
    }
    expect(asked[0]).toBeGreaterThanOrEqual(back + 60_000);
    expect(asked[0]).toBeLessThanOrEqual(back + 62_000);
  });

  test('a mirror that was removed → none of its requests is granted', async () => {
    const place = await make();
    const [rows, elsewhere] = [place.open(), place.open()];
    const { id } = await add(place, rows);
    const budget = { all: 5, patient: 2 };
    expect(await rows.spend(id, later, budget, true)).toBeUndefined();
    await elsewhere.remove(id);
    await expect(rows.spend(id, later, budget, true)).rejects.toThrow(MirrorGone);
    expect(await rows.spent(id, later)).toEqual({ requests: 0, patient: 0 });
  });

  if (kind !== 'a file')
    test('two processes → one has the lease, and the other only when it is over or given back', async () => {
      const place = await make();
      const [rows, elsewhere] = [place.open(), place.open()];
      const { id } = await add(place, rows);
      expect(await rows.lease(id, 'one', 60_000)).toBe(true);
      expect(await elsewhere.lease(id, 'two', 60_000)).toBe(false);
      expect(await elsewhere.keep(id, 'two', { place: 'p', follow: [], unfollow: [] })).toBe(false);
      await elsewhere.release(id, 'two');
      expect(await rows.lease(id, 'one', 60_000)).toBe(true);
      await rows.release(id, 'one');
      expect(await elsewhere.lease(id, 'two', 1)).toBe(true);
      // Over by the clock of the database: the next statement comes after it.
      await expect.poll(() => rows.lease(id, 'one', 60_000)).toBe(true);
      expect(await elsewhere.keep(id, 'two', { place: 'p', follow: [], unfollow: [] })).toBe(false);
      expect(await rows.place(id)).toBeUndefined();
    });
});

test('a file of before, in which nothing was counted → counted once, and kept from then on', async () => {
  const path = `${temporaryFolder()}/data/mirrors.db`;
  const place = { account: 1, open: () => closing(new SqliteMirrorRows(path)) };
  const rows = place.open();
  const [followed, none] = [await add(place, rows), await add(place, rows, 'none')];
  await rows.keep(followed.id, 'me', { place: 'p', follow: [1, 2, 3].map(message), unfollow: [] });
  await rows.close();
  const db = new DatabaseSync(path);
  for (const trigger of ['mirror_added', 'followed_added', 'followed_ended', 'followed_changed'])
    db.exec(`DROP TRIGGER ${trigger}`);
  db.exec('DROP TABLE following; PRAGMA user_version = 3');
  db.close();
  const then = place.open();
  expect(await then.followed(followed.id)).toEqual({ messages: 3, byId: 1 });
  expect(await then.followed(none.id)).toEqual({ messages: 0, byId: 0 });
  await then.keep(none.id, 'me', { place: 'p', follow: [message(4)], unfollow: [] });
  expect(await then.followed(none.id)).toEqual({ messages: 1, byId: 1 });
});

test('what takes long to count, asked for every second → a hundredth of the time at most, and what was counted last', async () => {
  let nowMs = 0;
  let countingMs = 0;
  const counts = new SparingCounts(
    async () => {
      nowMs += 46;
      countingMs += 46;
      return { messages: nowMs, byId: 0 };
    },
    () => nowMs,
  );
  const told: number[] = [];
  for (; nowMs < 100_000; nowMs += 1000) told.push((await counts.followed(1)).messages);
  expect(countingMs / nowMs).toBeLessThan(0.011);
  expect(new Set(told).size).toBeGreaterThan(15);
  counts.keep(new Set());
  expect((await counts.followed(1)).messages).toBe(nowMs);
});

describe('the budget', () => {
  const wish = fc.record({ afterMs: fc.integer({ min: 0, max: 9000 }), isPatient: fc.boolean() });

  test('any wishes → no minute has more than the budget, no quarter of one more of what can wait than its part', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(wish, { maxLength: 200 }),
        (all, patient, wishes) => {
          let at = later;
          let slots: Slots = [];
          const made: { at: number; isPatient: boolean }[] = [];
          for (const { afterMs, isPatient } of wishes) {
            at += afterMs;
            for (let fullForMs: number | undefined = 0; fullForMs !== undefined; ) {
              const next = spending(slots, at, { all, patient }, isPatient);
              slots = readSlots(writeSlots(next.slots));
              fullForMs = next.fullForMs;
              if (fullForMs === undefined) break;
              expect(fullForMs).toBeGreaterThan(0);
              at += fullForMs;
            }
            made.push({ at, isPatient });
            const within = made.filter(one => one.at > at - 60_000);
            expect(within.length).toBeLessThanOrEqual(all);
            expect(within.filter(one => one.isPatient).length).toBeLessThanOrEqual(patient);
            const second = Math.floor(at / 1000);
            const lately = within.filter(one => one.isPatient && Math.floor(one.at / 1000) > second - 15);
            expect(lately.length).toBeLessThanOrEqual(Math.ceil(patient / 4));
          }
          expect(counting(slots, at).length).toBeLessThanOrEqual(62);
        },
      ),
    );
  });
});
