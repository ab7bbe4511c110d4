import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pendingAccepted } from '../../../src/domain/registry.ts';
import { limits } from '../../../src/limits.ts';
import { type Committed, type Store, StoreUnavailable } from '../../../src/store/store.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { until, Witness } from '../../support/sqlite-log.ts';
import {
  delivered,
  find1,
  findIds,
  horizon,
  hourMs,
  message,
  messages,
  now,
  outcome,
  record,
  recordAll,
} from '../conformance/engine.ts';
import { standInForCitus } from './citus-stand-in.ts';
import { PostgresDatabase } from './database.ts';

let server: PostgresServer;
let database: PostgresDatabase;
let witness: Witness;
let clock: number;

beforeAll(async () => {
  server = await PostgresServer.start(['fsync=off']);
  return () => server.remove();
});

beforeEach(async () => {
  database = await PostgresDatabase.create(server);
  witness = new Witness();
  clock = now;
});
afterEach(() => database.close());

/** With one connection that records. */
const open = () => database.open({ poolSize: 2, upkeepMs: 50, observer: witness, now: () => clock });

async function partitions(): Promise<number> {
  const [{ least } = {}] = await database.query(
    `SELECT min(count) AS least FROM (
       SELECT count(*) FROM pg_inherits
       WHERE inhparent IN ('sentlog.message'::regclass, 'sentlog.report'::regclass) GROUP BY inhparent
     ) c`,
  );
  return Number(least);
}

/** What is told of partitions that are missing. */
async function wanting(store: Store): Promise<string | undefined> {
  const { away = [], writeFailure } = await store.stats();
  return away.find(({ name }) => name === 'partitions')?.reason ?? writeFailure;
}

/** Up to where there are partitions. */
async function furthest(): Promise<number> {
  const [{ end } = {}] = await database.query(
    `SELECT max(substring(inhrelid::regclass::text FROM '_(\\d+)$')::bigint) AS "end" FROM pg_inherits
     WHERE inhparent = 'sentlog.report'::regclass`,
  );
  return Number(end);
}

/** Has the server refuse new tables as Citus does while it moves a shard, or for want of something; gives what ends it. */
async function refuse(reason: string): Promise<() => Promise<unknown>> {
  await database.query(
    `CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION '${reason}' USING ERRCODE = 'XX000'; END $$;
     CREATE EVENT TRIGGER refusing ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.refuse()`,
  );
  return () => database.query('DROP EVENT TRIGGER refusing');
}

const longAgo = horizon + 2 * hourMs;

describe('a partition is needed', () => {
  it.each<[string, () => Promise<() => Promise<unknown>>]>([
    [
      'while another program holds a lock on the table',
      async () => {
        const held = await database.hold('LOCK TABLE message IN SHARE UPDATE EXCLUSIVE MODE');
        return () => held.end();
      },
    ],
    [
      'while Citus moves a shard',
      () => refuse('could not acquire the lock required to colocate distributed table sentlog.message'),
    ],
  ])(
    '%s → what needs it waits and is recorded then, others go on, and what is not served is told',
    async (_case, hinder) => {
      const store = await open();
      await until(async () => (await partitions()) === 2);
      const end = await hinder();
      const waiting = record(store, [message('old', { sentAt: longAgo })]);
      await until(async () => (await wanting(store))?.includes('there is no partition') === true);
      expect(await record(store, [message('new', { sentAt: now })])).toEqual(outcome({ recorded: 1 }));
      expect(await wanting(store)).toContain(new Date(longAgo).toISOString());
      // Who records for that time holds up nobody else.
      expect(await store.stats()).not.toHaveProperty('writeFailure');
      await end();
      expect(await waiting).toEqual(outcome({ recorded: 1 }));
      expect(await wanting(store)).toBeUndefined();
      expect(await findIds(store)).toEqual(['new', 'old']);
      const told = ['a partition cannot be made', 'partitions can be made again'];
      expect(witness.notes.filter(note => note.includes('partition'))).toEqual(told);
    },
  );

  it.each([
    ['by much of one account', (batch: number) => batch],
    // Each waits for the one before, whose ids it has.
    ['by what is sent again and again', () => 0],
  ])('%s → so much of it waits, the rest is refused at once, and others go on', async (_case, batchOf) => {
    const store = await open();
    await until(async () => (await partitions()) === 2);
    const end = await refuse('could not acquire the lock required to colocate distributed table sentlog.message');
    const contentJson = JSON.stringify({ text: 'x'.repeat(60_000) });
    const old = (call: number) =>
      record(
        store,
        messages(100, i => ({ messageId: `old ${batchOf(call)} ${i}`, sentAt: longAgo, contentJson })),
      );
    const waiting = [old(0), old(1)];
    await until(async () => (await wanting(store))?.includes('there is no partition') === true);
    await expect(old(2)).rejects.toThrow('waits for a partition');
    expect(await record(store, [message('new', { sentAt: now })])).toEqual(outcome({ recorded: 1 }));
    await end();
    expect(await waiting[0]).toEqual(outcome({ recorded: 100 }));
    expect(await waiting[1]).toEqual(outcome(batchOf(1) === 1 ? { recorded: 100 } : { unchanged: 100 }));
    expect(await old(2)).toEqual(outcome(batchOf(2) === 2 ? { recorded: 100 } : { unchanged: 100 }));
  });

  it('and cannot be made → refused, and told until it is there, whatever else can be recorded', async () => {
    const store = await open();
    await until(async () => (await partitions()) === 2);
    const end = await refuse('no room is left');
    const ofOneHour = [0, 1, 2].map(ms => message(`old ${ms}`, { sentAt: longAgo + ms }));
    await expect(record(store, ofOneHour)).rejects.toThrow(StoreUnavailable);
    // However many moments of a partition were asked for, one of them is kept.
    expect(await wanting(store)).not.toContain('other times');
    for (let look = 0; look < 3; look++) {
      expect(await record(store, [message(`m${look}`, { sentAt: now })])).toEqual(outcome({ recorded: 1 }));
      expect(await wanting(store)).toContain('no room is left');
    }
    // The present has come to where there is none either.
    clock += 9 * hourMs;
    await until(async () => (await store.stats()).writeFailure?.includes('no room is left') === true);
    await end();
    // Nobody asks for them any more: they are made all the same.
    await until(async () => (await wanting(store)) === undefined);
    expect(await store.stats()).not.toHaveProperty('writeFailure');
    await until(async () => (await partitions()) === 5);
    expect(await record(store, [message('old', { sentAt: longAgo })])).toEqual(outcome({ recorded: 1 }));
    expect(witness.notes).not.toContain('records cannot be stored');
  });
});

