import type { EpochMs } from '../../../domain/message.ts';
import { isWorthAnotherTry } from '../../../postgres/failure.ts';
import { accountLockKey } from '../../../postgres/locks.ts';
import type { Transaction } from '../../../postgres/session.ts';
import { StoreUnavailable } from '../../store.ts';
import type { Database } from '../log/database.ts';
import type { Partitions } from '../log/partitions.ts';
import { accountOf, type Slice } from '../rows/slices.ts';
import { holdGeneration } from '../schema/generation-lock.ts';
import type { Sums } from '../summary/sums.ts';

const triesMax = 6;

const holdAccount = (slice: Slice) => `pg_advisory_xact_lock_shared(${accountLockKey(accountOf(slice))})`;

/** Where and with what is recorded. */
export type Recorders = {
  readonly database: Database;
  readonly partitions: Partitions;
  readonly sums: Sums;
  /** Waits for what needs no connection of those that record, so that others have their turn meanwhile. */
  readonly aside: (wait: () => Promise<void>) => Promise<void>;
};

/** What a transaction of one slice writes to. */
export type Writing = { readonly slice: Slice; readonly sentAts: readonly EpochMs[] };

/**
 * Runs a transaction that holds the generation, where the slice is added up and each `sentAt` has its partition; again
 * when it was disturbed, or when `learns` makes use of what it failed with.
 */
export async function recordingTransaction<T>(
  { database, partitions, sums, aside }: Recorders,
  { slice, sentAts }: Writing,
  work: (session: Transaction) => Promise<T>,
  learns: (error: unknown) => boolean = () => false,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    await database.nodes.on([slice], () => sums.begin(slice));
    if (partitions.lacks(sentAts)) await aside(() => partitions.ensure(sentAts));
    try {
      // Before the transaction has a number: whoever sees that in a snapshot can tell whose it is.
      const begin = `${holdGeneration}, ${holdAccount(slice)}`;
      return await database.nodes.on([slice], () => database.transaction(begin, work));
    } catch (error) {
      sums.forget(slice);
      if (!learns(error) && !isWorthAnotherTry(error)) throw error;
      if (attempt === triesMax)
        throw new StoreUnavailable('a transaction was disturbed too often', undefined, { cause: error });
      await partitions.refresh();
    }
  }
}
