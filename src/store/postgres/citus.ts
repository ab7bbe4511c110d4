import { truth } from '../../postgres/cells.ts';
import { type ConnectionOptions, connected, type Note } from '../../postgres/connections.ts';
import { lockKey } from '../../postgres/locks.ts';
import { planningSettings } from './planning.ts';

/** Spread over the workers by account, all alike: what belongs to one account lies on one of them, of every table. */
export const distributedTables = ['message', 'message_key', 'report', 'recording', 'summed', 'tally', 'cell'] as const;

/** Small, and joined to the others: every worker has them whole. */
export const referenceTables = ['era', 'generation'] as const;

export const citusIsThere = `SELECT EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'citus')`;

const distributionMsMax = 10 * 60_000;

/**
 * The statements that spread the tables of a schema. Workers plan by settings of their own, so the role is given there
 * what each connection sets for itself: with the defaults they would read whole partitions that are not analysed yet.
 */
export function distributionStatements(schema: string): readonly string[] {
  const [first, ...others] = distributedTables;
  const onWorkers = (command: string) =>
    `SELECT run_command_on_workers(format('${command}', current_user, current_database()))`;
  return [
    ...referenceTables.map(table => `SELECT create_reference_table('${schema}.${table}')`),
    `SELECT create_distributed_table('${schema}.${first}', 'account_id', colocate_with => 'none')`,
    ...others.map(
      table =>
        `SELECT create_distributed_table('${schema}.${table}', 'account_id', colocate_with => '${schema}.${first}')`,
    ),
    ...Object.entries(planningSettings).map(([name, value]) =>
      onWorkers(`ALTER ROLE %I IN DATABASE %I SET ${name} = ${value}`),
    ),
  ];
}

/**
 * Spreads the tables over Citus where the extension is there and it has not been done; they must have been made.
 * Whether anything was done. Rows that are there move to the workers, and recording waits meanwhile: best before the
 * first.
 */
export async function distribute(
  { url, schema }: Pick<ConnectionOptions, 'url' | 'schema'>,
  note: (note: Note) => void,
): Promise<boolean> {
  return connected({ url, schema, statementTimeoutMs: distributionMsMax }, async session => {
    const [[there] = []] = await session.query(citusIsThere);
    if (!truth(there)) return false;
    await session.query(`SELECT pg_advisory_lock(${lockKey('migration')})`);
    const [[done] = []] = await session.query(
      `SELECT EXISTS (SELECT FROM pg_dist_partition p WHERE p.logicalrelid = '${distributedTables[0]}'::regclass)`,
    );
    if (truth(done)) return false;
    for (const statement of distributionStatements(schema)) await session.query(statement);
    note({ level: 'info', message: 'the tables were spread over Citus', detail: { tables: distributedTables } });
    return true;
  });
}
