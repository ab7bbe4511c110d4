import { setTimeout } from 'node:timers/promises';
import { text } from '../../../postgres/cells.ts';
import { isLockNotHad } from '../../../postgres/failure.ts';
import type { Session } from '../../../postgres/session.ts';
import { isOnCitus } from './citus.ts';

/** `detaching` was begun and broken off; `loose` is detached, to be dropped. */
export type Child = { readonly name: string; readonly phase: 'attached' | 'detaching' | 'loose' };

/** The partitions of a table, and those that were and are not dropped yet: told by their names. */
export async function childrenOf(session: Session, parent: string): Promise<readonly Child[]> {
  const rows = await session.query(
    `SELECT c.relname,
       CASE WHEN i.inhparent IS NULL THEN 'loose' WHEN i.inhdetachpending THEN 'detaching' ELSE 'attached' END
     FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
     WHERE c.relnamespace = (SELECT p.relnamespace FROM pg_class p WHERE p.oid = $1::regclass)
       AND c.relkind = 'r' AND c.relname ~ ('^' || $1 || '_[pg]n?[0-9]')
     ORDER BY c.relname`,
    [parent],
  );
  return rows.map(row => ({ name: text(row[0]), phase: phaseOf(text(row[1])) }));
}

function phaseOf(phase: string): Child['phase'] {
  if (phase === 'attached' || phase === 'detaching' || phase === 'loose') return phase;
  throw new TypeError(`${phase} is no phase of a partition`);
}

/**
 * Tables whose rows are changed, and how full their pages are made, in percent. Where a page has room, a report's new row
 * stays on it instead of going to another one, which would be logged whole after a checkpoint too.
 */
const fullness: Readonly<Record<string, number>> = { message: 90, block: 90 };

/**
 * The statements that make a partition, to be run one by one: Citus passes what it is given on to its workers whole, and
 * they take one at a time. Attached rather than created in place: that needs no lock which readers or recorders would
 * wait for.
 */
export function newChild(parent: string, name: string, { from, to }: { from: number; to: number }): readonly string[] {
  const percent = fullness[parent];
  return [
    `CREATE TABLE ${name} (LIKE ${parent} INCLUDING ALL)${percent === undefined ? '' : ` WITH (fillfactor = ${percent})`}`,
    `ALTER TABLE ${parent} ATTACH PARTITION ${name} FOR VALUES FROM (${from}) TO (${to})`,
  ];
}

/**
 * Drops a partition without making anybody wait: it is detached first, which waits for the transactions that might
 * read it instead of holding up those that come. Not to be called inside a transaction.
 */
export async function dropChild(session: Session, parent: string, { name, phase }: Child): Promise<void> {
  if (await isOnCitus(session)) return dropAtOnce(session, name);
  if (phase === 'attached') await session.run(`ALTER TABLE ${parent} DETACH PARTITION ${name} CONCURRENTLY`);
  if (phase === 'detaching') await session.run(`ALTER TABLE ${parent} DETACH PARTITION ${name} FINALIZE`);
  await session.run(`DROP TABLE ${name}`);
}

/**
 * Drops a partition, if it may go, in a moment when nobody reads the table: for Citus, which cannot detach one while
 * others work, and where nobody may write to it between the look that `mayGo` takes and its end. Rejects with
 * `Unavailable` when there is no such moment.
 */
export function dropAtOnce(session: Session, name: string, mayGo?: () => Promise<boolean>): Promise<void> {
  return givingWay(async () => {
    try {
      await session.run('BEGIN');
      await waitBriefly(session);
      if (mayGo !== undefined) await session.run(`LOCK TABLE ${name} IN SHARE ROW EXCLUSIVE MODE`);
      if (mayGo === undefined || (await mayGo())) await session.run(`DROP TABLE ${name}`);
      await session.run('COMMIT');
    } catch (error) {
      await session.run('ROLLBACK');
      throw error;
    }
  });
}

/** Whoever comes while a table waits for a lock may wait behind it: no longer than this, and a part of the time. */
const lockMsMax = 150;
/** How long others are let pass before the next try. */
export const pauseMs = 850;
const triesMsMax = 20_000;

/** Bounds what a transaction waits for a lock, also on the workers of Citus, which are told what is set from now on. */
export async function waitBriefly(session: Session): Promise<void> {
  await session.run(`SET LOCAL citus.propagate_set_commands = 'local'`);
  await session.run(`SET LOCAL lock_timeout = ${lockMsMax}`);
}

/** Runs a transaction that waits briefly until it has had its locks, and lets others pass between the tries. */
export async function givingWay<T>(transaction: () => Promise<T>): Promise<T> {
  for (const begun = performance.now(); ; ) {
    try {
      return await transaction();
    } catch (error) {
      if (!isLockNotHad(error) || performance.now() - begun > triesMsMax) throw error;
      await setTimeout(pauseMs);
    }
  }
}
