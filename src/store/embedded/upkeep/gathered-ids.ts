import { DamagedIndex, DamagedSegment } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import { type IdSet, idsIn, makeIdSet, setSegmentsMax } from '../segment/id-sets.ts';
import { IndexFile } from '../segment/index-file.ts';

/** A larger set would take much memory beside the one that it replaces. */
const setIdsMax = 2 ** 24;
/** The youngest segments have a small set of their own: not every one that is sealed has a large one made again. */
const smallSetSegmentsMax = 8;

type Work = {
  inSteps<T>(steps: Generator<void, T>): Promise<T>;
  /** These are all sets there are now. */
  gathered(sets: readonly IdSet[]): void;
  /** An index is to be made again; when it was, its segment is added anew. */
  damaged(segmentId: number, reason: string): void;
  /** Of so many segments none was made: it is tried again with the next that is added. */
  failed(segmentIds: readonly number[], error: unknown): void;
};

/** Makes the sets of the ids of sealed segments, one at a time. What is in none yet is asked itself, and costs time alone. */
export class GatheredIds {
  readonly #folder: Folder;
  readonly #work: Work;
  #sets: readonly IdSet[] = [];
  readonly #due = new Set<number>();
  /** Segments that are dropped, and stand in a set, or may come to stand in one. */
  readonly #gone = new Set<number>();
  #isMaking = false;

  constructor(folder: Folder, work: Work) {
    this.#folder = folder;
    this.#work = work;
  }

  /** Segments that have an index now. One that was made again has the ids that it had. */
  async add(segmentIds: readonly number[]): Promise<void> {
    for (const id of segmentIds) if (!this.#holds(id)) this.#due.add(id);
    if (this.#isMaking) return;
    this.#isMaking = true;
    try {
      while (this.#due.size > 0 && (await this.#make()));
    } catch (error) {
      this.#work.failed([...this.#due], error);
    } finally {
      this.#isMaking = false;
    }
  }

  /** Segments that are gone. A set that has lost half of them is made again with the next that is added. */
  drop(segmentIds: readonly number[]): void {
    for (const id of segmentIds) {
      this.#due.delete(id);
      if (this.#isMaking || this.#holds(id)) this.#gone.add(id);
    }
    const left = this.#sets.filter(set => this.#leftOf(set).length > 0);
    if (left.length === this.#sets.length) return;
    this.#sets = left;
    this.#work.gathered(left);
  }

  /** `false` where there is no going on before an index was made again. */
  async #make(): Promise<boolean> {
    using opened = new DisposableStack();
    const sources = new Map<number, IndexFile>();
    let ids = 0;
    for (const id of [...this.#due].sort((a, b) => a - b)) {
      const index = this.#opened(id, opened);
      if (index === undefined) this.#due.delete(id);
      else if (sources.size > 0 && ids + idsIn(index) > setIdsMax) break;
      else {
        sources.set(id, index);
        ids += idsIn(index);
      }
      if (sources.size === setSegmentsMax) break;
    }
    const replaced: IdSet[] = [];
    for (const set of this.#sets.toSorted((a, b) => a.segmentIds.length - b.segmentIds.length)) {
      const left = this.#leftOf(set);
      const leftIds = Math.ceil((set.cells.length * left.length) / set.segmentIds.length);
      const isSmall = set.segmentIds.length <= smallSetSegmentsMax || left.length * 2 < set.segmentIds.length;
      if (!isSmall && sources.size <= smallSetSegmentsMax) continue;
      if (sources.size + left.length > setSegmentsMax || ids + leftIds > setIdsMax) continue;
      for (const id of left) {
        const index = this.#opened(id, opened);
        if (index !== undefined) sources.set(id, index);
      }
      ids += leftIds;
      replaced.push(set);
    }
    return sources.size === 0 || (await this.#replace(replaced, sources));
  }

  async #replace(replaced: readonly IdSet[], sources: ReadonlyMap<number, IndexFile>): Promise<boolean> {
    try {
      const made = await this.#work.inSteps(makeIdSet(sources));
      for (const id of sources.keys()) this.#due.delete(id);
      const sets = [...this.#sets.filter(set => !replaced.includes(set)), made];
      this.#sets = sets;
      for (const id of this.#gone) if (!this.#holds(id)) this.#gone.delete(id);
      this.#work.gathered(sets);
      return true;
    } catch (error) {
      if (!(error instanceof DamagedSegment)) throw error;
      this.#work.damaged(error.segmentId, error.message);
      return this.#due.delete(error.segmentId);
    }
  }

  /** `undefined` where the segment is gone, or its index is not what was written. */
  #opened(segmentId: number, opened: DisposableStack): IndexFile | undefined {
    const { disk } = this.#folder;
    const path = this.#folder.index(segmentId);
    try {
      return opened.adopt(new IndexFile(path, disk), index => index.close());
    } catch (error) {
      // Another thread drops segments, at any moment.
      if (!disk.exists(path)) return undefined;
      if (!(error instanceof DamagedIndex)) throw error;
      this.#work.damaged(segmentId, error.message);
      return undefined;
    }
  }

  #holds(segmentId: number): boolean {
    return this.#sets.some(({ segmentIds }) => segmentIds.includes(segmentId));
  }

  #leftOf({ segmentIds }: IdSet): readonly number[] {
    return segmentIds.filter(id => !this.#gone.has(id));
  }
}