it.each([
  ['on Citus', standInForCitus, 12 * hourMs, 6 * hourMs, [4, 4, 4, 4, 1, 1, 1]],
  ['elsewhere', async () => {}, 0, 8 * hourMs - 1, [4, 4, 1]],
])(
  '%s, how much is recorded in an hour → partitions span four hours, or one; none is left out between',
  async (_where, prepare, aheadMs, laterMs, hours) => {
    await prepare(database);
    const options = { upkeepMs: 50, now: () => clock };
    const store = await database.openAdapting(options);
    const widths = async () => {
      const rows = await database.query(
        `SELECT substring(inhrelid::regclass::text FROM '_p(.*)$') AS range FROM pg_inherits
         WHERE inhparent = 'sentlog.report'::regclass`,
      );
      const all = rows.map(({ range }) => String(range).split('_').map(Number)).toSorted(([a = 0], [b = 0]) => a - b);
      // Without those for the time when the test runs, which were made before it was Citus.
      const ranges = all.filter(([from = 0]) => Math.abs(from - now) < 48 * hourMs);
      for (const [i, [from]] of ranges.entries()) if (i > 0) expect(from).toBe(ranges[i - 1]?.[1]);
      return { hours: ranges.map(([from = 0, to = 0]) => (to - from) / hourMs), until: ranges.at(-1)?.[1] ?? 0 };
    };
    await until(async () => (await widths()).until > now + Math.max(aheadMs, 4 * hourMs));
    expect(new Set((await widths()).hours)).toEqual(new Set([4]));
    await store.close();
    const busy = limits.partitionPerHour + 1;
    await database.query(`INSERT INTO sentlog.total VALUES (1, ${now}, ${busy}, 0, ${now})`);
    clock += laterMs;
    await database.openAdapting(options);
    await until(async () => (await widths()).until > Math.max(clock + aheadMs, now + 8 * hourMs));
    expect((await widths()).hours).toEqual(hours);
  },
);

it('partitions of an hour stand from before → those of four hours begin where they end, and none is left out', async () => {
  clock = now - 7 * hourMs;
  const narrow = await database.open({ upkeepMs: 50, now: () => clock });
  await until(async () => (await partitions()) === 2);
  const wide = await database.openAdapting({ upkeepMs: 50, now: () => clock });
  await until(async () => (await furthest()) >= clock + 4 * hourMs);
  for (let step = 0; step < 6; step++) {
    clock += hourMs;
    const stores = [narrow, wide];
    for (const [i, store] of stores.entries())
      expect(await record(store, [message(`m${step} ${i}`, { sentAt: clock })])).toEqual(outcome({ recorded: 1 }));
  }
  const rows = await database.query(
    `SELECT substring(inhrelid::regclass::text FROM '_p(.*)$') AS range FROM pg_inherits
     WHERE inhparent = 'sentlog.message'::regclass`,
  );
  const ranges = rows.map(({ range }) => String(range).split('_').map(Number)).toSorted(([a = 0], [b = 0]) => a - b);
  for (const [i, [from]] of ranges.entries()) if (i > 0) expect(from).toBe(ranges[i - 1]?.[1]);
  expect(await findIds(narrow, { sentSince: 0 })).toHaveLength(12);
});

