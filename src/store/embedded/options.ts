import { limits } from '../../limits.ts';
import type { StoreObserver } from '../store.ts';
import { Folder } from './files/folder.ts';
import { refuseOtherVolumes } from './log/check-rows.ts';
import { LogFile } from './log/log-file.ts';
import type { Durability } from './rows/journal-writer.ts';
import { ordinalsMax } from './segment/position.ts';
import type { Merging } from './threads/messages.ts';

/** How the embedded log is opened. */
export type SqliteStoreOptions = {
  readonly dataDir: string;
  /** The identity of the accounts whose log it is; whoever opens it without one must know whose it is. */
  readonly accounts?: string;
  /** `full`: an answered record survives a power cut. `os`: it survives the process, not the machine. */
  readonly durability: Durability;
  /** At most 1,048,576. */
  readonly segmentMessagesMax: number;
  /** `limits.segmentsHeldMax` when absent. */
  readonly segmentsMax?: number;
  readonly segmentAgeMs: number;
  readonly readerThreads: number;
  /** `limits.checkpointRows` when absent. */
  readonly checkpointRows?: number;
  /** Makes volumes of sealed segments; those that are there are read in any case. */
  readonly merging?: Merging;
  readonly observer: StoreObserver;
};

/** The sizes of segments as the writer takes them. */
export function sizesIn({
  segmentMessagesMax,
  segmentAgeMs,
  segmentsMax = limits.segmentsHeldMax,
  checkpointRows = limits.checkpointRows,
  merging,
}: SqliteStoreOptions) {
  if (segmentMessagesMax < 1 || segmentMessagesMax > ordinalsMax)
    throw new RangeError(`segmentMessagesMax must be 1 to ${ordinalsMax}`);
  return { segmentMessagesMax, segmentAgeMs, segmentsMax, checkpointRows, ...(merging !== undefined && { merging }) };
}

/** Makes sure that the log can be read and whose it is, and gives the seed of its hashes. */
export function claimLog({ dataDir, accounts, observer }: SqliteStoreOptions): number {
  refuseOtherVolumes(new Folder(dataDir));
  const file = new LogFile(dataDir);
  if (file.damage !== undefined) observer.note({ level: 'error', message: file.damage });
  if (accounts !== undefined) file.claim(accounts);
  file.refuseOlder();
  return file.hashSeed;
}
