import type { EpochMs } from '../../../domain/message.ts';
import { bigints, integers } from '../../../postgres/arrays.ts';
import { integer, optional, type Row, text } from '../../../postgres/cells.ts';
import { lockKey } from '../../../postgres/locks.ts';
import type { Session, Statement } from '../../../postgres/session.ts';
import type { Database } from '../log/database.ts';
import { type Figure, figuresIn } from '../rows/minutes.ts';
import { allSummedUntil, notSummed, notSummedFrom } from './not-summed.ts';

export const hourMs = 3_600_000;
/** Recordings added up in one transaction. */
const recordingsMax = 500;
/** How often the totals are made anew: what an older version, which knows none, forgets beside this one is in them until then. */
const seedEveryMs = hourMs;

/** What is counted of the whole log. */
export type Counted = { readonly messages: number; readonly reports: number; readonly oldestSentAt?: EpochMs };

/**
 * How many messages and reports all accounts have together, by generation and hour, so that the figures of the log cost
 * the same however many accounts it has. What every transaction before `total_until` recorded counts here, and what
 * sums have forgotten of any account is taken off again. Only whoever sweeps writes them.
 */
export class Totals {
  readonly #database: Database;
  /** When this process made them anew, by `performance.now()`. */
  #seededAt = Number.NEGATIVE_INFINITY;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The whole log as the last sweep left it: told by the coordinator alone, on Citus. */
  async readLast(): Promise<Counted> {
    return countedIn(await this.#database.read(allTotals));
  }

  /** The whole log: the totals, and what was recorded since. */
  async read(): Promise<Counted> {
    const [totals = []] = await this.#database.read(allTotals);
    // Before the first sweep there are none.
    if (integer(totals[3]) === 0) return this.#readTallies();
    // Nothing is counted twice when they moved on between the two: what they had then is counted from there.
    const since = await this.#database.read({ text: `${countedSince} WHERE r.tx >= ${integer(totals[3])}` });
    return countedIn([totals, ...since]);
  }

  async #readTallies(): Promise<Counted> {
    const late = notSummed(await allSummedUntil(this.#database));
    const rows = await this.#database.read({
      text: `${late} SELECT coalesce(sum(c.messages), 0)::bigint, coalesce(sum(c.reports), 0)::bigint,
        min(c.oldest_sent_at) FILTER (WHERE c.messages > 0) FROM ${tallied}`,
    });
    return countedIn(rows);
  }

  /**
   * Adds what was recorded by transactions before this one, all of which are over; time and again, and at first, the
   * totals are made anew of what the tallies count. That takes a statement's time on `session` for all accounts.
   */
  async advance(session: Session, settledTx: number): Promise<void> {
    if (performance.now() - this.#seededAt < seedEveryMs) return this.#addUntil(settledTx);
    const since = await allSummedUntil(this.#database);
    await session.run('BEGIN');
    try {
      await seed(session, since, settledTx);
      await session.run('COMMIT');
    } catch (error) {
      await session.run('ROLLBACK');
      throw error;
    }
    this.#seededAt = performance.now();
  }

  async #addUntil(settledTx: number): Promise<void> {
    for (let more = true; more; )
      more = await this.#database.transaction(lockedUntil, async session => {
        const [[from] = []] = await session.query('SELECT u.until_tx FROM total_until u');
        const rows = await session.query(
          `${recordings} WHERE r.tx >= ${integer(from)} AND r.tx < ${settledTx} ORDER BY r.tx LIMIT ${recordingsMax}`,
        );
        await add(session, rows.flatMap(figuresOf), 1);
        const isWhole = rows.length < recordingsMax;
        const until = isWhole ? settledTx : integer(rows.at(-1)?.[0]) + 1;
        await session.query('UPDATE total_until SET until_tx = greatest(until_tx, $1)', [until]);
        return !isWhole;
      });
  }

  /** How many messages the hour since a moment has that has the most. */
  async busiest(since: EpochMs): Promise<number> {
    const ofHours = 'SELECT sum(t.messages) FROM total t WHERE t.hour >= $1 GROUP BY t.hour';
    const [[most] = []] = await this.#database.query(
      `SELECT coalesce(max(h.messages), 0)::bigint FROM (${ofHours}) h (messages)`,
      [since],
    );
    return integer(most);
  }

  /** The hours of `sentAt`, before a moment, that anything counted was sent in. */
  async hoursBefore(sentAt: EpochMs): Promise<readonly EpochMs[]> {
    const rows = await this.#database.query('SELECT DISTINCT t.hour FROM total t WHERE t.hour < $1', [sentAt]);
    return rows.map(row => integer(row[0]));
  }
}

/** Takes off what sums forget, and all hours that end by `earliest`: nothing of any account is kept of them. */
export async function takeOff(session: Session, forgotten: readonly Row[], earliest: EpochMs): Promise<void> {
  await add(session, forgotten.map(placed), -1);
  await session.query('DELETE FROM total WHERE (messages = 0 AND reports = 0) OR hour + $1 <= $2', [hourMs, earliest]);
}

