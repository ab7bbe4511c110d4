import { DamagedIndex, DamagedSegment } from '../files/damage.ts';
import type { Folder } from '../files/folder.ts';
import { openIndex } from '../log/check-rows.ts';
import { bytesOfSet, type IdSet, idParts, idsIn, makeIdSet, setSegmentsMax } from '../segment/id-sets.ts';
import type { IndexFile } from '../segment/index-file.ts';
import { untouchedMemory } from '../segment/untouched-memory.ts';

/** A larger set would take long to make anew. */
const setIdsMax = 2 ** 24;
/** The youngest segments have a small set of their own: not every one that is sealed has a large one made again. */
const smallSetSegmentsMax = 8;
/** What a part of any set takes, so that each fits where another was: memory that nothing was written into yet takes none. */
const memoryBytes = bytesOfSet(setIdsMax / idParts);
/** Of fewer hashes a part takes what it needs. */
const memoryBytesMin = bytesOfSet(1024);
/** All parts of the youngest set leave theirs where it joins a larger one, and those of the next take it. */
const sparesMax = 2 * idParts;
/** Of small sets so many parts are made before the threads have taken up the first: their memory is spare only then. */
const untakenMax = 4;

type Work = {
  inSteps<T>(steps: Generator<void, T>): Promise<T>;
  /** These are all sets there are now of a part; resolves when nobody looks at those any more that were there before. */
  gathered(part: number, sets: readonly IdSet[]): Promise<void>;
  /** An index is to be made again; when it was, its segment is added anew. */
  damaged(segmentId: number, reason: string): void;
  /** Of so many segments none was made: it is tried again with the next that is added. */
  failed(segmentIds: readonly number[], error: unknown): void;
};

/** Of all hashes, those of one part. */
type Part = {
  readonly number: number;
  sets: readonly IdSet[];
  /** Segments that are in none of them. */
  readonly due: Set<number>;
};

/**
 * Makes the sets of the ids of sealed segments, one at a time. What is in none yet is asked itself, and costs time alone.
 * Memory that threads share is given back only when each of them has collected what refers to it, which those with little
 * to do put off for long: so it is used again instead.
 */
