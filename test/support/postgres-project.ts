import type { TestProject } from 'vitest/node';
import { migrate, schemaName } from '../../src/postgres/migrate.ts';
import { databaseServer, isGiven } from './database-server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The database that the servers of the tests keep their logs in; in memory when absent. */
    readonly database?: string;
    /** Whether that database is on a server that the tests did not start. */
    readonly isGiven?: boolean;
  }
}

/** One PostgreSQL for all tests of the project; each server has a place of its own in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await databaseServer(['fsync=off', 'full_page_writes=off', 'max_connections=300']);
  const database = await server.database();
  // With the tables that each place is a copy of.
  if (!isGiven) await migrate({ url: database, schema: schemaName }, () => {});
  project.provide('database', database);
  project.provide('isGiven', isGiven);
  return () => server.remove();
}
