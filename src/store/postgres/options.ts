import type { EpochMs } from '../../domain/message.ts';
import type { StoreObserver } from '../store.ts';
import type { ReplicaTerms } from './replica/replicas.ts';

export type PostgresStoreOptions = {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** Connections of this process, at least 2; half of them record. */
  readonly poolSize: number;
  readonly observer: StoreObserver;
  /** Where the tables are: made when it is not there. */
  readonly schema?: string;
  /** The `sentAt` that a new partition spans; partitions of another width stay as they are. By what is recorded unless it is given. */
  readonly partitionMs?: number;
  /** How long a table of message ids takes new ones: a third of the retention or more, so that there are few. */
  readonly generationMs?: number;
  /** What one statement may take before the call is given up as `StoreUnavailable`. */
  readonly statementTimeoutMs?: number;
  /** What it may take to get a connection before the call is given up as `StoreUnavailable`. */
  readonly connectMsMax?: number;
  readonly upkeepMs?: number;
  /** How far ahead partitions stand; the next one always does. */
  readonly aheadMs?: number;
  /** What the database, or a node of it, may take to answer whoever looks whether it does. */
  readonly answerMsMax?: number;
  /** How long a read waits for its turn before it is given up as `StoreUnavailable`. */
  readonly turnMsMax?: number;
  /** Standbys of the database that answer reads. */
  readonly replicas?: ReplicaTerms;
  /** Messages of partitions that ended so long ago are moved into blocks; none are unless it is given. */
  readonly sealAfterMs?: number;
  readonly now?: () => EpochMs;
};
