import { waitingReport } from '../../../domain/acceptance.ts';
import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { limits } from '../../../limits.ts';
import { bigints } from '../../../postgres/arrays.ts';
import { integer, type Row, text } from '../../../postgres/cells.ts';
import type { Statement } from '../../../postgres/session.ts';
import type { RecordBatch, RecordOutcome } from '../../store.ts';
import type { Layouts } from '../layout/layouts.ts';
import type { Database } from '../log/database.ts';
import { placesOfIds } from '../log/folded-keys.ts';
import { accountOf, type Slice } from '../rows/slices.ts';

/** A report may have 64 KiB. */
const overdueAtOnce = 100;

const slicesWaiting = 'SELECT w.account_id, count(*) FROM waiting_report w GROUP BY w.account_id';

/**
 * What has waited too long, the first of it, and whether its message is there all the same: while the clock of a server was
 * ahead, that seemed to be past retention.
 */
const overdue = (keysMayBeFolded: boolean): Statement => ({
  name: keysMayBeFolded ? 'overdue reports by all keys' : 'overdue reports',
  text: `SELECT w.message_id, w.number, w.received_at, w.said, EXISTS (
      ${placesOfIds('$1', 'ARRAY[w.message_id]', keysMayBeFolded)}
    ) FROM waiting_report w
    WHERE w.account_id = $1 AND w.taken_at < now() - $2 * interval '1 millisecond' ORDER BY w.number LIMIT ${overdueAtOnce}`,
});

/** Of those alone that were looked at: one that is overdue since may have its message. */
const dropOverdue: Statement = {
  name: 'drop overdue reports',
  text: `DELETE FROM waiting_report w WHERE w.account_id = $1 AND w.number = ANY ($2::bigint[])
    AND w.taken_at < now() - $3 * interval '1 millisecond' RETURNING 1`,
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
  readonly #record: (batch: RecordBatch) => Promise<RecordOutcome>;
  #reports = 0;
  #dropped = 0;

  constructor(database: Database, layouts: Layouts, record: (batch: RecordBatch) => Promise<RecordOutcome>) {
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
      while ((await this.#dropOverdue(integer(slice))) === overdueAtOnce);
      await this.#lead(integer(slice));
    }
    await this.count();
  }

  /** Some of what is overdue; gives how many those were. */
  async #dropOverdue(slice: Slice): Promise<number> {
    const statement = overdue(this.#layouts.placement.sealing !== undefined);
    const rows = await this.#database.query(statement, [slice, limits.waitingMs]);
    for (const row of rows) {
      if (row[4] !== true) continue;
      const { waiting, rejected } = await this.#recordAgain(slice, row);
      if (waiting === 0 && rejected.length === 0) await this.#remove(slice, row);
    }
    const numbers = bigints(rows.map(row => integer(row[1])));
    this.drop((await this.#database.query(dropOverdue, [slice, numbers, limits.waitingMs])).length);
    return rows.length;
  }

  /** An account was spread since: what waits where its message will not come is recorded where it will. */
  async #lead(slice: Slice): Promise<void> {
    const account: AccountId = accountOf(slice);
    const { placement } = this.#layouts;
    if (!placement.has(account)) return;
    for (const row of await this.#database.query(ofSlice, [slice])) {
      if (placement.sliceFor(account, text(row[0])) === slice) continue;
      await this.#recordAgain(slice, row);
      await this.#remove(slice, row);
    }
  }

  /** Of a row of those that wait, as if it came now. */
  #recordAgain(slice: Slice, row: Row): Promise<RecordOutcome> {
    const receivedAt: EpochMs = integer(row[2]);
    const { submission, ...arrival } = waitingReport(text(row[3]), receivedAt);
    const sentSince = Number.MIN_SAFE_INTEGER;
    return this.#record({ account: accountOf(slice), ...arrival, sentSince, submissions: [submission] });
  }

  async #remove(slice: Slice, row: Row): Promise<void> {
    await this.#database.query(moved, [slice, bigints([integer(row[1])])]);
  }
}
