import { integer, truth } from '../../postgres/cells.ts';
import { lockKey } from '../../postgres/locks.ts';
import type { Session } from '../../postgres/session.ts';
import type { Database } from './database.ts';
import { childrenOf, dropChild } from './table-parts.ts';

/**
 * What every recording transaction takes before it reads which generation is the youngest. While one holds it the
 * generation cannot change, so that all transactions at work put their keys into one table, whose index tells them of
 * each other.
 */
export const holdGeneration = `SELECT pg_advisory_xact_lock_shared(${lockKey('generation')})`;

const nameOf = (generation: number) => `message_key_g${generation}`;

/** The tables of message ids: one takes new ids, the older ones are only read until nothing in them is kept any more. */
export class Generations {
  readonly #database: Database;
  readonly #generationMs: number;

  constructor(database: Database, generationMs: number) {
    this.#database = database;
    this.#generationMs = generationMs;
  }

  /** Begins a generation when the youngest is old enough and has any id. */
  async advanceIfDue(): Promise<void> {
    const [[youngest, due] = []] = await this.#database.query(
      `SELECT g.number, g.begun_at < clock_timestamp() - $1 * interval '1 millisecond'
         AND EXISTS (SELECT FROM tally t WHERE t.generation = g.number)
       FROM generation g ORDER BY g.number DESC LIMIT 1`,
      [this.#generationMs],
    );
    if (truth(due)) await this.#advance(integer(youngest));
  }

  /** Drops the closed generations that hold no id of a message that is kept. */
  async dropEmpty(session: Session): Promise<void> {
    const rows = await session.query(
      `SELECT g.number FROM generation g
       WHERE g.number < (SELECT max(y.number) FROM generation y)
         AND NOT EXISTS (SELECT FROM tally t WHERE t.generation = g.number AND t.messages > 0)`,
    );
    const past = new Set(rows.map(row => nameOf(integer(row[0]))));
    for (const child of await childrenOf(session, 'message_key'))
      if (past.has(child.name) || child.phase === 'loose') await dropChild(session, 'message_key', child);
    for (const row of rows) await session.query('DELETE FROM generation WHERE number = $1', [integer(row[0])]);
  }

  async #advance(youngest: number): Promise<void> {
    const next = youngest + 1;
    await this.#database.transaction(`SELECT pg_advisory_xact_lock(${lockKey('partitions')})`, async session => {
      const [[there] = []] = await session.query('SELECT to_regclass($1) IS NOT NULL', [nameOf(next)]);
      if (truth(there)) return;
      await session.run(`
        CREATE TABLE ${nameOf(next)} (LIKE message_key INCLUDING ALL);
        ALTER TABLE message_key ATTACH PARTITION ${nameOf(next)} FOR VALUES FROM (${next}) TO (${next + 1})`);
    });
    // Waits for the recordings at work, and those that come wait behind it: it may hold them up for this long at most.
    const alone = `SET LOCAL lock_timeout = 1000; SELECT pg_advisory_xact_lock(${lockKey('generation')})`;
    await this.#database.transaction(alone, async session => {
      await session.query(
        'INSERT INTO generation (number) SELECT $1::integer WHERE $1 = (SELECT max(number) + 1 FROM generation)',
        [next],
      );
    });
  }
}
