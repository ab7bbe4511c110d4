import type { OutcomeTally } from '../../outcomes.ts';
import type { Folder } from '../files/folder.ts';
import type { Ledger } from '../files/ledger.ts';
import type { Reserve } from '../files/reserve.ts';
import type { Era, LogFile } from '../log/log-file.ts';
import type { Durability } from '../rows/journal-writer.ts';
import type { PackedCounts } from '../segment/counts.ts';
import type { Meanings } from '../segment/facets.ts';
import type { Columns, SharedSegment } from '../segment/shared-segment.ts';
import type { WaitingReports } from './waiting-reports.ts';

/** What a writer works with. */
export type WriterOptions = {
  readonly folder: Folder;
  readonly durability: Durability;
  readonly segmentMessagesMax: number;
  readonly segmentsMax: number;
  readonly segmentAgeMs: number;
  readonly log: LogFile;
  readonly ledger: Ledger;
  readonly reserve: Reserve;
  /** Where every thread sees the id of the present era. */
  readonly era: Int32Array;
  readonly waiting: WaitingReports;
  readonly hashSeed: number;
  /** What messages came to by what was recorded. */
  readonly outcomes: OutcomeTally;
};

/** What the writer tells the rest; each call is made before any answer that depends on it. */
export type WriterEvents = {
  /** A new youngest segment takes the writes. */
  opened(segment: SharedSegment, columns: Columns): void;
  /** A segment takes no more rows. */
  filled(segmentId: number, counts: PackedCounts, meanings: Meanings): void;
  /** The log's life goes on in a new era. */
  eraBegun(eras: readonly Era[]): void;
};
