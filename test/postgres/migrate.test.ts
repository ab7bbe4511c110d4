import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Unavailable, Unusable } from '../../src/failures.ts';
import { indexStatement } from '../../src/postgres/indexes.ts';
import { migrate, migrationStatus } from '../../src/postgres/migrate.ts';
import { type Migration, migrations } from '../../src/postgres/migrations.ts';
import { openPostgresStore } from '../../src/store/postgres/engine.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { submission, until, Witness } from '../support/sqlite-log.ts';

let server: PostgresServer;
let url: string;

beforeAll(async () => {
  server = await PostgresServer.start(['fsync=off']);
  return () => server.remove();
});
beforeEach(async () => {
  url = await server.database();
});

const target = () => ({ url, schema: 'sentlog' });
const query = (text: string) => server.query(text, url);
const open = () => openPostgresStore({ url, poolSize: 2, observer: new Witness() });

/** The partitions of a table, or the indexes of these. */
async function partitionsOf(table: string): Promise<readonly string[]> {
  const rows = await query(
    `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'sentlog.${table}'::regclass ORDER BY 1`,
  );
  return rows.map(({ name }) => String(name));
}

/** What the next version of the program knows. */
function next(step: Partial<Migration> = {}): readonly Migration[] {
  const number = migrations.length + 1;
  return [...migrations, { number, name: 'next', sql: 'ALTER TABLE api_key ADD COLUMN note text', ...step }];
}

test.each(['LATIN1', 'SQL_ASCII'])(
  'a database in %s → refused at the start, which says what is needed, and nothing is made there',
  async encoding => {
    const name = `in_${encoding.toLowerCase()}`;
    await query(`CREATE DATABASE ${name} ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`);
    const other = new URL(url);
    other.pathname = `/${name}`;
    const opened = openPostgresStore({ url: other.href, poolSize: 2, observer: new Witness() });
    await expect(opened).rejects.toThrow(Unusable);
    await expect(opened).rejects.toThrow(`in UTF-8, and this one is in ${encoding}`);
    expect(await server.query(`SELECT to_regnamespace('sentlog') AS there`, other.href)).toEqual([{ there: null }]);
  },
);

test('every step → numbered without a gap, and taken once by many at once', async () => {
  expect(migrations.map(({ number }) => number)).toEqual(migrations.map((_, i) => i + 1));
  expect((await migrationStatus(target())).every(step => step.appliedAt === undefined)).toBe(true);
  const taken = await Promise.all(Array.from({ length: 6 }, () => migrate(target(), () => {})));
  expect(taken.flat()).toHaveLength(migrations.length);
  const status = await migrationStatus(target());
  expect(status.map(({ number, name }) => [number, name])).toEqual(
    migrations.map(({ number, name }) => [number, name]),
  );
  expect(status.every(step => /^\d{4}-\d\d-\d\dT[\d:]{8}Z$/.test(step.appliedAt ?? ''))).toBe(true);
});

describe('a program beside the next version', () => {
  test('the next one migrates while it works → it works on, and one of its version still starts', async () => {
    const store = await open();
    expect(await migrate(target(), () => {}, next())).toHaveLength(1);
    expect(await migrate(target(), () => {}, next())).toEqual([]);
    await store.stats();
    await store.close();
    expect(await migrate(target(), () => {})).toEqual([]);
    await (await open()).close();
  });

  test('a step that it cannot live with → it does not start, and says which version can', async () => {
    await migrate(target(), () => {}, next({ breaking: true }));
    await expect(open()).rejects.toThrow(Unusable);
    await expect(open()).rejects.toThrow(`newer sentlog (step ${migrations.length + 1}, next)`);
    expect(await migrate(target(), () => {}, next({ breaking: true }))).toEqual([]);
  });
});

