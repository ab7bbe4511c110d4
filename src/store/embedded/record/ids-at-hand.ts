import { LRUCache } from 'lru-cache';
import type { IndexFile } from '../segment/index-file.ts';
import { IdsOfSegment, ordinalsWithId } from '../segment/index-runs.ts';

/** Works on the index of a sealed segment, and lays what damage it shows to that segment. */
type WithIndex = <T>(segmentId: number, work: (index: IndexFile) => T) => T;

/** A segment of 250,000 messages has two megabytes. */
const bytesAtHandMax = 16 * 1024 * 1024;
/** Asked for so many ids more than once, it is likely to be asked for as many again: that pays for reading them all. */
const asksBeforeTaken = 300;

/**
 * Which messages of sealed segments have an id: asked of the index, or of a copy in memory for the few segments that are asked
 * over and over, since reports and repeats come soon.
 */
export class IdsAtHand {
  readonly #withIndex: WithIndex;
  readonly #taken = new LRUCache<number, IdsOfSegment>({
    maxSize: bytesAtHandMax,
    sizeCalculation: ({ bytes }) => bytes,
  });
  /** By segment, since one was taken last. */
  readonly #asked = new Map<number, number>();

  constructor(withIndex: WithIndex) {
    this.#withIndex = withIndex;
  }

  ordinals(segmentId: number, hash: number): Iterable<number> {
    const taken = this.#taken.get(segmentId);
    if (taken !== undefined) return taken.ordinals(hash);
    const asked = (this.#asked.get(segmentId) ?? 0) + 1;
    this.#asked.set(segmentId, asked);
    if (asked < asksBeforeTaken) return this.#withIndex(segmentId, index => ordinalsWithId(index, hash));
    const ids = this.#withIndex(segmentId, index => new IdsOfSegment(index));
    this.#taken.set(segmentId, ids);
    this.#asked.clear();
    return ids.ordinals(hash);
  }

  /** Its index may be another from now on. */
  letGo(segmentId: number): void {
    this.#taken.delete(segmentId);
    this.#asked.delete(segmentId);
  }
}
