import type { OutcomeTally } from '../../outcomes.ts';
import type { Folder } from '../files/folder.ts';
import type { Ledger } from '../files/ledger.ts';
import type { Reserve } from '../files/reserve.ts';
import type { LogFile } from '../log/log-file.ts';
import type { Durability } from '../rows/journal-writer.ts';
import type { WriterReply } from '../threads/messages.ts';
import type { WaitingReports } from './waiting-reports.ts';

/** What a writer works with. */
export type WriterOptions = {
  readonly folder: Folder;
  readonly durability: Durability;
  readonly segmentMessagesMax: number;
  readonly segmentsMax: number;
  readonly segmentAgeMs: number;
  readonly checkpointRows: number;
  readonly log: LogFile;
  readonly ledger: Ledger;
  readonly reserve: Reserve;
  /** Where every thread sees the id of the present era. */
  readonly era: Int32Array;
  readonly waiting: WaitingReports;
  readonly hashSeed: number;
  /** What messages came to by what was recorded. */
  readonly outcomes: OutcomeTally;
  /** Is told of each new youngest segment, of each that takes no more rows, and of eras, before any answer that depends on it. */
  readonly tell: (reply: WriterReply) => void;
};
