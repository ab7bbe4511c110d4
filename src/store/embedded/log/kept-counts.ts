import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { minuteMs, minuteOf } from '../../../domain/summary.ts';
import { type Horizons, ownHorizons } from '../../horizons.ts';
import type { SummaryQuery } from '../../store.ts';
import { isOutage } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import { Counts, type PackedCounts } from '../segment/counts.ts';
import { maxSentAt, reportedUntil, type SharedSegment } from '../segment/shared-segment.ts';
import type { LoadedSegment } from './load.ts';
import type { LogFile } from './log-file.ts';
import type { Trust } from './trust.ts';

/** What the writer knows of an account's counts; the indexes of all other segments up to the last have the rest. */
export type Kept = {
  readonly unsealed: readonly { readonly segmentId: number; readonly counts: PackedCounts }[];
  readonly lastSegmentId: number;
  /** A whole minute: before it, the counts do not add up to what the log holds. */
  readonly trustedFrom: EpochMs;
};

/** The counts of the segments that have no index yet, and since when the sum of all counts can be trusted. */
export class KeptCounts {
  readonly #folder: Folder;
  readonly #log: LogFile;
  readonly #unsealed = new Map<number, Counts>();

  constructor(folder: Folder, log: LogFile) {
    this.#folder = folder;
    this.#log = log;
  }

  /** Takes over what was found: segments that were set aside while nobody counted take their part of the sums along. */
  adopt(segments: readonly LoadedSegment[], gaps: boolean): void {
    for (const { shared, unsealed } of segments)
      if (unsealed !== undefined) this.#unsealed.set(shared.id, unsealed.counts);
    const names = this.#folder.setAsideNames();
    const isNew = names.some(name => !this.#log.setAside.includes(name));
    if (isNew || gaps || this.#log.gaps) this.#distrust(afterAll(segments.map(({ shared }) => shared)), names);
  }

  open(segmentId: number): Counts {
    const counts = new Counts();
    this.#unsealed.set(segmentId, counts);
    return counts;
  }

  of(segmentId: number): Counts | undefined {
    return this.#unsealed.get(segmentId);
  }

  sealed(segmentId: number): void {
    this.#unsealed.delete(segmentId);
  }

  /** What is past retention may be dropped from now on: the sums of its time, account by account, then lack it. */
  retire(horizons: Horizons, segments: readonly SharedSegment[]): void {
    if (!segments.some(segment => extentOf(segment) < horizons.latest)) return;
    const own = new Map(Array.from(ownHorizons(horizons), ([account, before]) => [account, minuteAfter(before)]));
    this.#trusting(this.#log.trust.retired(minuteAfter(horizons.others), own), this.#log.setAside);
  }

  /** A segment goes: announced by `retire`, or because it is damaged, and then nothing recorded so far adds up. */
  dropped(segmentId: number, isDamaged: boolean, segments: readonly SharedSegment[]): void {
    this.#unsealed.delete(segmentId);
    const segment = segments.find(({ id }) => id === segmentId);
    if (!isDamaged || segment === undefined || extentOf(segment) < this.#log.trust.earliest) return;
    this.#distrust(afterAll(segments), [...this.#folder.setAsideNames(), this.#folder.nameOf(segmentId)]);
  }

  /** Rows of a segment are lost: nothing recorded so far adds up. */
  distrustAll(segments: readonly SharedSegment[]): void {
    this.#distrust(afterAll(segments), this.#log.setAside);
  }

  answer(account: AccountId, from: EpochMs, to: EpochMs, lastSegmentId: number): Kept {
    const unsealed = [...this.#unsealed].map(([segmentId, counts]) => ({
      segmentId,
      counts: counts.pack({ account, from, to }),
    }));
    return { unsealed, lastSegmentId, trustedFrom: this.#log.trust.from(account) };
  }

  #distrust(before: EpochMs, setAside: readonly string[]): void {
    this.#trusting(this.#log.trust.broken(before), setAside);
  }

  #trusting(trust: Trust, setAside: readonly string[]): void {
    const isAllowedFor = !this.#log.gaps && setAside.length === this.#log.setAside.length;
    if (isAllowedFor && trust.equals(this.#log.trust)) return;
    try {
      this.#log.trusting(trust, setAside);
    } catch (error) {
      // A full disk must not keep what is to be dropped. It holds for this run, and is written with the next change.
      if (!isOutage(error)) throw error;
    }
  }
}

const minuteAfter = (moment: EpochMs): EpochMs => minuteOf(moment + minuteMs - 1);

export type Span = { readonly from: EpochMs; readonly to: EpochMs };

export const earliest = ({ range, sentSince }: SummaryQuery): EpochMs => Math.max(range.from, sentSince);

/** The minutes of the range that lie in it whole; those are answered by counts that are kept. */
export function wholeMinutes(query: SummaryQuery): Span {
  const { to } = query.range;
  return { from: minuteOf(earliest(query) + minuteMs - 1), to: to === undefined ? Infinity : minuteOf(to) };
}

/** The newest moment that a segment's counts are of. */
export function extentOf(segment: SharedSegment): EpochMs {
  return Math.max(maxSentAt(segment), reportedUntil(segment));
}

/** The minute after all that these segments count. */
function afterAll(segments: readonly SharedSegment[]): EpochMs {
  const last = Math.max(...segments.map(extentOf));
  return last === -Infinity ? last : minuteOf(last) + minuteMs;
}
