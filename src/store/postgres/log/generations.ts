import { integer, truth } from '../../../postgres/cells.ts';
import { lockKey } from '../../../postgres/locks.ts';
import type { Session } from '../../../postgres/session.ts';
import { childrenOf, dropChild, givingWay, newChild, waitBriefly } from '../schema/table-parts.ts';
import type { Database } from './database.ts';

/** What begins anew with each generation. */
const parents = ['message_key', 'recording'] as const;

const nameOf = (parent: string, generation: number) => `${parent}_g${generation}`;

/**
 * The tables of message ids and of recordings: the youngest ones take what is new, the older ones are only read until
 * nothing they tell of is kept any more.
 */
export class Generations {
  readonly #database: Database;
  readonly #generationMs: number;

  constructor(database: Database, generationMs: number) {
    this.#database = database;
    this.#generationMs = generationMs;
  }

  /** Begins a generation when the youngest is old enough and has anything in it. */
  async advanceIfDue(): Promise<void> {
    const [[youngest, due] = []] = await this.#database.query(
      `SELECT g.number, g.begun_at < clock_timestamp() - $1 * interval '1 millisecond'
       FROM generation g ORDER BY g.number DESC LIMIT 1`,
      [this.#generationMs],
    );
    if (!truth(due)) return;
    const [used] = await this.#database.query('SELECT 1 FROM recording r WHERE r.generation = $1 LIMIT 1', [
      integer(youngest),
    ]);
    if (used !== undefined) await this.#advance(integer(youngest));
  }

  /** Drops the closed generations that tell of no message that is kept. What is not summed up yet may be kept. */
  async dropEmpty(session: Session): Promise<void> {
    const closed = await session.query(
      'SELECT g.number FROM generation g WHERE g.number < (SELECT max(y.number) FROM generation y)',
    );
    const tallied = 'SELECT DISTINCT t.generation FROM tally t';
    const unused = async (generations: readonly number[], used: string) => {
      const rows = generations.length === 0 ? [] : await session.query(used);
      return generations.filter(generation => !rows.some(row => integer(row[0]) === generation));
    };
    // Accounts are looked at seldom: where the totals have nothing left of a generation.
    const uncounted = await unused(
      closed.map(row => integer(row[0])),
      'SELECT DISTINCT t.generation FROM total t',
    );
    const untallied = await unused(uncounted, tallied);
    const added = await unused(
      untallied,
      `SELECT DISTINCT r.generation FROM summed s
       JOIN recording r ON r.account_id = s.account_id AND r.tx >= s.until_tx`,
    );
    // Again, since what was added up meanwhile went from the one to the other.
    const past = await unused(added, tallied);
    for (const parent of parents) {
      const names = new Set(past.map(generation => nameOf(parent, generation)));
      for (const child of await childrenOf(session, parent))
        if (names.has(child.name) || child.phase === 'loose') await dropChild(session, parent, child);
    }
    for (const generation of past) await session.query('DELETE FROM generation WHERE number = $1', [generation]);
    await session.query('DELETE FROM folded_key WHERE generation < (SELECT min(g.number) FROM generation g)');
  }

  async #advance(youngest: number): Promise<void> {
    const next = youngest + 1;
    for (const parent of parents) await givingWay(() => this.#make(parent, next));
    // Waits for the recordings at work, and those that come wait behind it: it may hold them up for this long at most.
    const alone = `SET LOCAL lock_timeout = 1000; SELECT pg_advisory_xact_lock(${lockKey('generation')})`;
    await this.#database.transaction(alone, async session => {
      await session.query(
        'INSERT INTO generation (number) SELECT $1::integer WHERE $1 = (SELECT max(number) + 1 FROM generation)',
        [next],
      );
    });
  }

  /** In a transaction of its own, as partitions are. */
  #make(parent: (typeof parents)[number], generation: number): Promise<void> {
    const alone = `SELECT pg_advisory_xact_lock(${lockKey('partitions')})`;
    return this.#database.transaction(alone, async session => {
      const name = nameOf(parent, generation);
      const [[there] = []] = await session.query('SELECT to_regclass($1) IS NOT NULL', [name]);
      if (truth(there)) return;
      await waitBriefly(session);
      const range = { from: generation, to: generation + 1 };
      for (const statement of newChild(parent, name, range)) await session.run(statement);
    });
  }
}