/** What rows of messages, reports and the oldest message count together. */
function countedIn(rows: readonly Row[]): Counted {
  const sum = (column: 0 | 1) => rows.reduce((all, row) => all + integer(row[column]), 0);
  const oldest = rows.flatMap(row => optional(row[2], integer) ?? []);
  return {
    ...{ messages: sum(0), reports: sum(1) },
    ...(oldest.length > 0 && { oldestSentAt: Math.min(...oldest) }),
  };
}

const allTotals: Statement = {
  name: 'all totals',
  text: `SELECT coalesce(sum(t.messages), 0)::bigint, coalesce(sum(t.reports), 0)::bigint,
    min(t.oldest_sent_at) FILTER (WHERE t.messages > 0), (SELECT u.until_tx FROM total_until u) FROM total t`,
};

/** All that counts of an account: its tally, and what is not added up yet. */
const tallied = `(
  SELECT t.generation, t.hour, t.messages, t.reports, t.oldest_sent_at FROM tally t
  UNION ALL
  SELECT r.generation, (floor(r.newest_sent_at / ${hourMs}.0) * ${hourMs})::bigint, r.messages, r.reports, r.oldest_sent_at
  FROM ${notSummedFrom}
) c`;

/** Nobody adds up or forgets meanwhile. What some account is added up to is settled too, if it is behind `settledTx`. */
async function seed(session: Session, since: number, settledTx: number): Promise<void> {
  await session.run(`SELECT pg_advisory_xact_lock(${lockKey('sums')}); ${lockedUntil}`);
  const [[settled] = []] = await session.query(
    `SELECT greatest($1::bigint, (SELECT max(s.until_tx) FROM summed s), (SELECT u.until_tx FROM total_until u))`,
    [settledTx],
  );
  const until = integer(settled);
  const rows = await session.query(
    `${notSummed(since, until)} SELECT c.generation, c.hour, sum(c.messages)::bigint, sum(c.reports)::bigint,
       coalesce(min(c.oldest_sent_at) FILTER (WHERE c.messages > 0), c.hour) FROM ${tallied} GROUP BY 1, 2`,
  );
  await session.query('DELETE FROM total');
  await add(session, rows.map(placed), 1);
  await session.query('UPDATE total_until SET until_tx = $1', [until]);
}

const lockedUntil = 'SELECT FROM total_until FOR UPDATE';

/** By the index of their transactions: the least one is to stand in the text, for the planner to see that few follow. */
const countedSince = `SELECT coalesce(sum(r.messages), 0)::bigint, coalesce(sum(r.reports), 0)::bigint,
  min(r.oldest_sent_at) FROM recording r`;

const recordings = 'SELECT r.tx, r.generation, r.messages, r.reports, r.newest_sent_at, r.minutes FROM recording r';

type Placed = Figure & { readonly generation: number };

function placed([generation, hour, messages, reports, oldest]: Row): Placed {
  return {
    ...{ generation: integer(generation), beginsAt: integer(hour), messages: integer(messages) },
    ...{ reports: integer(reports), oldestSentAt: optional(oldest, integer) ?? integer(hour) },
  };
}

/** What one recording adds, by its minutes; where those cannot be read, as if all of it were of its newest. */
function figuresOf([, generation, messages, reports, newest, minutes]: Row): readonly Placed[] {
  const figures = figuresIn(text(minutes)) ?? [
    {
      ...{ beginsAt: integer(newest), messages: integer(messages), reports: integer(reports) },
      oldestSentAt: integer(newest),
    },
  ];
  return figures.map(figure => ({ ...figure, generation: integer(generation) }));
}

const added: Statement = {
  name: 'total',
  text: `
    INSERT INTO total AS t (generation, hour, messages, reports, oldest_sent_at)
    SELECT * FROM unnest($1::integer[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
    ON CONFLICT (generation, hour) DO UPDATE SET
      messages = t.messages + excluded.messages, reports = t.reports + excluded.reports,
      oldest_sent_at = CASE WHEN excluded.messages > 0 AND t.messages > 0
        THEN least(t.oldest_sent_at, excluded.oldest_sent_at)
        WHEN excluded.messages > 0 THEN excluded.oldest_sent_at ELSE t.oldest_sent_at END`,
};

async function add(session: Session, figures: readonly Placed[], sign: 1 | -1): Promise<void> {
  const entries = new Map<
    string,
    { generation: number; hour: EpochMs; messages: number; reports: number; oldest: EpochMs }
  >();
  for (const { generation, beginsAt, messages, reports, oldestSentAt } of figures) {
    const hour = Math.floor(beginsAt / hourMs) * hourMs;
    const key = `${generation} ${hour}`;
    const entry = entries.get(key) ?? { generation, hour, messages: 0, reports: 0, oldest: hour + hourMs };
    entries.set(key, entry);
    entry.messages += sign * messages;
    entry.reports += sign * reports;
    if (messages > 0) entry.oldest = Math.min(entry.oldest, oldestSentAt);
  }
  if (entries.size === 0) return;
  const all = [...entries.values()];
  await session.query(added, [
    integers(all.map(({ generation }) => generation)),
    bigints(all.map(({ hour }) => hour)),
    bigints(all.map(({ messages }) => messages)),
    bigints(all.map(({ reports }) => reports)),
    bigints(all.map(({ oldest }) => oldest)),
  ]);
}
