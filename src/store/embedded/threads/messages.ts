import type { AccountId, EpochMs } from '../../../domain/message.ts';
import type { LogForm } from '../../../wire/text/log-text.ts';
import type { Horizons } from '../../horizons.ts';
import type { Outcomes } from '../../outcomes.ts';
import type { ChangesQuery, Query, RecordOutcome, SummaryQuery } from '../../store.ts';
import type { Unsound } from '../files/damage.ts';
import type { Holding } from '../files/ledger.ts';
import type { Checkpoint } from '../log/checkpoint.ts';
import type { Kept } from '../log/kept-counts.ts';
import type { LoadedLog } from '../log/load.ts';
import type { Era } from '../log/log-file.ts';
import type { Places } from '../rows/journal-format.ts';
import type { Durability } from '../rows/journal-writer.ts';
import type { PackedCounts } from '../segment/counts.ts';
import type { Extents } from '../segment/extents.ts';
import type { MeaningsOf } from '../segment/facet-maker.ts';
import type { Meanings } from '../segment/facets.ts';
import type { IdSet } from '../segment/id-sets.ts';
import type { PackedBatch } from '../segment/packed-batch.ts';
import type { LogEnd, LogRange } from '../segment/position.ts';
import type { Columns, SharedSegment } from '../segment/shared-segment.ts';

/** What each thread is started with. */
export type ThreadData = {
  readonly dataDir: string;
  /** Of the folder that was opened (see `Folder`): another may stand in its place when the thread starts. */
  readonly identity?: string;
  readonly hashSeed: number;
  /** Shared: the id of the era that the log is in (see log-file.ts). */
  readonly era: Int32Array;
  /** Shared: how many reports wait for their messages, and how many of them were dropped. */
  readonly waiting: Int32Array;
  readonly durability: Durability;
  readonly segmentMessagesMax: number;
  readonly segmentsMax: number;
  readonly segmentAgeMs: number;
  /** A start reads about so many rows of a segment at most. */
  readonly checkpointRows: number;
  /** Volumes are made of sealed segments; absent when those that are there are read and no others made. */
  readonly merging?: Merging;
};

/** How volumes are made. */
export type Merging = {
  /** So many of the youngest sealed segments keep their rows files: most reports are on their messages. */
  readonly youngestLeft: number;
  /** At most, in one block; whole frames. */
  readonly blockRows: number;
};

/** A segment to take up, or its new shape: without columns it is sealed. */
export type SegmentRequest = {
  readonly type: 'segment';
  readonly shared: SharedSegment;
  readonly columns: Columns | undefined;
};

/** What is left of a damaged segment; with what is passed over of its files where they could not be made anew. */
export type Recovered = { readonly holding: Holding; readonly unsound?: Unsound };

/** To every thread that holds a segment's files, or sets of ids: it lets them go, then answers `released`. */
export type ReleaseRequest =
  | (IdsNote & { readonly ticket: number })
  | { readonly type: 'sealed'; readonly ticket: number; readonly shared: SharedSegment }
  /** The segment's files were made anew. */
  | ({ readonly type: 'recovered'; readonly ticket: number; readonly shared: SharedSegment } & Recovered)
  | {
      readonly type: 'drop';
      readonly ticket: number;
      readonly segmentIds: readonly number[];
      readonly isDamaged: boolean;
    };
export type Released = { readonly type: 'released'; readonly ticket: number };

/** The eras of the log, at the start and whenever one begins. */
export type ErasNote = { readonly type: 'eras'; readonly eras: readonly Era[] };

/** What facets of segments without an index mean that readers were not told yet; whoever asked hears it after them. */
export type MeaningsNote = {
  readonly type: 'meanings';
  readonly id: number;
  readonly meanings: readonly MeaningsOf[];
};

/**
 * The place right behind what an account recorded last: of messages, of reports, or of both. Without one it is not known
 * whether the account recorded.
 */
export type AccountEnd = readonly [account: AccountId, end: Partial<LogEnd> | undefined];
export type EndsNote = { readonly type: 'ends'; readonly ends: readonly AccountEnd[] };

/** All sets there are of a part of the ids of sealed segments. */
export type IdsNote = { readonly type: 'ids'; readonly part: number; readonly sets: readonly IdSet[] };

/** `id` is what its outcome is answered by. */
export type BatchToRecord = { readonly id: number; readonly batch: PackedBatch };

export type WriterRequest =
  | ReleaseRequest
  | { readonly type: 'record'; readonly batches: readonly BatchToRecord[] }
  | { readonly type: 'spare'; readonly columns: Columns }
  | {
      readonly type: 'count';
      readonly id: number;
      readonly account: AccountId;
      readonly from: EpochMs;
      readonly to: EpochMs;
    }
  | { readonly type: 'meanings'; readonly id: number }
  /** How far each account reaches in a segment without an index. */
  | { readonly type: 'extents'; readonly id: number; readonly segmentId: number }
  | { readonly type: 'fill'; readonly id: number; readonly segmentId: number }
  /** Whether what cannot be kept can be again. */
  | { readonly type: 'try'; readonly id: number }
  | { readonly type: 'rotate'; readonly id: number; readonly horizons: Horizons }
  | { readonly type: 'close' };

export type Failure = {
  readonly message: string;
  /** `outage` and `unreadable` may pass, `damaged` names the segment to set aside, `defect` is ours. */
  readonly kind: 'outage' | 'unreadable' | 'unusable' | 'damaged' | 'defect' | 'bookmark';
  readonly segmentId?: number;
  /** Of what is `unreadable`: it may never pass. */
  readonly isUnread?: boolean;
  readonly stack?: string;
};

