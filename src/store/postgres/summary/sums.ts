import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { minuteMs } from '../../../domain/summary.ts';
import { cellOf, SummaryCell } from '../../../domain/summary-cell.ts';
import { reasonOf } from '../../../failures.ts';
import { bigints, integers, texts } from '../../../postgres/arrays.ts';
import { integer, optional, type Row, text } from '../../../postgres/cells.ts';
import { lockKey } from '../../../postgres/locks.ts';
import type { Session, Statement } from '../../../postgres/session.ts';
import { type StoreObserver, StoreUnavailable } from '../../store.ts';
import type { Database } from '../log/database.ts';
import type { Expiring, Past } from '../log/past.ts';
import type { Watermark } from '../log/watermark.ts';
import { type Minute, readMinutes } from '../rows/minutes.ts';
import { ofAccount } from '../schema/citus.ts';
import { allSummedUntil, notSummed, notSummedFrom } from './not-summed.ts';
import { hourMs, takeOff } from './totals.ts';

/** Recordings added up in one transaction. */
const recordingsMax = 500;

/** Those who add up go side by side, an account each; whoever forgets is alone, or they might wait for each other. */
const together = `SELECT pg_advisory_xact_lock_shared(${lockKey('sums')})`;
const alone = `SELECT pg_advisory_xact_lock(${lockKey('sums')})`;

/**
 * Adds recordings up by minute and hour, so that figures are read from a few thousand rows whatever is recorded. Each
 * account is added up to the transaction that `summed` names: what lies before counts in the sums, what lies behind is
 * read as it is. Nothing is missing or counted twice at any moment, and recording touches no row that another does.
 */
export class Sums {
  readonly #database: Database;
  readonly #watermark: Watermark;
  readonly #note: StoreObserver['note'];
  /** That have a row in `summed`. */
  readonly #known = new Set<AccountId>();
  /** That recorded since they were added up. */
  readonly #due = new Set<AccountId>();

  constructor(database: Database, watermark: Watermark, note: StoreObserver['note']) {
    this.#database = database;
    this.#watermark = watermark;
    this.#note = note;
  }

