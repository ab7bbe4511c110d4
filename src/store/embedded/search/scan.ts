import type { AccountId, EpochMs } from '../../../domain/message.ts';
import type { IndexFile } from '../segment/index-file.ts';
import { groupOf, newestReportOf, type SharedSegment } from '../segment/shared-segment.ts';

/** Whether a message may be in a state that is asked for. */
export type MayBeAsked = (ordinal: number) => boolean;

/** What is asked of one segment, with values already hashed. */
export type Scan = {
  readonly account: AccountId;
  /** By field number: the hashes of the values asked for; the field is not asked for when it is missing. */
  readonly hashes: ReadonlyMap<number, ReadonlySet<number>>;
  /** Only messages with one of these groups, or with a report newer than `asOf` (which may have had one then). */
  readonly groups?: readonly number[];
  readonly asOf?: number;
  /** Tests what is asked of states beyond their groups, where something tells that without the rows. */
  readonly mayBeAsked?: MayBeAsked | undefined;
  /** Inclusive. */
  readonly sentSince: EpochMs;
  /** Only what comes after this place in the order: sent earlier, or sent then and recorded earlier. */
  readonly before: { readonly sentAt: EpochMs; readonly ordinal: number };
  /** Ordinals from here on are newer than the walk. */
  readonly ordinalEnd: number;
};

export type Candidate = { readonly sentAt: EpochMs; readonly ordinal: number };

/**
 * Candidates of one segment, newest first, a run at a time. A candidate is a row whose hashes fit: the reader still
 * compares the values. An empty run ends it.
 */
export type CandidateSource = { next(count: number): readonly Candidate[] };

/**
 * As a `CandidateSource`, but it is handed the segment's index each time: between two calls the index may have been
 * closed to make room for others.
 */
export type SealedSource = { next(index: IndexFile, count: number): readonly Candidate[] };

export function mayHaveGroup(scan: Scan, segment: SharedSegment, ordinal: number): boolean {
  return (
    scan.groups === undefined ||
    scan.groups.includes(groupOf(segment, ordinal)) ||
    (scan.asOf !== undefined && newestReportOf(segment, ordinal) > scan.asOf)
  );
}

/** Whether the state of a message, as far as it can be told without its row, is one that is asked for. */
export function mayFit(scan: Scan, segment: SharedSegment, ordinal: number): boolean {
  return mayHaveGroup(scan, segment, ordinal) && scan.mayBeAsked?.(ordinal) !== false;
}

export function follows(sentAt: EpochMs, ordinal: number, place: { sentAt: EpochMs; ordinal: number }): boolean {
  return sentAt < place.sentAt || (sentAt === place.sentAt && ordinal < place.ordinal);
}

export const newestFirst = (a: Candidate, b: Candidate) => b.sentAt - a.sentAt || b.ordinal - a.ordinal;
