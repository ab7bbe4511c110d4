import { Unavailable, Unusable } from '../failures.ts';
import { integer, optional, type Row, text, truth } from './cells.ts';
import { type ConnectionOptions, connected, type Note } from './connections.ts';
import { asOpeningFailure, isDeadlock, isLockNotHad } from './failure.ts';
import type { PartitionedIndex } from './indexes.ts';
import { lockKey } from './locks.ts';
import { type Migration, migrations } from './migrations.ts';
import type { Session } from './session.ts';

/** Everything of the program in a database is in this schema. */
export const schemaName = 'sentlog';

/** Partitions are detached without holding anybody up from this version on. */
const versionMin = 140_000;
const migrationMsMax = 10 * 60_000;
/**
 * A step that waits for a lock makes everybody wait behind it: it gives up, and tries again when they had their turn. It
 * waits for longer than `deadlock_timeout`, 1 s as a rule, after which an autovacuum that is in its way is cancelled.
 */
const stepLockMsMax = 1500;
const stepTriesMax = 60;
const stepPauseMs = 500;

type Target = Pick<ConnectionOptions, 'url' | 'schema'>;

/** A step of the schema in a database; `appliedAt` is absent when it was not taken yet. */
export type Step = { readonly number: number; readonly name: string; readonly appliedAt?: string };

/**
 * Brings the tables up to what this program knows, once, whichever of several processes comes first, and gives the
 * steps that it took. A database that is further already is left as it is: steps only add, so that the program before
 * goes on beside the next. Rejects with `Unusable` when it is further by a step that this program cannot live with, or
 * is none for the log, and with `Unavailable` when it cannot be reached now.
 */
export async function migrate(
  { url, schema }: Target,
  note: (note: Note) => void,
  steps: readonly Migration[] = migrations,
): Promise<readonly Step[]> {
  return opening({ url, schema }, async session => {
    const [[version] = []] = await session.query(`SELECT current_setting('server_version_num')::integer`);
    if (integer(version) < versionMin) throw new Unusable('the log needs PostgreSQL 14 or later');
    const [[encoding] = []] = await session.query(`SELECT current_setting('server_encoding')`);
    // What cannot be encoded there would fail later, record by record.
    if (encoding !== 'UTF8')
      throw new Unusable(
        `the log needs a database in UTF-8, and this one is in ${encoding}: create one with ENCODING 'UTF8'`,
      );
    if (isUpToDate(await stepsIn(session), steps)) return [];
    await session.run(`SET lock_timeout = ${migrationMsMax}; SELECT pg_advisory_lock(${lockKey('migration')})`);
    await session.run(`SET lock_timeout = ${stepLockMsMax}`);
    const [[there] = []] = await session.query('SELECT to_regnamespace($1) IS NOT NULL', [schema]);
    if (!truth(there)) await session.run(`CREATE SCHEMA ${schema}`);
    await session.run(migrationTable);
    // Asked again under the lock: another process may just have done it.
    const applied = await stepsIn(session);
    if (isUpToDate(applied, steps)) return [];
    const lacking = steps.slice(applied.length);
    for (const step of lacking) {
      await take(session, step);
      const { number, name } = step;
      note({ level: 'info', message: 'the tables were migrated', detail: { number, name } });
    }
    return lacking;
  });
}

/** What was done to the tables of a database, and what this program would do. */
export async function migrationStatus(target: Target): Promise<readonly Step[]> {
  return opening(target, async session => {
    const applied = await stepsIn(session);
    return [...applied, ...migrations.slice(applied.length).map(({ number, name }) => ({ number, name }))];
  });
}

async function opening<T>({ url, schema }: Target, work: (session: Session) => Promise<T>): Promise<T> {
  try {
    return await connected({ url, schema, statementTimeoutMs: migrationMsMax }, work);
  } catch (error) {
    throw asOpeningFailure(error);
  }
}

async function take(session: Session, step: Migration): Promise<void> {
  const { number, name, sql, breaking = false, indexes = [] } = step;
  for (const index of indexes) await indexPartitions(session, step, index);
  const done = `INSERT INTO migration (number, name, breaking) VALUES (${number}, '${name}', ${breaking})`;
  await inTurn(session, step, [...statementsIn(sql), done]);
}

/** Runs statements in one transaction, which gives way to whoever holds what it needs. */
async function inTurn(session: Session, { number, name }: Migration, statements: readonly string[]): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      // Citus does not change all shards at once in a transaction that goes on; elsewhere the setting means nothing.
      await session.run(`BEGIN; SET LOCAL citus.multi_shard_modify_mode = 'sequential'`);
      for (const statement of statements) await session.run(statement);
      await session.run('COMMIT');
      return;
    } catch (error) {
      await session.run('ROLLBACK');
      if (!isLockNotHad(error) && !isDeadlock(error)) throw error;
      if (tries === stepTriesMax)
        throw new Unavailable(`the tables are in use: step ${number} (${name}) could not be taken`);
      await new Promise(resolve => setTimeout(resolve, stepPauseMs));
    }
  }
}

/** A partition that was dropped meanwhile needs none. Citus makes the index of its shards, and the step finds them there. */
async function indexPartitions(session: Session, step: Migration, index: PartitionedIndex): Promise<void> {
  const rows = await session.query(
    `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = to_regclass($1) AND NOT i.inhdetachpending ORDER BY c.relname`,
    [index.table],
  );
  for (const [name] of rows) {
    const partition = text(name);
    const ofPartition = partition.replace(index.table, index.name);
    const make = `CREATE INDEX IF NOT EXISTS ${ofPartition} ON ${partition} ${index.definition}`;
    await inTurn(session, step, [`DO $do$ BEGIN ${make}; EXCEPTION WHEN undefined_table THEN NULL; END $do$`]);
  }
}

/** One by one, since Citus passes what changes a table on to its workers whole, and they take one statement at a time. */
function statementsIn(sql: string): readonly string[] {
  return sql.split(/;[ ]*\n/).filter(statement => statement.trim() !== '');
}

const migrationTable = `
  CREATE TABLE IF NOT EXISTS migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    breaking boolean NOT NULL DEFAULT false,
    applied_at timestamptz NOT NULL DEFAULT now()
  )`;

type AppliedStep = Step & { readonly breaking: boolean };

/** In their order; empty where the log has no tables. */
async function stepsIn(session: Session): Promise<readonly AppliedStep[]> {
  const [[there] = []] = await session.query(`SELECT to_regclass('migration') IS NOT NULL`);
  if (!truth(there)) return [];
  const rows = await session.query(
    `SELECT number, name, breaking, to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
     FROM migration ORDER BY number`,
  );
  return rows.map(readStep);
}

function readStep([number, name, breaking, at]: Row): AppliedStep {
  const appliedAt = optional(at, text);
  return {
    number: integer(number),
    name: text(name),
    breaking: truth(breaking),
    ...(appliedAt !== undefined && { appliedAt }),
  };
}

function isUpToDate(applied: readonly AppliedStep[], known: readonly Migration[]): boolean {
  const breaking = applied.slice(known.length).find(step => step.breaking);
  if (breaking !== undefined)
    throw new Unusable(
      `the tables were migrated by a newer sentlog (step ${breaking.number}, ${breaking.name}), which this one cannot work with: run that version`,
    );
  return applied.length >= known.length;
}
