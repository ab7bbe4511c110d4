import type { StoreObserver } from '../store.ts';
import type { Durability } from './segment/rows-file.ts';

/** How the embedded log is opened. */
export type SqliteStoreOptions = {
  readonly dataDir: string;
  /** The identity of the accounts whose log it is; whoever opens it without one must know whose it is. */
  readonly accounts?: string;
  /** `full`: an answered record survives a power cut. `os`: it survives the process, not the machine. */
  readonly durability: Durability;
  /** At most 1,048,576. */
  readonly segmentMessagesMax: number;
  readonly segmentAgeMs: number;
  readonly readerThreads: number;
  readonly observer: StoreObserver;
};