/** The log as it was found, without what only the writer needs of it. */
export type FoundLog = Pick<LoadedLog, 'damaged' | 'recovered' | 'rebuilt'> & {
  readonly segments: readonly {
    readonly shared: SharedSegment;
    readonly columns: Columns | undefined;
    /** Not all of it was read. */
    readonly isUnverified: boolean;
  }[];
};

export type WriterReply =
  | Released
  | { readonly type: 'loaded'; readonly log: FoundLog; readonly activeId: number | undefined }
  | ErasNote
  | { readonly type: 'broken'; readonly failure: Failure }
  | { readonly type: 'opened'; readonly shared: SharedSegment; readonly columns: Columns }
  | { readonly type: 'filled'; readonly segmentId: number; readonly counts: PackedCounts; readonly meanings: Meanings }
  /** So far are the columns of a segment that takes rows; what stands in shared memory is left out. */
  | ({ readonly type: 'grown'; readonly segmentId: number } & Omit<Checkpoint, 'columns'>)
  | MeaningsNote
  | { readonly type: 'answer'; readonly id: number; readonly answer: Kept | Extents | undefined }
  | {
      readonly type: 'failed';
      readonly ids: readonly number[];
      readonly failure: Failure;
      /** Of the batches that failed: some of them may have been recorded. */
      readonly accounts: readonly AccountId[];
      /** What was recorded of them lies here; absent when nothing was tried. */
      readonly range?: LogRange;
    }
  | {
      readonly type: 'recorded';
      readonly accounts: readonly AccountId[];
      readonly ends: readonly AccountEnd[];
      readonly range: LogRange;
      readonly outcomes: readonly { readonly id: number; readonly outcome: RecordOutcome }[];
      /** What messages came to. */
      readonly cameTo: Outcomes;
      readonly durationMs: number;
    };

export type ReaderRequest =
  | SegmentRequest
  | MeaningsNote
  | ErasNote
  | EndsNote
  | {
      readonly type: 'summarize';
      readonly id: number;
      readonly query: SummaryQuery;
      /** `undefined` when only messages can tell: there is a filter. */
      readonly kept: Kept | undefined;
    }
  | {
      readonly type: 'changes';
      readonly id: number;
      readonly query: ChangesQuery;
      /** Where nothing of the account lies. */
      readonly gaps: readonly LogRange[];
    }
  | ReleaseRequest
  | { readonly type: 'find'; readonly id: number; readonly query: Query }
  | { readonly type: 'render'; readonly id: number; readonly query: Query; readonly form: LogForm }
  | {
      readonly type: 'history';
      readonly id: number;
      readonly account: AccountId;
      readonly messageId: string;
      readonly sentSince: EpochMs;
    }
  /** How far each account reaches in a sealed segment. */
  | { readonly type: 'extents'; readonly id: number; readonly segmentId: number }
  /** Whether all files of a segment can be read. */
  | { readonly type: 'look'; readonly id: number; readonly segmentId: number }
  /** Nobody waits for the answer any more. */
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'close' };

/** Facets or words that are damaged, or that the disk does not give: rows are read in their place, which takes longer. */
export type UnusedFile = { readonly segmentId: number; readonly reason: string };

export type ReaderReply =
  | Released
  | ({ readonly type: 'unused' } & UnusedFile)
  | { readonly type: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly type: 'failed'; readonly ids: readonly number[]; readonly failure: Failure };

/** What an index and facets are made of beside the rows. */
export type SegmentContents = {
  readonly columns: Columns;
  readonly counts: PackedCounts;
  readonly meanings: Meanings;
};

export type SealerRequest =
  | ({ readonly type: 'seal'; readonly shared: SharedSegment } & SegmentContents)
  | ({ readonly type: 'checkpoint'; readonly shared: SharedSegment } & Checkpoint)
  /** `places`: of a segment that has no index yet. */
  | { readonly type: 'verify'; readonly segmentId: number; readonly places: Places | undefined }
  | { readonly type: 'rebuild'; readonly shared: SharedSegment }
  /** Segments that have an index, of whose ids sets are to be made; the files of those that are gone go. */
  | { readonly type: 'gather'; readonly segmentIds: readonly number[] }
  | { readonly type: 'dropped'; readonly segmentIds: readonly number[] }
  /** No thread looks at the sets of ids any more that those it told of last replace. */
  | { readonly type: 'idsTaken' }
  /** Nobody has files of the segment open any more that were there before it was told to be sealed. */
  | { readonly type: 'released'; readonly segmentId: number }
  | { readonly type: 'recover'; readonly id: number; readonly shared: SharedSegment }
  | { readonly type: 'close' };

export type SealerReply =
  /** Its index, or a volume, stands: whoever opens the segment from now on reads that. */
  | { readonly type: 'sealed'; readonly segmentId: number }
  | ({ readonly type: 'recovered'; readonly id: number } & Recovered)
  | { readonly type: 'unrecovered'; readonly id: number; readonly failure: Failure }
  | { readonly type: 'verified'; readonly segmentId: number; readonly indexDamage?: string }
  | { readonly type: 'resized'; readonly segmentId: number }
  | IdsNote
  /** It is to be made again of the rows. */
  | { readonly type: 'indexDamaged'; readonly segmentId: number; readonly reason: string }
  /** Nothing is lost; it will be tried again. */
  | {
      readonly type: 'unmade';
      readonly what: 'checkpoint' | 'facets' | 'words' | 'volume' | 'set of ids';
      readonly segmentId: number;
      readonly failure: Failure;
    }
  | { readonly type: 'failed'; readonly segmentId: number; readonly failure: Failure };