describe('a step', () => {
  test('a table that somebody holds → tried again until it is free, and nobody waits behind for long', async () => {
    await migrate(target(), () => {});
    const holder = await server.connect(url);
    await holder.query('BEGIN; SELECT FROM sentlog.api_key');
    const migrating = migrate(target(), () => {}, next());
    await until(async () => {
      const waiting = await query(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`);
      return waiting.length > 0;
    });
    // Behind the step that waits; it gives way.
    await query(`SET lock_timeout = '4s'; SELECT FROM sentlog.api_key`);
    await holder.end();
    expect(await migrating).toHaveLength(1);
    await query('SELECT note FROM sentlog.api_key');
  });

  test('steps of the outbox while an older program adds a message → neither is in the way of the other', async () => {
    await migrate(target(), () => {}, migrations.slice(0, 26));
    const adding = await server.connect(url);
    await adding.query('SET search_path = sentlog; BEGIN; SELECT FROM outbox_message');
    const migrating = migrate(target(), () => {});
    const waits = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`;
    await until(async () => (await query(waits)).length > 0);
    await adding.query(`INSERT INTO outbox_message (account_id, place, accepted_at, due_at, expires_at, lane, state, is_head,
      message_id, sender, destination, body) VALUES (1, 1, 1, 1, 1, 0, 3, false, 'm', 's', 'd', '{}'); COMMIT`);
    await adding.end();
    expect(await migrating).toHaveLength(migrations.length - 26);
  });

  test('a step that waits for others while they wait for it → taken in another turn', async () => {
    await query('CREATE SEQUENCE turn');
    const sql = `DO $do$ BEGIN IF nextval('public.turn') = 1 THEN RAISE SQLSTATE '40P01'; END IF; END $do$`;
    expect(await migrate(target(), () => {}, next({ sql }))).toHaveLength(migrations.length + 1);
  });

  test('indexes of a log that is there → made of one partition after the other, and of those to come', async () => {
    const store = await openPostgresStore({ url, poolSize: 2, observer: new Witness(), upkeepMs: 3_600_000 });
    const now = Date.now();
    const record = (hoursAgo: readonly number[]) =>
      store.record({
        account: 1,
        binding: {},
        receivedAt: now,
        sentSince: 0,
        submissions: hoursAgo.map(hours => submission(hours, { sentAt: now - hours * 3_600_000 })),
      });
    await record([3, 5]);
    const indexes = ['message', 'report'].map(table => ({
      name: `${table}_moment`,
      table,
      definition: '(account_id, received_at) WHERE received_at > 0',
    }));
    const steps = next({ sql: indexes.map(indexStatement).join(''), indexes });
    const [first, held] = await partitionsOf('message');
    const holder = await server.connect(url);
    await holder.query(`BEGIN; LOCK TABLE ${held} IN ROW EXCLUSIVE MODE`);
    const migrating = migrate(target(), () => {}, steps);
    const waits = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`;
    await until(async () => (await query(waits)).length > 0);
    // Who writes elsewhere does not wait at all: the index of that partition is there.
    await query(`BEGIN; SET LOCAL lock_timeout = '1ms'; LOCK TABLE ${first} IN ROW EXCLUSIVE MODE; COMMIT`);
    await holder.end();
    expect(await migrating).toHaveLength(1);
    await record([7]);
    await store.close();
    for (const table of ['message', 'report']) {
      const partitions = await partitionsOf(table);
      expect(partitions.length).toBeGreaterThan(2);
      expect(await partitionsOf(`${table}_moment`), table).toHaveLength(partitions.length);
    }
    expect(await query('SELECT FROM pg_index WHERE NOT indisvalid')).toEqual([]);
  });

  test('a step that fails → nothing of it is there, and the next try takes it', async () => {
    const broken = next({ sql: 'CREATE TABLE half (id integer); SELECT 1 / 0' });
    await expect(migrate(target(), () => {}, broken)).rejects.toThrow('division by zero');
    expect(await query(`SELECT to_regclass('sentlog.half') AS half`)).toEqual([{ half: null }]);
    expect(await migrate(target(), () => {}, next())).toMatchObject([{ name: 'next' }]);
  });

  test('the database away → Unavailable', async () => {
    await server.halt();
    await expect(migrate(target(), () => {})).rejects.toThrow(Unavailable);
    await server.resume();
  });
});
