import type { EpochMs } from '../../../domain/message.ts';
import type { Found } from './read-segments.ts';
import type { Candidate, CandidateSource } from './scan.ts';

/** A segment that may hold candidates, not opened yet. */
export type SegmentSources = {
  readonly segmentId: number;
  readonly maxSentAt: EpochMs;
  /** What it has after a place, or of all; nothing when it is gone by now. */
  open(after: Found | undefined): OpenSources;
};

export type OpenSources = {
  readonly sources: readonly CandidateSource[];
  /** Whether they can still be asked: the segment may have been sealed, or have gone. */
  isCurrent(): boolean;
};

type Opened = { readonly segment: SegmentSources; readonly isCurrent: () => boolean };
type Head = { readonly opened: Opened; readonly source: CandidateSource; run: readonly Candidate[]; at: number };

/**
 * Merges the candidates of all segments, newest first, opening a segment only when its time has come. Between two steps
 * others may have their turn; whoever goes on after such a pause says so.
 */
export class Merge {
  readonly #waiting: Iterator<SegmentSources>;
  #next: SegmentSources | undefined;
  #heads: Head[] = [];
  /** The head that has none left of what it found. */
  #used: Head | undefined;
  #last: Found | undefined;

  constructor(sources: Iterator<SegmentSources>) {
    this.#waiting = sources;
    this.#advance();
  }

  /** The next `count` candidates, fewer when there are no more; a step is the work on one segment. */
  *take(count: number): Generator<void, readonly Found[], boolean> {
    const taken: Found[] = [];
    while (taken.length < count) {
      const head = this.#best();
      if (this.#isDue(head)) {
        this.#work(count - taken.length);
        if (yield) this.afterPause();
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
  afterPause(isAll = false): void {
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
