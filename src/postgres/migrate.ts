import { Unusable } from '../failures.ts';
import { integer, optional, truth } from './cells.ts';
import { type ConnectionOptions, connected, type Note } from './connections.ts';
import { lockKey } from './locks.ts';
import { migrations } from './migrations.ts';
import type { Session } from './session.ts';

/** Partitions are detached without holding anybody up from this version on. */
const versionMin = 140_000;
const migrationMsMax = 10 * 60_000;

/**
 * Brings the tables up to what this program knows, once, whichever of several processes comes first. A database that
 * is further already is left as it is: migrations only add, so that the program before goes on beside the next.
 */
export async function migrate(
  { url, schema }: Pick<ConnectionOptions, 'url' | 'schema'>,
  note: (note: Note) => void,
): Promise<void> {
  await connected({ url, schema, statementTimeoutMs: migrationMsMax }, async session => {
    const [[version] = []] = await session.query(`SELECT current_setting('server_version_num')::integer`);
    if (integer(version) < versionMin) throw new Unusable('the log needs PostgreSQL 14 or later');
    const known = migrations.length;
    if ((await appliedIn(session)) >= known) return;
    await session.run(`SET lock_timeout = ${migrationMsMax}; SELECT pg_advisory_lock(${lockKey('migration')})`);
    const [[there] = []] = await session.query('SELECT to_regnamespace($1) IS NOT NULL', [schema]);
    if (!truth(there)) await session.run(`CREATE SCHEMA ${schema}`);
    await session.run(migrationTable);
    const applied = await appliedIn(session);
    for (const { number, name, sql } of migrations.slice(applied)) {
      await session.run(`BEGIN; ${sql}; INSERT INTO migration (number, name) VALUES (${number}, '${name}'); COMMIT`);
      note({ level: 'info', message: 'the tables were migrated', detail: { number, name } });
    }
  });
}

const migrationTable = `
  CREATE TABLE IF NOT EXISTS migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
  )`;

async function appliedIn(session: Session): Promise<number> {
  const [[there] = []] = await session.query(`SELECT to_regclass('migration') IS NOT NULL`);
  if (!truth(there)) return 0;
  const [[applied] = []] = await session.query('SELECT max(number) FROM migration');
  return optional(applied, integer) ?? 0;
}
