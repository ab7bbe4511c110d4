import { Unusable } from '../../../failures.ts';
import { integer, text, truth } from '../../../postgres/cells.ts';
import { type ConnectionOptions, connected, keepAlive, type Note } from '../../../postgres/connections.ts';
import { lockKey } from '../../../postgres/locks.ts';
import type { Session } from '../../../postgres/session.ts';
import { planningSettings } from './planning.ts';

/** Spread over the workers by account, all alike: what belongs to one account lies on one of them, of every table. */
export const distributedTables = [
  'message',
  'message_key',
  'report',
  'recording',
  'summed',
  'tally',
  'cell',
  'waiting_report',
  'block',
] as const;

export const citusIsThere = `SELECT EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'citus')`;

export async function isOnCitus(session: Pick<Session, 'query'>): Promise<boolean> {
  const [[there] = []] = await session.query(citusIsThere);
  return truth(there);
}

/**
 * Has a connection of readers plan as Citus needs it. It finds the shard of most statements only by their values: a plan
 * forced to be made without them is refused. Left to itself, it keeps the plans that it can keep.
 */
export async function adaptPlans(session: Session): Promise<void> {
  await session.query(
    `SELECT set_config('plan_cache_mode', 'auto', false) FROM pg_extension e WHERE e.extname = 'citus'`,
  );
}

/**
 * Rows of arrays alone, Citus would gather on the coordinator and send in steps of their own. Selected beside a row of the
 * account, which every account that records has, the whole statement goes to the account's worker.
 */
export const ofAccount = 'summed s CROSS JOIN';

const distributionMsMax = 10 * 60_000;

/** The statements that spread a table of a schema, all co-located with the first. */
export function distributionStatement(schema: string, table: string): string {
  const beside = table === distributedTables[0] ? 'none' : `${schema}.${distributedTables[0]}`;
  return `SELECT create_distributed_table('${schema}.${table}', 'account_id', colocate_with => '${beside}')`;
}

/** Which tables are to be spread: `all`, or those `added` to a log that was spread before. */
export type Spreading = 'all' | 'added';

/**
 * Spreads the tables over Citus where the extension is there and it has not been done; they must have been made.
 * Whether anything was done. Rows that are there move to the workers, and recording waits meanwhile: best before the
 * first.
 */
export async function distribute(
  { url, schema }: Pick<ConnectionOptions, 'url' | 'schema'>,
  note: (note: Note) => void,
  which: Spreading = 'all',
): Promise<boolean> {
  return connected({ url, schema, statementTimeoutMs: distributionMsMax }, async session => {
    if (!(await isOnCitus(session)) || (await notSpread(session, which)).length === 0) return false;
    await session.run(`SET lock_timeout = ${distributionMsMax}`);
    await session.query(`SELECT pg_advisory_lock(${lockKey('migration')})`);
    const tables = await notSpread(session, which);
    const [[nodes, taking, workers] = []] = await session.query(nodesThatTakeRows);
    if (integer(nodes) > 0 && integer(taking) === 0) throw new Unusable(`the tables cannot be spread: ${noWorker}`);
    for (const table of tables) await session.query(distributionStatement(schema, table));
    if (tables.length === 0) return false;
    await giveWorkersSettings(session);
    note({ level: 'info', message: 'the tables were spread over Citus', detail: { tables } });
    if (integer(workers) === 0)
      note({
        level: 'warn',
        message: `all of the log lies on the coordinator: ${noWorker}, then move shards to them by citus_rebalance_start`,
      });
    return true;
  });
}

/** Those registered, those of them that take rows, and of these the workers. */
const nodesThatTakeRows = `
  SELECT count(*), count(*) FILTER (WHERE n.shouldhaveshards),
    count(*) FILTER (WHERE n.shouldhaveshards AND n.groupid <> 0)
  FROM pg_dist_node n WHERE n.noderole = 'primary' AND n.isactive`;

const noWorker = 'no worker is registered. Register workers by citus_add_node';

async function notSpread(session: Session, which: Spreading): Promise<readonly string[]> {
  const rows = await session.query(
    `SELECT c.relname FROM pg_dist_partition p JOIN pg_class c ON c.oid = p.logicalrelid
     WHERE c.relnamespace = current_schema()::regnamespace AND p.partmethod = 'h'`,
  );
  const spread = new Set(rows.map(row => text(row[0])));
  if (which === 'added' && !spread.has(distributedTables[0])) return [];
  return distributedTables.filter(table => !spread.has(table));
}

/**
 * Workers go by settings of their own, so the role is given there what each connection sets for itself: with the
 * defaults they would read whole partitions that are not analysed yet, and hold the locks of a coordinator that vanished
 * for hours. Citus passes this on to the workers.
 */
async function giveWorkersSettings(session: Session): Promise<void> {
  const [[database] = []] = await session.query('SELECT quote_ident(current_database())');
  for (const [name, value] of Object.entries({ ...planningSettings, ...keepAlive }))
    await session.run(`ALTER ROLE CURRENT_USER IN DATABASE ${text(database)} SET ${name} = ${value}`);
}