export class GatheredIds {
  readonly #folder: Folder;
  readonly #hashSeed: number;
  readonly #work: Work;
  readonly #parts: readonly Part[] = Array.from({ length: idParts }, (_, number) => ({
    number,
    sets: [],
    due: new Set<number>(),
  }));
  /** Segments that are dropped, and stand in a set, or may come to stand in one. */
  readonly #gone = new Set<number>();
  readonly #spares: SharedArrayBuffer[] = [];
  readonly #untaken: Promise<void>[] = [];
  #isMaking = false;

  constructor(folder: Folder, hashSeed: number, work: Work) {
    this.#folder = folder;
    this.#hashSeed = hashSeed;
    this.#work = work;
  }

  /** Segments that have an index now. One that was made again has the ids that it had. */
  async add(segmentIds: readonly number[]): Promise<void> {
    for (const part of this.#parts) for (const id of segmentIds) if (!holds(part, id)) part.due.add(id);
    if (this.#isMaking) return;
    this.#isMaking = true;
    try {
      for (let part = this.#mostDue(); part !== undefined && (await this.#make(part)); part = this.#mostDue());
    } catch (error) {
      this.#work.failed([...(this.#mostDue()?.due ?? [])], error);
    } finally {
      this.#isMaking = false;
    }
  }

  /** Segments that are gone. A set that has lost half of them is made again with the next that is added. */
  drop(segmentIds: readonly number[]): void {
    for (const id of segmentIds) {
      this.#giveUp(id);
      if (this.#isMaking || this.#parts.some(part => holds(part, id))) this.#gone.add(id);
    }
    for (const part of this.#parts) {
      const left = part.sets.filter(set => this.#leftOf(set).length > 0);
      if (left.length === part.sets.length) continue;
      part.sets = left;
      void this.#work.gathered(part.number, left);
    }
  }

  /** All parts of some segments before any of others. */
  #mostDue(): Part | undefined {
    const most = this.#parts.reduce((before, part) => (part.due.size > before.due.size ? part : before));
    return most.due.size === 0 ? undefined : most;
  }

  #giveUp(segmentId: number): void {
    for (const { due } of this.#parts) due.delete(segmentId);
  }

  /** `false` where there is no going on before an index was made again. */
  async #make(part: Part): Promise<boolean> {
    using opened = new DisposableStack();
    const sources = new Map<number, IndexFile>();
    let ids = 0;
    for (const id of [...part.due].sort((a, b) => a - b)) {
      const index = this.#opened(id, opened);
      if (index === undefined) this.#giveUp(id);
      else if (sources.size > 0 && ids + idsIn(index) > setIdsMax) break;
      else {
        sources.set(id, index);
        ids += idsIn(index);
      }
      if (sources.size === setSegmentsMax) break;
    }
    const replaced: IdSet[] = [];
    for (const set of part.sets.toSorted((a, b) => a.segmentIds.length - b.segmentIds.length)) {
      const left = this.#leftOf(set);
      const leftIds = Math.ceil((set.ids * left.length) / set.segmentIds.length);
      const isLeft = isSmall(set) || left.length * 2 < set.segmentIds.length;
      if (!isLeft && sources.size <= smallSetSegmentsMax) continue;
      if (sources.size + left.length > setSegmentsMax || ids + leftIds > setIdsMax) continue;
      for (const id of left) {
        const index = this.#opened(id, opened);
        if (index !== undefined) sources.set(id, index);
      }
      ids += leftIds;
      replaced.push(set);
    }
    return sources.size === 0 || (await this.#replace(part, replaced, sources));
  }

  async #replace(part: Part, replaced: readonly IdSet[], sources: ReadonlyMap<number, IndexFile>): Promise<boolean> {
    try {
      const made = await this.#work.inSteps(makeIdSet(sources, part.number, bytes => this.#memory(bytes)));
      for (const id of sources.keys()) part.due.delete(id);
      part.sets = [...part.sets.filter(set => !replaced.includes(set)), made];
      for (const id of this.#gone) if (!this.#parts.some(one => holds(one, id))) this.#gone.delete(id);
      this.#untaken.push(this.#work.gathered(part.number, part.sets).then(() => this.#spare(replaced)));
      const mayWait = replaced.every(isSmall);
      while (this.#untaken.length > (mayWait ? untakenMax : 0)) await this.#untaken.shift();
      return true;
    } catch (error) {
      if (!(error instanceof DamagedSegment)) throw error;
      this.#work.damaged(error.segmentId, error.message);
      const { size } = part.due;
      this.#giveUp(error.segmentId);
      return part.due.size < size;
    }
  }

  /** The largest last, which is taken first. */
  #spare(sets: readonly IdSet[]): void {
    for (const { memory } of sets)
      if (memory.byteLength === memoryBytes && this.#spares.length < sparesMax) this.#spares.push(memory);
  }

  #memory(bytes: number): SharedArrayBuffer {
    const isOwn = bytes < memoryBytesMin || bytes > memoryBytes;
    return (isOwn ? undefined : this.#spares.pop()) ?? untouchedMemory(isOwn ? bytes : memoryBytes);
  }

  /** `undefined` where the segment is gone, or its index is not what was written. */
  #opened(segmentId: number, opened: DisposableStack): IndexFile | undefined {
    const { disk } = this.#folder;
    const path = this.#folder.index(segmentId);
    try {
      return opened.adopt(openIndex(this.#folder, segmentId, this.#hashSeed), index => index.close());
    } catch (error) {
      // Another thread drops segments, at any moment.
      if (!disk.exists(path)) return undefined;
      if (!(error instanceof DamagedIndex)) throw error;
      this.#work.damaged(segmentId, error.message);
      return undefined;
    }
  }

  #leftOf({ segmentIds }: IdSet): readonly number[] {
    return segmentIds.filter(id => !this.#gone.has(id));
  }
}

const isSmall = ({ segmentIds }: IdSet) => segmentIds.length <= smallSetSegmentsMax;

function holds({ sets }: Part, segmentId: number): boolean {
  return sets.some(({ segmentIds }) => segmentIds.includes(segmentId));
}
