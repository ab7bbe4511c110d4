import type { EpochMs } from '../../domain/message.ts';
import { bigints, integers } from '../../postgres/arrays.ts';
import { integer, optional, type Row, text } from '../../postgres/cells.ts';
import type { Session, Statement } from '../../postgres/session.ts';
import type { Database } from './database.ts';
import { type Figure, figuresIn } from './minutes.ts';

export const hourMs = 3_600_000;
/** Recordings added up in one transaction. */
const recordingsMax = 500;

/** What is counted of the whole log. */
export type Counted = { readonly messages: number; readonly reports: number; readonly oldestSentAt?: EpochMs };

/**
 * How many messages and reports all accounts have together, by generation and hour, so that the figures of the log cost
 * the same however many accounts it has. What every transaction before `total_until` recorded counts here, and what
 * sums have forgotten of any account is taken off again. Only whoever sweeps writes them.
 */
export class Totals {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The whole log: the totals, and what was recorded since. */
  async read(): Promise<Counted> {
    const [totals = []] = await this.#database.read(allTotals);
    // Nothing is counted twice when they moved on between the two: what they had then is counted from there.
    const [since = []] = await this.#database.read({ text: `${countedSince} WHERE r.tx >= ${integer(totals[3])}` });
    const oldest = [totals[2], since[2]].flatMap(cell => optional(cell, integer) ?? []);
    return {
      messages: integer(totals[0]) + integer(since[0]),
      reports: integer(totals[1]) + integer(since[1]),
      ...(oldest.length > 0 && { oldestSentAt: Math.min(...oldest) }),
    };
  }

  /** Adds what was recorded by transactions before this one, all of which are over. */
  async advance(settledTx: number): Promise<void> {
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

  /** The hours of `sentAt`, before a moment, that anything counted was sent in. */
  async hoursBefore(sentAt: EpochMs): Promise<readonly EpochMs[]> {
    const rows = await this.#database.query('SELECT DISTINCT t.hour FROM total t WHERE t.hour < $1', [sentAt]);
    return rows.map(row => integer(row[0]));
  }
}

/** Takes off what sums forget, and all hours that end by `earliest`: nothing of any account is kept of them. */
export async function takeOff(session: Session, forgotten: readonly Row[], earliest: EpochMs): Promise<void> {
  const figures = forgotten.map(([generation, hour, messages, reports]) => ({
    ...{ generation: integer(generation), beginsAt: integer(hour), messages: integer(messages) },
    ...{ reports: integer(reports), oldestSentAt: integer(hour) },
  }));
  await add(session, figures, -1);
  await session.query('DELETE FROM total WHERE (messages = 0 AND reports = 0) OR hour + $1 <= $2', [hourMs, earliest]);
}

const allTotals: Statement = {
  name: 'all totals',
  text: `SELECT coalesce(sum(t.messages), 0)::bigint, coalesce(sum(t.reports), 0)::bigint,
    min(t.oldest_sent_at) FILTER (WHERE t.messages > 0), (SELECT u.until_tx FROM total_until u) FROM total t`,
};

const lockedUntil = 'SELECT FROM total_until FOR UPDATE';

/** By the index of their transactions: the least one is to stand in the text, for the planner to see that few follow. */
const countedSince = `SELECT coalesce(sum(r.messages), 0)::bigint, coalesce(sum(r.reports), 0)::bigint,
  min(r.oldest_sent_at) FROM recording r`;

const recordings = 'SELECT r.tx, r.generation, r.messages, r.reports, r.newest_sent_at, r.minutes FROM recording r';

type Placed = Figure & { readonly generation: number };

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
