import type { TestProject } from 'vitest/node';
import { databaseServer } from './database-server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The database that the servers of the tests keep their logs in; in memory when absent. */
    readonly database?: string;
  }
}

/** One PostgreSQL for all tests of the project; each server has a schema of its own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await databaseServer(['fsync=off', 'full_page_writes=off', 'max_connections=300']);
  project.provide('database', await server.database());
  return () => server.remove();
}