  /** Makes the account one that is added up: before its first recording. */
  async begin(account: AccountId): Promise<void> {
    if (this.#known.has(account)) return;
    await this.#database.query(newSummed, [account]);
    this.#known.add(account);
  }

  /** Recording failed: perhaps another server took over that had not heard of the account yet. */
  forget(account: AccountId): void {
    this.#known.delete(account);
  }

  /** This process recorded something of the account. */
  tell(account: AccountId): void {
    this.#due.add(account);
  }

  /** Adds up what this process recorded. */
  async addUpDue(): Promise<void> {
    for (const account of [...this.#due]) if (this.#due.has(account)) await this.#addUpOrTell(account);
  }

  /**
   * Adds up what any process recorded, also those that ended before they did. Looks at no account that recorded nothing.
   * Gives the transaction before which all are over.
   */
  async addUpAll(): Promise<number> {
    const { tx } = await this.#watermark.settle();
    const since = await allSummedUntil(this.#database);
    const accounts = await this.#database.query(
      `${notSummed(since, tx)} SELECT DISTINCT s.account_id FROM ${notSummedFrom}`,
    );
    for (const [account] of accounts) await this.#addUpOrTell(integer(account));
    // Some may be left: of an account that cannot be added up, or that another process is at.
    const [[left] = []] = await this.#database.query(`${notSummed(since, tx)} SELECT min(r.tx) FROM ${notSummedFrom}`);
    await this.#database.query(newAllSummed, [optional(left, integer) ?? tx]);
    return tx;
  }

  /** An account whose recordings hold what cannot be added is told of, and keeps none of the others waiting. */
  async #addUpOrTell(account: AccountId): Promise<void> {
    // Where its node is away, it stays due, and keeps none of the others waiting.
    if (this.#database.nodes.isAway(account)) return;
    // What is recorded from now on makes it due again.
    this.#due.delete(account);
    try {
      await this.#database.nodes.on([account], () => this.addUp(account));
    } catch (error) {
      if (error instanceof StoreUnavailable) throw error;
      const reason = reasonOf(error);
      this.#note({ level: 'error', message: 'an account cannot be added up', detail: { account, reason } });
    }
  }

  async addUp(account: AccountId): Promise<void> {
    // A server that took over may lack the row, and what is not added up keeps no generation of keys.
    await this.#database.query(newSummed, [account]);
    const { tx: settledTx } = await this.#watermark.read();
    for (let more = true; more; )
      more = await this.#database.transaction(together, session => addUpSome(session, account, settledTx));
  }

  /** Counts what is wholly past no more. */
  async forgetPast(past: Past): Promise<void> {
    const { earliest } = past.horizons;
    for await (const { where, values } of past.rows(this.#database, expiringTally))
      await this.#database.transaction(alone, async session => {
        const forgotten = await session.query(
          `SELECT generation, hour, sum(messages)::bigint, sum(reports)::bigint FROM tally WHERE ${where} GROUP BY 1, 2`,
          values,
        );
        await session.query(`DELETE FROM tally WHERE ${where}`, values);
        await takeOff(session, forgotten, earliest);
      });
    await this.#database.transaction(alone, session => takeOff(session, [], earliest));
    for await (const { where, values } of past.rows(this.#database, expiringCells))
      await this.#database.transaction(alone, session => session.query(`DELETE FROM cell WHERE ${where}`, values));
  }
}

const expiringTally: Expiring = {
  table: 'tally',
  before: moment => `newest_sent_at < ${moment} AND hour < ${moment}`,
  until: 'greatest(newest_sent_at, hour)',
};

const expiringCells: Expiring = {
  table: 'cell',
  before: moment => `begins_at + span_ms <= ${moment}`,
  until: 'begins_at + span_ms - 1',
};

const newAllSummed: Statement = {
  name: 'new all summed',
  text: `INSERT INTO summed (account_id, until_tx) VALUES (0, $1)
    ON CONFLICT (account_id) DO UPDATE SET until_tx = greatest(summed.until_tx, excluded.until_tx)`,
};

/** Accounts that have nothing of it count nowhere. */
const newSummed: Statement = {
  name: 'new summed',
  text: 'INSERT INTO summed (account_id, until_tx) VALUES ($1, 0) ON CONFLICT (account_id) DO NOTHING',
};

/** Skips the account while another process is at it. */
const lockedSummed: Statement = {
  name: 'locked summed',
  text: 'SELECT s.until_tx FROM summed s WHERE s.account_id = $1 FOR UPDATE SKIP LOCKED',
};

const recordingsAfter: Statement = {
  name: 'recordings after',
  text: `
    SELECT r.tx, r.generation, r.minutes FROM recording r WHERE r.account_id = $1 AND r.tx >= $2 AND r.tx < $3
    ORDER BY r.tx LIMIT $4`,
};

const summedUntil: Statement = {
  name: 'summed until',
  text: 'UPDATE summed SET until_tx = $2 WHERE account_id = $1',
};

/** Whether there is more to add up. */
async function addUpSome(session: Session, account: AccountId, settledTx: number): Promise<boolean> {
  const [[untilTx] = []] = await session.query(lockedSummed, [account]);
  if (untilTx === undefined) return false;
  const rows = await session.query(recordingsAfter, [account, integer(untilTx), settledTx, recordingsMax]);
  const last = rows.at(-1);
  if (last === undefined) return false;
  const added = rows.flatMap(row =>
    readMinutes(text(row[2])).map(([beginsAt, minute]) => ({ generation: integer(row[1]), beginsAt, minute })),
  );
  await addToTally(session, account, added);
  for (const spanMs of [minuteMs, hourMs]) await addToCells(session, account, spanMs, added);
  await session.query(summedUntil, [account, integer(last[0]) + 1]);
  return rows.length === recordingsMax;
}

type Added = { readonly generation: number; readonly beginsAt: EpochMs; readonly minute: Minute };

const tallied: Statement = {
  name: 'tally',
  text: `
    INSERT INTO tally AS t (account_id, generation, hour, messages, reports, oldest_sent_at, newest_sent_at)
    SELECT s.account_id, u.*
    FROM ${ofAccount} unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) u
    WHERE s.account_id = $1
    ON CONFLICT (account_id, generation, hour) DO UPDATE SET
      messages = t.messages + excluded.messages, reports = t.reports + excluded.reports,
      oldest_sent_at = least(t.oldest_sent_at, excluded.oldest_sent_at),
      newest_sent_at = greatest(t.newest_sent_at, excluded.newest_sent_at)`,
};

async function addToTally(session: Session, account: AccountId, added: readonly Added[]): Promise<void> {
  const entries = new Map<string, Omit<Minute, 'cell'> & { generation: number; hour: EpochMs }>();
  for (const { generation, beginsAt, minute } of added) {
    const hour = beginningOf(beginsAt, hourMs);
    const key = `${generation} ${hour}`;
    const entry = entries.get(key);
    if (entry === undefined) entries.set(key, { ...minute, generation, hour });
    else {
      entry.messages += minute.messages;
      entry.reports += minute.reports;
      entry.oldestSentAt = Math.min(entry.oldestSentAt, minute.oldestSentAt);
      entry.newestSentAt = Math.max(entry.newestSentAt, minute.newestSentAt);
    }
  }
  const all = [...entries.values()];
  await session.query(tallied, [
    account,
    integers(all.map(({ generation }) => generation)),
    bigints(all.map(({ hour }) => hour)),
    bigints(all.map(({ messages }) => messages)),
    bigints(all.map(({ reports }) => reports)),
    bigints(all.map(({ oldestSentAt }) => oldestSentAt)),
    bigints(all.map(({ newestSentAt }) => newestSentAt)),
  ]);
}

const cellsAt: Statement = {
  name: 'cells at',
  text: `
    SELECT c.begins_at, c.counts FROM cell c
    WHERE c.account_id = $1 AND c.span_ms = $2 AND c.begins_at = ANY ($3::bigint[])`,
};

const writtenCells: Statement = {
  name: 'cells',
  text: `
    INSERT INTO cell (account_id, span_ms, begins_at, groups, counts)
    SELECT s.account_id, $2, u.* FROM ${ofAccount} unnest($3::bigint[], $4::text[], $5::text[]) u
    WHERE s.account_id = $1
    ON CONFLICT (account_id, span_ms, begins_at) DO UPDATE SET groups = excluded.groups, counts = excluded.counts`,
};

async function addToCells(
  session: Session,
  account: AccountId,
  spanMs: number,
  added: readonly Added[],
): Promise<void> {
  const cells = new Map<EpochMs, SummaryCell>();
  for (const { beginsAt } of added) cells.set(beginningOf(beginsAt, spanMs), new SummaryCell());
  for (const row of await session.query(cellsAt, [account, spanMs, bigints([...cells.keys()])]))
    cells.set(integer(row[0]), countsIn(row[1]));
  for (const { beginsAt, minute } of added) cells.get(beginningOf(beginsAt, spanMs))?.add(minute.cell);
  const all = [...cells.values()];
  await session.query(writtenCells, [
    account,
    spanMs,
    bigints([...cells.keys()]),
    texts(all.map(cell => JSON.stringify(cell.groups))),
    texts(all.map(cell => JSON.stringify(cell))),
  ]);
}

export function countsIn(cell: Row[number]): SummaryCell {
  return cellOf(JSON.parse(text(cell)));
}

const beginningOf = (moment: EpochMs, spanMs: number): EpochMs => Math.floor(moment / spanMs) * spanMs;
