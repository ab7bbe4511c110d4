import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { indexStatement } from '../../../src/postgres/indexes.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { migrations } from '../../../src/postgres/migrations.ts';
import { distributedTables } from '../../../src/store/postgres/schema/citus.ts';
import { holdGeneration } from '../../../src/store/postgres/schema/generation-lock.ts';
import { planningSettings } from '../../../src/store/postgres/schema/planning.ts';
import {
  eraNow,
  firstUnseen,
  snapshotIn,
  snapshotStatement,
  transactionOf,
} from '../../../src/store/postgres/server/snapshot.ts';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { type DatabaseServer, databaseServer, isOnCitus } from '../../support/database-server.ts';
import { until, Witness } from '../../support/sqlite-log.ts';
import {
  account,
  findIds,
  horizon,
  hourMs,
  idsOf,
  message,
  messages,
  now,
  record,
  recordAll,
  walk,
} from '../conformance/engine.ts';
import { statementsOfEverything } from '../everything.ts';
import { PostgresDatabase } from './database.ts';
import { ofAll, perhaps } from './statements-of-all.ts';

describe.runIf(await isOnCitus())('the log on a cluster of Citus', () => {
  let server: DatabaseServer;
  let database: PostgresDatabase;

  beforeAll(async () => {
    server = await databaseServer();
    database = await PostgresDatabase.create(server);
  });
  afterAll(async () => {
    await database.close();
    await server.remove();
  });

  it('every statement of an account → one task on one worker, sent there as it is', async () => {
    const client = await server.connect(database.url);
    await client.query('SET search_path = sentlog');
    const several: string[] = [];
    let single = 0;
    for (const { text, values } of await statementsOfEverything(database.url)) {
      if (!/^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b/.test(text)) continue;
      if (!distributedTables.some(table => RegExp(`\\b${table} \\w+\\b|INTO ${table}\\b`).test(text))) continue;
      const { rows } = await client.query({ text: `EXPLAIN ${text}`, values: [...values], rowMode: 'array' });
      const plan = rows.flat().join('\n');
      const tasks = [...plan.matchAll(/Task Count: (\d+)/g)].map(([, count]) => Number(count));
      if (tasks.length === 1 && tasks[0] === 1 && !/Subplan|INSERT \.\.\. SELECT/.test(plan)) single++;
      else several.push(text.replaceAll(/\s+/g, ' ').trim());
    }
    await client.end();
    expect(single).toBeGreaterThan(30);
    const known = [...ofAll, ...perhaps].map(([part]) => part);
    expect(several.filter(text => !known.some(part => text.includes(part)))).toEqual([]);
  });

  it('a later step of the schema → taken on the workers too, and the tables it adds are spread', async () => {
    const own = await PostgresDatabase.create(server);
    const store = await own.open();
    await recordAll(store, messages(5));
    const sql = `
      ALTER TABLE message ADD COLUMN note text;
      CREATE INDEX message_note ON message (account_id, note);
      ALTER TABLE tally RENAME TO tally_before;
      CREATE TABLE tally (LIKE tally_before INCLUDING ALL);
    `;
    const target = { url: own.url, schema: 'sentlog' };
    await migrate(target, () => {}, [...migrations, { number: migrations.length + 1, name: 'next', sql }]);
    await recordAll(
      store,
      messages(5, i => ({ messageId: `n${i}` })),
    );
    expect(await findIds(store)).toHaveLength(10);
    await own.open();
    const spread = await own.query(
      `SELECT count(DISTINCT colocationid)::int AS groups, count(*)::int AS tables FROM pg_dist_partition
       WHERE logicalrelid::text IN (${distributedTables.map(table => `'sentlog.${table}'`).join()})`,
    );
    expect(spread).toEqual([{ groups: 1, tables: distributedTables.length }]);
    await own.close();
  });

  it('a step that makes an index → made of one partition after the other, on the workers too', async () => {
    const own = await PostgresDatabase.create(server);
    const store = await own.open({ aheadMs: 0, now: () => now });
    await recordAll(store, [message('a', { sentAt: now }), message('b', { sentAt: now - 7 * hourMs })]);
    const partitions = () =>
      own.query(
        `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'sentlog.message'::regclass`,
      );
    await until(async () => (await partitions()).length === 3);
    const held = await own.hold(`LOCK TABLE ${(await partitions()).at(-1)?.name} IN ROW EXCLUSIVE MODE`);
    const definition = '(account_id, received_at) WHERE received_at > 0';
    const index = { name: 'message_moment', table: 'message', definition };
    const next = { number: migrations.length + 1, name: 'next', sql: indexStatement(index), indexes: [index] };
    const migrating = migrate({ url: own.url, schema: 'sentlog' }, () => {}, [...migrations, next]);
    const made = () =>
      own.query(`SELECT relname FROM pg_class WHERE relname LIKE 'message\\_moment%' AND relkind = 'i'`);
    await until(async () => (await made()).length === 2);
    await held.end();
    await migrating;
    const [{ count } = {}] = await own.query(
      `SELECT sum(result::integer) AS count FROM run_command_on_workers(
         $$SELECT count(*) FROM pg_inherits WHERE inhparent::regclass::text ~ 'message_moment_[0-9]+$'$$)`,
    );
    // Of each of the two shards.
    expect(Number(count)).toBe(2 * 3);
    await own.close();
  });

  it('workers → plan as the connections of the log do', async () => {
    for (const [name, value] of Object.entries(planningSettings)) {
      const workers = await database.query(`SELECT result FROM run_command_on_workers('SHOW ${name}')`);
      expect(workers.map(({ result }) => result)).toEqual(workers.map(() => value));
      expect(workers.length).toBeGreaterThan(1);
    }
  });

  it('a transaction on two workers that a snapshot shows as over → what it wrote shows on both', async () => {
    const [first, second] = await accountsApart(database);
    let writing = true;
    const writers = Array.from({ length: 3 }, async () => {
      const client = await server.connect(database.url);
      await client.query('SET search_path = sentlog');
      const own: number[] = [];
      for (let i = 0; i < 150; i++) {
        await client.query(`BEGIN; ${holdGeneration}`);
        const { rows } = await client.query(`SELECT pg_current_xact_id()::text AS xid, ${eraNow} AS era`);
        const tx = transactionOf(Number(rows[0]?.era), Number(rows[0]?.xid));
        for (const account of [first, second])
          await client.query('INSERT INTO tally VALUES ($1, 0, $2, 0, 0, 0, 0)', [account, tx]);
        await client.query('COMMIT');
        own.push(tx);
      }
      await client.end();
      return own;
    });
    const reading = async () => {
      const client = await server.connect(database.url);
      await client.query('SET search_path = sentlog');
      const seen: [number, number][] = [];
      for (let [since, last] = [0, false]; !last; ) {
        last = !writing;
        const { rows } = await client.query({ text: snapshotStatement.text, rowMode: 'array' });
        const until = firstUnseen(snapshotIn(rows[0]));
        for (const account of [first, second]) {
          const values = [account, since, until];
          const found = await client.query(
            'SELECT t.hour FROM tally t WHERE t.account_id = $1 AND t.hour >= $2 AND t.hour < $3',
            values,
          );
          seen.push(...found.rows.map((row): [number, number] => [account, Number(row.hour)]));
        }
        since = until;
      }
      await client.end();
      return seen;
    };
    const seen = reading();
    const written = (await Promise.all(writers)).flat();
    writing = false;
    const expected = [first, second].flatMap(account => written.map(tx => `${account} ${tx}`));
    expect((await seen).map(one => one.join(' ')).toSorted()).toEqual(expected.toSorted());
    await database.query('DELETE FROM sentlog.tally WHERE generation = 0');
  });

  it.each(['a worker', 'the coordinator'])(
    '%s crashes in the middle of recording, twice → refused meanwhile; then all that was answered is there, once',
    async which => {
      const witness = new Witness();
      const store = await database.open({ observer: witness });
      await recordAll(store, [message(`first, ${which}`)]);
      const url = which === 'a worker' ? await workerOf(database, account) : database.url;
      const answered: string[] = [];
      let [going, refused] = [true, 0];
      const recorders = Array.from({ length: 4 }, async (_, recorder) => {
        for (let i = 0; going; i++) {
          const batch = messages(20, j => ({ messageId: `${which} ${recorder} ${i} ${j}`, sentAt: now - j * 60_000 }));
          // What was refused may have been recorded, and is sent again until it is answered.
          for (let done = false; !done && going; ) {
            done = await record(store, batch).then(
              ({ rejected }) => rejected.length === 0,
              (error: unknown) => {
                if (!(error instanceof StoreUnavailable)) throw error;
                refused++;
                return false;
              },
            );
            if (done) answered.push(...batch.map(({ messageId }) => messageId));
            else await new Promise(resolve => setTimeout(resolve, 20));
          }
        }
      });
      for (let crashes = 0; crashes < 2; crashes++) {
        const [before, refusedBefore] = [answered.length, refused];
        await until(() => answered.length > before + 400);
        await crash(server, url);
        await until(() => refused > refusedBefore);
        const then = answered.length;
        await until(() => answered.length > then + 400);
      }
      going = false;
      await Promise.all(recorders);
      const ids = idsOf(await walk(store, {}));
      expect(new Set(ids).size).toBe(ids.length);
      const there = new Set(ids);
      expect(answered.filter(id => !there.has(id))).toEqual([]);
      expect((await store.stats()).writeFailure).toBeUndefined();
      const { next } = await store.changes({ account, sentSince: horizon, limit: 10 });
      await recordAll(store, [message(`last, ${which}`)]);
      const { changes } = await store.changes({ account, sentSince: horizon, limit: 10, after: next });
      expect(changes.map(({ log }) => log.messageId)).toEqual([`last, ${which}`]);
    },
  );
});

