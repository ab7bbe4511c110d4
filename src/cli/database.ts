import type { Connections } from '../postgres/connections.ts';

const statementMsMax = 30_000;

/** One connection to the tables of a database, loaded only here: commands on a folder need no client of PostgreSQL. */
export async function openConnections(url: string): Promise<Connections> {
  const { Connections } = await import('../postgres/connections.ts');
  const { schemaName } = await import('../postgres/migrate.ts');
  return new Connections({ url, schema: schemaName, max: 1, statementTimeoutMs: statementMsMax, note: () => {} });
}
