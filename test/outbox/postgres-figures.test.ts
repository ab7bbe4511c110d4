import { expect, it, onTestFinished } from 'vitest';
import { PostgresOutbox } from '../../src/outbox/postgres/engine.ts';
import { countedMax, figurePlans, figures } from '../../src/outbox/postgres/figures.ts';
import { states } from '../../src/outbox/states.ts';
import { Connections } from '../../src/postgres/connections.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { start } from './support.ts';

it('many more messages in line, to be told, ended → figures read no more pages, and tell about how many', async () => {
  const server = await PostgresServer.start(['fsync=off']);
  onTestFinished(() => server.remove());
  const target = { url: await server.database(), schema: 'figures' };
  await migrate(target, () => {});
  const outbox = new PostgresOutbox(new Connections({ ...target, statementTimeoutMs: 60_000, max: 2, note: () => {} }));
  onTestFinished(() => outbox.close());
  const connection = await server.connect(target.url);
  onTestFinished(() => connection.end());
  await connection.query('SET search_path = figures');
  const pagesRead = async () => {
    await connection.query('BEGIN');
    await connection.query(figurePlans.text);
    const { rows } = await connection.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${figures.text}`);
    await connection.query('COMMIT');
    const { Plan: plan } = rows[0]['QUERY PLAN'][0];
    return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
  };
  // Those that ended come first in the table.
  const add = async (count: number) => {
    for (const state of [states.ended, states.scheduled, states.queued])
      await connection.query(`INSERT INTO outbox_message
          (account_id, place, accepted_at, due_at, expires_at, lane, state, is_head, message_id, sender, destination, body)
        SELECT 1, n, ${start}, ${start}, ${start}, 0, ${state}, false, gen_random_uuid(), 'page', n, '{}'
        FROM generate_series(1, ${count}) n`);
    await connection.query(
      `INSERT INTO outbox_step (message, happened_at) SELECT n, ${start} FROM generate_series(1, ${count}) n`,
    );
  };
  await add(countedMax / 2);
  expect(await outbox.stats()).toMatchObject({ scheduled: 5000, queued: 5000, untold: 5000 });
  await add(countedMax);
  // Until the database looked, there are more than are counted.
  expect(await outbox.stats()).toMatchObject({ scheduled: countedMax + 1, queued: countedMax + 1 });
  /** What the database notes comes from a sample: to the nearest thousands. */
  const noted = async () => {
    await connection.query('VACUUM ANALYZE outbox_message, outbox_step');
    const { scheduled, queued, untold } = await outbox.stats();
    return [scheduled, queued, untold].map(count => Math.round(count / 5000) * 5000);
  };
  expect(await noted()).toEqual([15_000, 15_000, 15_000]);
  const pages = await pagesRead();
  await add(2 * countedMax);
  expect(await noted()).toEqual([35_000, 35_000, 35_000]);
  expect(await pagesRead()).toBeLessThan(pages * 1.5);
});
