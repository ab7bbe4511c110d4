import type { LogRecord } from '../../src/domain/message.ts';
import { openPostgresStore } from '../../src/store/postgres/engine.ts';
import type { StoreObserver } from '../../src/store/store.ts';
import type { PostgresServer } from '../../test/support/postgres-server.ts';
import type { LogShape } from '../dataset/shape.ts';
import { Catalog } from './catalog.ts';
import { type RecordedLog, recordLog } from './log.ts';
import type { Plan } from './plan.ts';
import { explained, PlanLog } from './plan-log.ts';
import { type Question, questionsOn } from './questions.ts';

/** A question with the plans of the statements that answered it. */
export type Asked = {
  readonly question: Question;
  readonly plans: readonly Plan[];
  /** Those of the first time, when nothing is remembered of pages before. */
  readonly firstPlans: readonly Plan[];
  readonly logs: readonly LogRecord[];
};

/** Recorded by as many at once as the log's recorder takes. */
const loadConnections = 8;
/** One for those who read and one for those who record: each keeps its plans from the first time on. */
const askConnections = 2;
const logTables: readonly string[] = ['message', 'message_key', 'report', 'recording', 'tally', 'cell'];

const observer: StoreObserver = {
  committed: () => {},
  damaged: ({ name, reason }) => {
    throw new Error(`${name} is damaged: ${reason}`);
  },
  note: () => {},
};

/** Records a log into an empty database. */
export async function prepare(url: string, shape: LogShape): Promise<RecordedLog> {
  const store = await openPostgresStore({ url, poolSize: 2 * loadConnections, observer });
  try {
    return await recordLog(store, shape);
  } finally {
    await store.close();
  }
}

/**
 * Asks a store all questions on a log that `prepare` recorded; `folder` is the server's. The first time plans are made
 * and pages come into memory; what ran the second and the third time is the question's, and not the store's upkeep.
 */
export async function askAll(
  server: PostgresServer,
  folder: string,
  url: string,
  log: RecordedLog,
): Promise<{ readonly asked: readonly Asked[]; readonly catalog: Catalog }> {
  const planLog = await PlanLog.open(server, folder, url);
  const store = await openPostgresStore({ url: explained(url), poolSize: askConnections, observer });
  const client = await server.connect(url);
  try {
    const asked: Asked[] = [];
    const questions = await questionsOn(store, log);
    const catalog = await Catalog.read(client);
    for (const question of questions) {
      const plansNow = async () => (await planLog.take()).filter(plan => isOfTheLog(plan, catalog));
      await planLog.take();
      await question.ask();
      const firstPlans = await plansNow();
      await question.ask();
      const before = new Set((await plansNow()).map(plan => plan.statement));
      const logs = await question.ask();
      const plans = (await plansNow()).filter(plan => before.has(plan.statement));
      asked.push({ question, plans, firstPlans, logs });
    }
    return { asked, catalog };
  } finally {
    await client.end();
    await store.close();
    await planLog.close();
  }
}

/** Others are of the catalog, or of a few rows. */
function isOfTheLog(plan: Plan, catalog: Catalog): boolean {
  return catalog.tablesIn(plan).some(table => logTables.includes(table));
}