/** The address of the worker that has an account's rows. */
async function workerOf(database: PostgresDatabase, of: number): Promise<string> {
  const [{ nodename, nodeport } = {}] = await database.query(
    `SELECT p.nodename, p.nodeport FROM pg_dist_shard_placement p
     WHERE p.shardid = get_shard_id_for_distribution_column('sentlog.message', ${of})`,
  );
  const url = new URL(database.url);
  url.host = `${nodename}:${nodeport}`;
  return url.href;
}

/** Kills a process of a server, which ends all others and recovers from its log, as after a loss of power. */
async function crash(server: DatabaseServer, url: string): Promise<void> {
  const client = await server.connect(url);
  client.on('error', () => {});
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
  await client.query(`COPY (SELECT 1) TO PROGRAM 'kill -9 ${rows[0]?.pid}'`).catch(() => {});
  await client.end().catch(() => {});
}

/** Two accounts whose rows are on different workers. */
async function accountsApart(database: PostgresDatabase): Promise<readonly [number, number]> {
  const rows = await database.query(
    `SELECT DISTINCT ON (p.nodeport) a::integer AS account
     FROM generate_series(1000, 1100) a
     JOIN pg_dist_shard_placement p ON p.shardid = get_shard_id_for_distribution_column('sentlog.tally', a)`,
  );
  const [first, second] = rows.map(({ account }) => Number(account));
  if (first === undefined || second === undefined) throw new Error('all rows are on one worker');
  return [first, second];
}
