import { isUnread } from '../../../failures.ts';
import { DamagedBlock } from '../../block/damage.ts';
import { StoreUnavailable, StoreUnusable } from '../../store.ts';

/** A row whose checksum does not fit what it holds. */
export class DamagedRow extends Error {
  constructor(where: string) {
    super(`the checksum of ${where} does not match`);
    this.name = 'DamagedRow';
  }
}

/** Rows of a segment that do not verify, by their ordinals and sequences. */
export type Unsound = { readonly messages: ReadonlySet<number>; readonly reports: ReadonlySet<number> };

/** A file of ours that is not what was written. */
export class DamagedIndex extends Error {
  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`);
    this.name = 'DamagedIndex';
  }
}

/** What a file of a segment threw: the store sets the segment aside, and the rest serves on. */
export class DamagedSegment extends Error {
  readonly segmentId: number;

  constructor(segmentId: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'DamagedSegment';
    this.segmentId = segmentId;
  }
}

/** The disk did not give what stands in a file of a segment; it may later. */
export class UnreadableSegment extends StoreUnavailable {
  readonly segmentId: number;
  /** The disk has the file and answers that it cannot give what stands there: that may never pass. */
  readonly isUnread: boolean;

  constructor(segmentId: number, cause: unknown, isUnreadCause = isUnread(cause)) {
    super(cause instanceof Error ? cause.message : String(cause), undefined, { cause });
    this.name = 'UnreadableSegment';
    this.segmentId = segmentId;
    this.isUnread = isUnreadCause;
  }
}

/**
 * SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_FORMAT and SQLITE_NOTADB, with whatever extended code stands in the upper bits. The
 * first is what a file gives in which a table of ours is missing: our own statements have no faults.
 */
const damageCodes = new Set([1, 11, 24, 26]);

/** Whether an error means that a file does not hold what was written to it. */
export function isDamage(error: unknown): boolean {
  if (error instanceof DamagedRow || error instanceof DamagedIndex || error instanceof DamagedBlock) return true;
  const code = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0;
  return damageCodes.has(code & 0xff);
}

/** SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_MISUSE and SQLITE_RANGE. */
const ofValues: ReadonlySet<unknown> = new Set([18, 19, 20, 21, 25]);

/**
 * Whether an error is the disk's or the system's, and may pass: a full disk, a file that cannot be opened. What comes
 * of the values that were to be kept does not pass.
 */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof UnreadableSegment) return true;
  const sqlite = 'code' in error && error.code === 'ERR_SQLITE_ERROR' && !isOfValues(error);
  const system = 'syscall' in error && typeof error.syscall === 'string';
  return sqlite || system;
}

function isOfValues(error: Error): boolean {
  return 'errcode' in error && typeof error.errcode === 'number' && ofValues.has(error.errcode & 0xff);
}

/** Works on a segment's files, and lays what damage they show to that segment. */
export function guardSegment<T>(segmentId: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof DamagedSegment || !isDamage(error)) throw error;
    throw new DamagedSegment(segmentId, error);
  }
}

/** As `guardSegment`, for what only reads: that the disk does not give it is laid to that segment too. */
export function guardReading<T>(segmentId: number, work: () => T): T {
  try {
    return guardSegment(segmentId, work);
  } catch (error) {
    if (error instanceof UnreadableSegment || !isOutage(error)) throw error;
    throw new UnreadableSegment(segmentId, error);
  }
}

/** The log was written in another format than this version of sentlog reads. */
export class OtherFormat extends StoreUnusable {
  constructor(what: string, format: unknown, expected: number) {
    const newer = typeof format === 'number' && format > expected;
    const advice = newer
      ? 'run the newer version that wrote it'
      : 'run the version that wrote it, and export what it holds';
    super(
      `${what} of format ${JSON.stringify(format)}, and this version of sentlog reads format ${expected}: ${advice}`,
    );
    this.name = 'OtherFormat';
  }
}
