import { waitingReport } from '../../../domain/acceptance.ts';
import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import { bigints } from '../../../postgres/arrays.ts';
import { integer, text } from '../../../postgres/cells.ts';
import type { Statement } from '../../../postgres/session.ts';
import type { RecordBatch } from '../../store.ts';
import type { Layouts } from '../layout/layouts.ts';
import type { Database } from '../log/database.ts';
import { accountOf, type Slice } from '../rows/slices.ts';

const slicesWaiting = 'SELECT w.account_id, count(*) FROM waiting_report w GROUP BY w.account_id';

const overdue: Statement = {
  name: 'overdue reports',
  text: `DELETE FROM waiting_report w
    WHERE w.account_id = $1 AND w.taken_at < now() - $2 * interval '1 millisecond' RETURNING 1`,
};

const ofSlice: Statement = {
  name: 'waiting reports of a slice',
  text: `SELECT w.message_id, w.number, w.received_at, w.said FROM waiting_report w
    WHERE w.account_id = $1 ORDER BY w.number`,
};

const moved: Statement = {
  name: 'moved reports',
  text: 'DELETE FROM waiting_report w WHERE w.account_id = $1 AND w.number = ANY ($2::bigint[])',
};

/** What is done now and then for reports that wait: drop what is overdue, and count the rest. */
export class WaitingUpkeep {
  readonly #database: Database;
  readonly #layouts: Layouts;
  readonly #record: (batch: RecordBatch) => Promise<unknown>;
  #reports = 0;
  #dropped = 0;

  constructor(database: Database, layouts: Layouts, record: (batch: RecordBatch) => Promise<unknown>) {
    this.#database = database;
    this.#layouts = layouts;
    this.#record = record;
  }

  /** All that wait, when it was looked last. */
  get reports(): number {
    return this.#reports;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Counts what a transaction dropped. */
  drop(count: number): void {
    this.#dropped += count;
  }

  async count(): Promise<number> {
    const slices = await this.#database.query(slicesWaiting);
    this.#reports = slices.reduce((sum, [, count]) => sum + integer(count), 0);
    return this.#reports;
  }

  async work(): Promise<void> {
    const slices = await this.#database.query(slicesWaiting);
    for (const [slice] of slices) {
      const dropped = await this.#database.query(overdue, [integer(slice), limits.waitingMs]);
      this.drop(dropped.length);
      await this.#lead(integer(slice));
    }
    await this.count();
  }

  /** An account was spread since: what waits where its message will not come is recorded where it will. */
  async #lead(slice: Slice): Promise<void> {
    const account: AccountId = accountOf(slice);
    const { spread } = this.#layouts;
    if (!spread.has(account)) return;
    for (const row of await this.#database.query(ofSlice, [slice])) {
      if (spread.sliceFor(account, text(row[0])) === slice) continue;
      const receivedAt: EpochMs = integer(row[2]);
      const { submission, ...arrival } = waitingReport(text(row[3]), receivedAt);
      const sentSince = Number.MIN_SAFE_INTEGER;
      await this.#record({ account, ...arrival, sentSince, submissions: [submission] });
      await this.#database.query(moved, [slice, bigints([integer(row[1])])]);
    }
  }
}