it.each([
  // What is newer than the hour between, and what is older, twelve hours at most.
  ['on Citus', standInForCitus, 20, 24, [1, 3, 8, 12]],
  ['elsewhere', async () => {}, 13, 4, [1, 1, 1, 1]],
])(
  '%s many hours are missing at once → partitions as wide as they may be',
  async (_where, prepare, betweenHours, hours, widths) => {
    await prepare(database);
    const store = await database.open({ aheadMs: 0, partitionMs: hourMs, now: () => now });
    const sentAts = Array.from({ length: hours }, (_, i) => now - (i + 12) * hourMs);
    await recordAll(store, [message('between', { sentAt: now - betweenHours * hourMs })]);
    await recordAll(
      store,
      sentAts.map((sentAt, i) => message(`m${i}`, { sentAt })),
    );
    expect(await findIds(store, { sentSince: 0 })).toHaveLength(hours + 1);
    const rows = await database.query(
      `SELECT substring(inhrelid::regclass::text FROM '_p(.*)$') AS range FROM pg_inherits
     WHERE inhparent = 'sentlog.message'::regclass`,
    );
    const ranges = rows.map(({ range }) => String(range).split('_').map(Number));
    const made = ranges.filter(([from = 0]) => from < now).map(([from = 0, to = 0]) => (to - from) / hourMs);
    expect(made.toSorted((one, other) => one - other)).toEqual(widths);
  },
);

it('many record a message each of one account at once → few commits, whatever transactions there may be', async () => {
  const sizes: number[] = [];
  const observer = Object.assign(new Witness(), { committed: (group: Committed) => sizes.push(group.messages) });
  const store = await database.open({ poolSize: 16, observer });
  const calls = Array.from({ length: 64 }, (_, i) => record(store, [message(`m${i}`)]));
  expect(await Promise.all(calls)).toEqual(calls.map(() => outcome({ recorded: 1 })));
  expect(sizes.toSorted((a, b) => a - b)).toEqual([1, 1, 62]);
});

it('so far ahead partitions are to stand → they do, and no further', async () => {
  await database.open({ aheadMs: 6 * hourMs, upkeepMs: 50, now: () => now });
  await until(async () => (await partitions()) >= 7);
  await until(async () => (await furthest()) === now + 7 * hourMs);
  expect(await partitions()).toBe(7);
});

it('the clock of a server was ahead for a while, so that messages seemed past retention → reports of that while are on them in the end', async () => {
  const store = await database.open({ upkeepMs: 20 });
  const ids = ['m', 'bound', 'none'];
  const reports = ids.map(messageId => ({ messageId, status: delivered, applicationId: 'a', at: now }));
  await recordAll(store, [message('m', { applicationId: 'a' }), message('bound')]);
  const ahead = { receivedAt: now + 50 * hourMs, sentSince: horizon + 50 * hourMs, binding: { applicationId: 'a' } };
  expect(await record(store, reports, ahead)).toEqual(outcome({ waiting: 3 }));
  await database.query(
    `UPDATE sentlog.waiting_report SET taken_at = now() - interval '${limits.waitingMs + 1} milliseconds'`,
  );
  // How many wait was counted last before they did.
  await until(async () => {
    const { waiting } = await store.stats();
    return waiting.reports === 0 && waiting.dropped >= 2;
  });
  expect((await store.stats()).waiting.dropped).toBe(2);
  expect((await find1(store, 'm')).status).toEqual(delivered);
  expect((await find1(store, 'bound')).status).toEqual(pendingAccepted);
});

it('a report has waited too long for its message → dropped once, by one of two processes; another waits on', async () => {
  const both = await database.openSeveral(2, { upkeepMs: 20 });
  const [first] = both;
  if (first === undefined) throw new Error('no store');
  const reports = ['late', 'early'].map(messageId => ({ messageId, status: delivered }));
  expect(await record(first, reports)).toEqual(outcome({ waiting: 2 }));
  const age = (ms: number) =>
    database.query(
      `UPDATE sentlog.waiting_report SET taken_at = now() - interval '${ms} milliseconds' WHERE message_id = 'late'`,
    );
  const tell = async (waiting: number, droppedByBoth: number) => {
    const told = await Promise.all(both.map(async store => (await store.stats()).waiting));
    const dropped = told.reduce((total, one) => total + one.dropped, 0);
    return told.every(one => one.reports === waiting) && dropped === droppedByBoth;
  };
  await age(limits.waitingMs - 600_000);
  await until(() => tell(2, 0));
  await age(limits.waitingMs + 1);
  await until(() => tell(1, 1));
  await recordAll(first, [message('late'), message('early')]);
  expect((await find1(first, 'late')).status).toEqual(pendingAccepted);
  expect((await find1(first, 'early')).status).toEqual(delivered);
});
