import type { AccountId, EpochMs } from '../../domain/message.ts';
import { asOpeningFailure } from '../../postgres/failure.ts';
import { migrate } from '../../postgres/migrate.ts';
import type { StoreObserver } from '../store.ts';
import type { WholeMessage } from '../whole-message.ts';
import { type Copied, type CopyGroup, copyGroup, storedOf } from './copy-group.ts';
import { Database } from './database.ts';
import { Partitions } from './partitions.ts';
import { beginSums } from './sums.ts';

export type CopyTargetOptions = {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  readonly schema: string;
  /** The `sentAt` that a new partition spans. */
  readonly partitionMs: number;
  readonly observer: StoreObserver;
};

/** Two thousand messages with their reports, on a server that is busy with others. */
const statementMsMax = 60_000;

/** A log in a PostgreSQL database, to copy messages into as they are. Others may record into it meanwhile. */
export class CopyTarget {
  readonly #database: Database;
  readonly #partitions: Partitions;
  /** Accounts that are known to be added up. */
  readonly #summed = new Set<AccountId>();

  private constructor(database: Database, partitions: Partitions) {
    this.#database = database;
    this.#partitions = partitions;
  }

  /** Makes the tables if need be. Rejects as `openPostgresStore` does when the database cannot be used. */
  static async open({ url, schema, partitionMs, observer }: CopyTargetOptions): Promise<CopyTarget> {
    const pools = { readersMax: 1, recordersMax: 1 };
    const database = new Database({ url, schema, ...pools, statementTimeoutMs: statementMsMax, observer });
    try {
      await migrate({ url, schema }, note => observer.note(note));
      const partitions = new Partitions(database, partitionMs);
      await partitions.refresh();
      return new CopyTarget(database, partitions);
    } catch (error) {
      await database.close();
      throw asOpeningFailure(error);
    }
  }

  /**
   * See `copyGroup`. Groups come one after the other: messages are numbered in the order of the calls, and what is
   * there after a stop at any moment is whole groups, all that came before some call.
   */
  async add(group: CopyGroup, sentSince: EpochMs): Promise<Copied> {
    if (!this.#summed.has(group.account)) await beginSums(this.#database, group.account);
    this.#summed.add(group.account);
    return copyGroup(this.#database, this.#partitions, group, sentSince);
  }

  /** What stands under these ids, by id: all of it at one moment. */
  async read(
    account: AccountId,
    messageIds: readonly string[],
    sentSince: EpochMs,
  ): Promise<ReadonlyMap<string, WholeMessage>> {
    return this.#database.transaction('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY', async session => {
      const stored = await storedOf({ session, account }, messageIds, sentSince);
      return new Map([...stored].map(([id, { message }]) => [id, message]));
    });
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}
