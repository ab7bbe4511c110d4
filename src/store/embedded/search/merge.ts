import type { EpochMs } from '../../../domain/message.ts';
import type { Steps } from './jobs.ts';
import type { Found } from './read-segments.ts';
import type { Candidate, CandidateSource } from './scan.ts';

/** A segment that may hold candidates, not opened yet. */
export type SegmentSources = {
  readonly segmentId: number;
  readonly maxSentAt: EpochMs;
  /** What it has after a place, or of all; nothing when it is gone by now. */
  open(after: Found | undefined): OpenSources;
};

/** What may match, newest first; the rows decide. */
export type Candidates = {
  /** The next `count`, fewer when there are no more. */
  take(count: number): Steps<readonly Found[]>;
  /** To be called where others had their turn elsewhere than in `take`. */
  afterPause(): void;
};

export type OpenSources = {
  readonly sources: readonly CandidateSource[];
  /** Whether they can still be asked: the segment may have been sealed, or have gone. */
  isCurrent(): boolean;
};

type Opened = { readonly segment: SegmentSources; readonly isCurrent: () => boolean };
type Head = { readonly opened: Opened; readonly source: CandidateSource; run: readonly Candidate[]; at: number };

/**
 * Merges the candidates of all segments, newest first, opening a segment only when its time has come.
 */
export class Merge implements Candidates {
  readonly #waiting: Iterator<SegmentSources>;
  readonly #resume: () => boolean;
  #next: SegmentSources | undefined;
  #heads: Head[] = [];
  /** The head that has none left of what it found. */
  #used: Head | undefined;
  #last: Found | undefined;

  /** `resume` is called after a pause, and gives whether what was opened before it is of no use any more. */
  constructor(sources: Iterator<SegmentSources>, resume: () => boolean) {
    this.#waiting = sources;
    this.#resume = resume;
    this.#advance();
  }

  /** A step is the work on one segment. */
  *take(count: number): Steps<readonly Found[]> {
    const taken: Found[] = [];
    while (taken.length < count) {
      const head = this.#best();
      if (this.#isDue(head)) {
        this.#work(count - taken.length);
        if (yield 0) this.afterPause();
        continue;
      }
      if (head === undefined) break;
      const candidate = head.run[head.at++];
      if (candidate === undefined) throw new RangeError('a head has no candidate');
      if (head.at === head.run.length) this.#used = head;
      const found = { ...candidate, segmentId: head.opened.segment.segmentId };
      // Two values with one hash give the same row twice, side by side.
      const again = this.#last?.segmentId === found.segmentId && this.#last.ordinal === found.ordinal;
      this.#last = found;
      if (!again) taken.push(found);
    }
    return taken;
  }

  /** Opens anew, from the last candidate on, what cannot be asked any more; or all. */
  afterPause(): void {
    const isAll = this.#resume();
    const stale = new Set(this.#heads.map(({ opened }) => opened).filter(opened => isAll || !opened.isCurrent()));
    if (stale.size === 0) return;
    this.#heads = this.#heads.filter(({ opened }) => !stale.has(opened));
    if (this.#used !== undefined && stale.has(this.#used.opened)) this.#used = undefined;
    for (const { segment } of stale) this.#open(segment, 1, this.#last);
  }

  #best(): Head | undefined {
    if (this.#used !== undefined) return undefined;
    let best: Head | undefined;
    for (const head of this.#heads) if (best === undefined || precedes(head, best)) best = head;
    return best;
  }

  #isDue(best: Head | undefined): boolean {
    if (this.#used !== undefined) return true;
    const next = this.#next;
    return next !== undefined && (best === undefined || (best.run[best.at]?.sentAt ?? 0) <= next.maxSentAt);
  }

  #work(count: number): void {
    const used = this.#used;
    if (used !== undefined) {
      used.run = used.source.next(count);
      used.at = 0;
      this.#used = undefined;
      if (used.run.length === 0) this.#heads.splice(this.#heads.indexOf(used), 1);
    } else if (this.#next !== undefined) {
      this.#open(this.#next, count, undefined);
      this.#advance();
    }
  }

  #open(segment: SegmentSources, count: number, after: Found | undefined): void {
    const { sources, isCurrent } = segment.open(after);
    const opened = { segment, isCurrent };
    for (const source of sources) {
      const head = { opened, source, run: source.next(count), at: 0 };
      if (head.run.length > 0) this.#heads.push(head);
    }
  }

  #advance(): void {
    const next = this.#waiting.next();
    this.#next = next.done ? undefined : next.value;
  }
}

function precedes(a: Head, b: Head): boolean {
  const [left, right] = [a.run[a.at], b.run[b.at]];
  if (left === undefined || right === undefined) return left !== undefined;
  if (left.sentAt !== right.sentAt) return left.sentAt > right.sentAt;
  if (a.opened.segment.segmentId !== b.opened.segment.segmentId)
    return a.opened.segment.segmentId > b.opened.segment.segmentId;
  return left.ordinal > right.ordinal;
}
