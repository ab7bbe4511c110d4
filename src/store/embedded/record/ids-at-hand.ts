import { LRUCache } from 'lru-cache';
import type { IndexFile } from '../segment/index-file.ts';
import { IdsOfSegment, ordinalsWithId } from '../segment/index-runs.ts';

/** Works on the index of a sealed segment, and lays what damage it shows to that segment. */
type WithIndex = <T>(segmentId: number, work: (index: IndexFile) => T) => T;

/** A segment of 250,000 messages has two megabytes. */
const bytesAtHandMax = 16 * 1024 * 1024;
/** So often it is likely to be asked as often again: that pays for reading all its ids. */
const timesBeforeTaken = 300;

/**
 * Which messages of sealed segments have an id: asked of the index, or of a copy in memory for the few segments that are asked
 * over and over, since reports and repeats come soon.
 */
export class IdsAtHand {
  readonly #withIndex: WithIndex;
  readonly #taken = new LRUCache<number, IdsOfSegment>({
    maxSize: bytesAtHandMax,
    sizeCalculation: ({ bytes }) => bytes,
    dispose: ids => ids.free(),
  });
  /** By segment, since one was taken last. */
  readonly #times = new Map<number, number>();

  constructor(withIndex: WithIndex) {
    this.#withIndex = withIndex;
  }

  /** Each segment is asked now and then for ids that it does not have: only `often` has its ids be taken. */
  ordinals(segmentId: number, hash: number): Iterable<number> {
    const taken = this.#taken.get(segmentId);
    if (taken !== undefined) return taken.ordinals(hash);
    if ((this.#times.get(segmentId) ?? 0) < timesBeforeTaken)
      return this.#withIndex(segmentId, index => ordinalsWithId(index, hash));
    const ids = this.#withIndex(segmentId, index => new IdsOfSegment(index));
    this.#taken.set(segmentId, ids);
    this.#times.clear();
    return ids.ordinals(hash);
  }

  /** The segment had the message that was asked for, or has to be asked for each. */
  often(segmentId: number): void {
    this.#times.set(segmentId, (this.#times.get(segmentId) ?? 0) + 1);
  }

  /** Its index may be another from now on. */
  letGo(segmentId: number): void {
    this.#taken.delete(segmentId);
    this.#times.delete(segmentId);
  }

  /** None has to be asked for each id any more. */
  clear(): void {
    this.#taken.clear();
    this.#times.clear();
  }
}
