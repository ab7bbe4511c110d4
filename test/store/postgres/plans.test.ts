import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { faultsOf } from '../../../bench/explain/check.ts';
import { askAll, prepare } from '../../../bench/explain/explain.ts';
import { type RecordedLog, wholeHours } from '../../../bench/explain/log.ts';
import { rowsRead } from '../../../bench/explain/plan.ts';
import { explained, PlanLog, planLogSettings } from '../../../bench/explain/plan-log.ts';
import { openPostgresStore } from '../../../src/store/postgres/engine.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { submission, Witness } from '../../support/sqlite-log.ts';

const messagesOfEach = 20_000;
const folder = mkdtempSync(join(tmpdir(), 'sentlog-plans-'));
let server: PostgresServer;
let url: string;
let log: RecordedLog;

beforeAll(async () => {
  // Whether tables are analysed is what these tests differ in.
  server = await PostgresServer.start(['fsync=off', 'autovacuum=off', ...planLogSettings], folder);
  url = await server.database();
  log = await prepare(url, wholeHours(messagesOfEach, Date.now()));
  return () => server.remove();
});

const asked = () => askAll(server, folder, url, log);

describe('the plans of the log, over 40,000 messages of two accounts in partitions of four hours', () => {
  it.each([
    ['of tables that were never analysed', undefined],
    ['of analysed tables', 'VACUUM (ANALYZE)'],
  ])('plans %s → touch only the partitions and rows that they must', async (_, before) => {
    if (before !== undefined) await server.query(before, url);
    const { asked: all, catalog } = await asked();
    expect(all.flatMap(one => faultsOf(one, catalog))).toEqual([]);
    const claimed = all.filter(({ question }) => question.claims !== undefined);
    expect(claimed.length).toBeGreaterThan(15);
    for (const { question, plans } of claimed) expect(plans, question.title).toHaveLength(1);
    const unanswered = claimed.filter(({ logs }) => logs.length === 0).map(({ question }) => question.title);
    expect(unanswered).toEqual(['sender, not there']);
    for (const { question, plans } of all) expect(plans.length, question.title).toBeGreaterThan(0);
  });

  it('an index that is not there → the filter that needs it is found to read more', async () => {
    await server.query('DROP INDEX sentlog.message_destination', url);
    const { asked: all, catalog } = await asked();
    const faults = all.flatMap(one => faultsOf(one, catalog));
    expect(faults.length).toBeGreaterThan(0);
    for (const fault of faults) expect(fault).toMatch(/^destination: /);
  });

  it('a partition that is read from end to end → found', async () => {
    const { asked: all, catalog } = await asked();
    const some = all.find(({ question }) => question.title === 'one hour');
    const relation = some?.plans.flatMap(({ steps }) =>
      steps.flatMap(step => (step.loops > 0 ? (step.relation ?? []) : [])),
    )[0];
    if (some === undefined || relation === undefined) throw new Error('no partition was read');
    const steps = [{ kind: 'Seq Scan', relation, loops: 1, rows: 1, removed: 0 }];
    const plan = { statement: '', durationMs: 1, buffers: 1, steps };
    expect(faultsOf({ ...some, plans: [plan], firstPlans: [] }, catalog)).toEqual([
      `one hour: reads ${relation} from end to end`,
    ]);
    expect(
      faultsOf(
        { ...some, plans: [{ ...plan, steps: steps.map(step => ({ ...step, loops: 0 })) }], firstPlans: [] },
        catalog,
      ),
    ).toEqual([]);
  });
});

describe('upkeep and figures, over 20,000 accounts that are quiet', () => {
  const quiet = 20_000;

  /** Accounts that recorded a message each once, an hour of cells and all, and were added up. */
  async function recordQuiet(database: string, sentAt: number): Promise<void> {
    const accounts = `generate_series(1000, ${999 + quiet}) account`;
    const minutes = JSON.stringify([[sentAt, 1, 0, sentAt, sentAt, {}]]);
    const hour = Math.floor(sentAt / 3_600_000) * 3_600_000;
    for (const sql of [
      `INSERT INTO sentlog.summed SELECT account, 2 + account FROM ${accounts}`,
      `INSERT INTO sentlog.recording
        SELECT account, 1 + account, 1, 1, 0, ${sentAt}, ${sentAt}, '{1}', '{1}', '{0}', '${minutes}' FROM ${accounts}`,
      `INSERT INTO sentlog.tally SELECT account, 1, ${hour}, 1, 0, ${sentAt}, ${sentAt} FROM ${accounts}`,
      `INSERT INTO sentlog.cell SELECT account, 60000, ${Date.now()}, '{}', '{}' FROM ${accounts}`,
    ])
      await server.query(sql, database);
  }

  it('a sweep and a look at the figures → read the rows of those who recorded since', async () => {
    const database = await server.database();
    const options = { url: explained(database), poolSize: 2, observer: new Witness(), upkeepMs: 3_600_000 };
    const store = await openPostgresStore(options);
    const planLog = await PlanLog.open(server, folder, database);
    try {
      const now = Date.now();
      // Of an hour that the horizon cuts, a sweep reads every row.
      const horizon = now - 3 * 3_600_000;
      await recordQuiet(database, now - 60_000);
      const record = (account: number, from: number) => {
        const submissions = Array.from({ length: 10 }, (_, i) => submission(from + i, { sentAt: now - 1000 }));
        return store.record({ account, binding: {}, receivedAt: now, sentSince: 0, submissions });
      };
      await record(1, 0);
      await store.dropBefore(horizon);
      expect(await store.stats()).toMatchObject({ messages: quiet + 10 });
      await planLog.take();
      for (const account of [1, 2, 3]) await record(account, 100);
      await planLog.take();
      await store.dropBefore(horizon);
      expect(await store.stats()).toMatchObject({ messages: quiet + 40 });
      const plans = await planLog.take();
      const largest = plans.toSorted((a, b) => rowsRead(b) - rowsRead(a))[0];
      expect(largest === undefined ? Infinity : rowsRead(largest), largest?.statement).toBeLessThan(200);
      // Some fifteen statements for each that recorded, and some twenty for the sweep itself.
      expect(plans.length).toBeLessThan(120);
    } finally {
      await store.close();
      await planLog.close();
    }
  });
});
