import type { EpochMs } from '../../domain/message.ts';
import type { Found } from './read-segments.ts';
import type { Candidate, CandidateSource } from './scan.ts';

/** A segment that may hold candidates, not opened yet. */
export type SegmentSources = {
  readonly segmentId: number;
  readonly maxSentAt: EpochMs;
  open(): readonly CandidateSource[];
};

type Head = { readonly segmentId: number; readonly source: CandidateSource; run: readonly Candidate[]; at: number };

/** Merges the candidates of all segments, newest first, opening a segment only when its time has come. */
export class Merge {
  readonly #waiting: Iterator<SegmentSources>;
  #next: SegmentSources | undefined;
  readonly #heads: Head[] = [];
  #last: Found | undefined;

  constructor(sources: Iterator<SegmentSources>) {
    this.#waiting = sources;
    this.#advance();
  }

  /** The next `count` candidates, fewer when there are no more. */
  take(count: number): readonly Found[] {
    const taken: Found[] = [];
    while (taken.length < count) {
      const head = this.#newest(count - taken.length);
      if (head === undefined) break;
      const candidate = head.run[head.at++];
      if (candidate === undefined) throw new RangeError('a head has no candidate');
      const found = { ...candidate, segmentId: head.segmentId };
      // Two values with one hash give the same row twice, side by side.
      const again = this.#last?.segmentId === found.segmentId && this.#last.ordinal === found.ordinal;
      this.#last = found;
      if (!again) taken.push(found);
    }
    return taken;
  }

  #newest(count: number): Head | undefined {
    for (const head of [...this.#heads]) if (head.at === head.run.length) this.#refill(head, count);
    for (;;) {
      let best: Head | undefined;
      for (const head of this.#heads) if (best === undefined || precedes(head, best)) best = head;
      const next = this.#next;
      if (next === undefined || (best !== undefined && (best.run[best.at]?.sentAt ?? 0) > next.maxSentAt)) return best;
      for (const source of next.open()) {
        const head: Head = { segmentId: next.segmentId, source, run: source.next(count), at: 0 };
        if (head.run.length > 0) this.#heads.push(head);
      }
      this.#advance();
    }
  }

  #refill(head: Head, count: number): void {
    head.run = head.source.next(count);
    head.at = 0;
    if (head.run.length === 0) this.#heads.splice(this.#heads.indexOf(head), 1);
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
  if (a.segmentId !== b.segmentId) return a.segmentId > b.segmentId;
  return left.ordinal > right.ordinal;
}
