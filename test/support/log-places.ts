import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { schemaName } from '../../src/postgres/migrate.ts';
import { prepare } from './database-server.ts';

/** Where a log is kept that nothing was recorded in yet. */
export type LogPlace = { readonly url: string; readonly schema: string; remove(): Promise<void> };

/**
 * A place for one log on the server of this database: a copy of a database that has the tables, which takes a quarter of
 * the CPU that making them does; on a server that is given, a schema of its own, spread where that has Citus.
 */
export async function newPlace(database: string): Promise<LogPlace> {
  const name = `log_${randomUUID().replaceAll('-', '')}`;
  if (inject('isGiven')) {
    await prepare(database, name);
    return { url: database, schema: name, remove: async () => {} };
  }
  const [url, server] = [new URL(database), new URL(database)];
  url.pathname = `/${name}`;
  server.pathname = '/postgres';
  await run(server, `CREATE DATABASE ${name} TEMPLATE ${new URL(database).pathname.slice(1)} STRATEGY FILE_COPY`);
  return { url: url.href, schema: schemaName, remove: () => run(server, `DROP DATABASE ${name} WITH (FORCE)`) };
}

async function run(server: URL, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: server.href });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
