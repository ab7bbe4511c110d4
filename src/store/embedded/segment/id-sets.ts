import { guardSegment } from '../files/damage.ts';
import type { IndexFile } from './index-file.ts';

/**
 * Which of some sealed segments have a message whose id has a given hash: all their hashes side by side, in 2.2 bytes each.
 * Hashes are spread evenly over buckets of some six. A cell of 16 bits tells the segment, and where in its bucket the hash
 * lies; that leaves 31 bits and more of it, so that nearly every hit is one. None that is there is ever missed: of which
 * message it is, and whether it is, the segment's index tells. Made once, and shared by all threads.
 */
export type IdSet = {
  readonly segmentIds: readonly number[];
  /**
   * By 16 buckets: their first cell in a u32, then for each how many cells there are up to its end, in a u8; or 255 where there
   * are so many or more, and all cells up to those of the next row are theirs. One row more tells the end.
   */
  readonly buckets: SharedArrayBuffer;
  readonly cells: Uint16Array;
};

/** A cell has room for so many numbers of segments. */
export const setSegmentsMax = 64;
const fractionBits = 10;
const fractions = 2 ** fractionBits;
const hashesPerBucket = 6;
const bucketsPerRow = 16;
const rowBytes = 4 + bucketsPerRow;
const many = 255;
const numbersAtATime = 1 << 14;

type Opened = {
  readonly segmentIds: readonly number[];
  readonly starts: Uint32Array;
  readonly ends: Uint8Array;
  readonly cells: Uint16Array;
  readonly buckets: number;
};

/** Some sets, asked side by side: each costs two reads of memory that the processor has not at hand. */
export class IdSets {
  readonly #opened: readonly Opened[];
  /** Of the hash that is asked for, by set: its cells, from one to before another, and its place in the bucket. */
  readonly #from: Uint32Array;
  readonly #to: Uint32Array;
  readonly #fractions: Uint32Array;
  /** What is read ahead is kept, or it would not be read. */
  #ahead = 0;

  constructor(sets: readonly IdSet[]) {
    this.#opened = sets.map(({ segmentIds, buckets, cells }) => ({
      segmentIds,
      starts: new Uint32Array(buckets),
      ends: new Uint8Array(buckets),
      cells,
      buckets: (buckets.byteLength / rowBytes - 1) * bucketsPerRow,
    }));
    this.#from = new Uint32Array(sets.length);
    this.#to = new Uint32Array(sets.length);
    this.#fractions = new Uint32Array(sets.length);
  }

  /** Calls `visit` with each segment of whose ids one may have the hash, once for each set, until it returns `true`. */
  find(hash: number, visit: (segmentId: number) => boolean): boolean {
    this.#locate(hash);
    const [opened, froms, tos, sought] = [this.#opened, this.#from, this.#to, this.#fractions];
    for (let i = 0; i < opened.length; i++) {
      const one = opened[i];
      if (one === undefined) break;
      const [fraction, to, { cells }] = [sought[i], tos[i] ?? 0, one];
      // Those of one segment stand side by side.
      for (let at = froms[i] ?? 0, last = -1; at < to; at++) {
        const cell = cells[at] ?? 0;
        if (cell % fractions !== fraction) continue;
        const place = Math.floor(cell / fractions);
        const segmentId = place === last ? undefined : one.segmentIds[place];
        if (segmentId !== undefined && visit(segmentId)) return true;
        last = place;
      }
    }
    return false;
  }

  /** No step depends on what another reads, so that the processor waits for all of them at once. */
  #locate(hash: number): void {
    const [opened, froms, tos, sought] = [this.#opened, this.#from, this.#to, this.#fractions];
    for (let i = 0; i < opened.length; i++) {
      const one = opened[i];
      if (one === undefined) break;
      const exact = (hash / 2 ** 32) * one.buckets;
      const bucket = Math.floor(exact);
      const row = bucket >>> 4;
      const inRow = bucket & 15;
      const end = row * rowBytes + 4 + inRow;
      const start = one.starts[row * (rowBytes / 4)] ?? 0;
      const isMany = one.ends[end - inRow + bucketsPerRow - 1] === many;
      sought[i] = Math.floor((exact - bucket) * fractions);
      froms[i] = isMany || inRow === 0 ? start : start + (one.ends[end - 1] ?? 0);
      tos[i] = isMany ? (one.starts[(row + 1) * (rowBytes / 4)] ?? 0) : start + (one.ends[end] ?? 0);
    }
    let ahead = 0;
    for (let i = 0; i < opened.length; i++) ahead += opened[i]?.cells[froms[i] ?? 0] ?? 0;
    this.#ahead ^= ahead;
  }
}

type Source = readonly [segmentId: number, index: IndexFile];

/** How many hashes of ids a segment has. */
export function idsIn(index: IndexFile): number {
  return index.bytesOf('messageId.hashes') / 4;
}

/**
 * Makes the set of some segments, by their ids, of their indexes, a step at a time. Throws `DamagedSegment` for one whose index
 * is not what was written.
 */
export function* makeIdSet(sources: ReadonlyMap<number, IndexFile>): Generator<void, IdSet> {
  if (sources.size > setSegmentsMax) throw new RangeError(`a set of ids has at most ${setSegmentsMax} segments`);
  const hashes = sources.values().reduce((sum, index) => sum + idsIn(index), 0);
  const rows = Math.max(1, Math.ceil(hashes / hashesPerBucket / bucketsPerRow));
  const next = new Uint32Array(rows * bucketsPerRow);
  yield* count(sources, next);
  const buckets = new SharedArrayBuffer((rows + 1) * rowBytes);
  const cells = new Uint16Array(new SharedArrayBuffer(settle(next, buckets) * 2));
  let base = 0;
  for (const source of sources) {
    yield* fill(source, base, next, cells);
    base += fractions;
  }
  next.buffer.transfer(0);
  return { segmentIds: [...sources.keys()], buckets, cells };
}

function* count(sources: ReadonlyMap<number, IndexFile>, counts: Uint32Array): Generator<void> {
  for (const source of sources)
    for (const hashes of chunksOf(source)) {
      for (let i = 0; i < hashes.length; i++) {
        const bucket = Math.floor(((hashes[i] ?? 0) / 2 ** 32) * counts.length);
        counts[bucket] = (counts[bucket] ?? 0) + 1;
      }
      yield;
    }
}

/** Makes of how many cells each bucket has where they begin, and gives how many there are. */
function settle(counts: Uint32Array, buckets: SharedArrayBuffer): number {
  const [starts, ends] = [new Uint32Array(buckets), new Uint8Array(buckets)];
  const rows = counts.length / bucketsPerRow;
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const start = sum;
    starts[row * (rowBytes / 4)] = start;
    for (let inRow = 0; inRow < bucketsPerRow; inRow++) {
      const bucket = row * bucketsPerRow + inRow;
      const own = counts[bucket] ?? 0;
      counts[bucket] = sum;
      sum += own;
      ends[row * rowBytes + 4 + inRow] = Math.min(sum - start, many);
    }
  }
  starts[rows * (rowBytes / 4)] = sum;
  return sum;
}

function* fill(source: Source, base: number, next: Uint32Array, cells: Uint16Array): Generator<void> {
  for (const hashes of chunksOf(source)) {
    for (let i = 0; i < hashes.length; i++) {
      const exact = ((hashes[i] ?? 0) / 2 ** 32) * next.length;
      const bucket = Math.floor(exact);
      const cell = next[bucket] ?? 0;
      cells[cell] = base + Math.floor((exact - bucket) * fractions);
      next[bucket] = cell + 1;
    }
    yield;
  }
}

/** Each hash once, however many messages have it. */
function* chunksOf([segmentId, index]: Source): Generator<Uint32Array> {
  const end = idsIn(index);
  let last = -1;
  for (let from = 0; from < end; from += numbersAtATime) {
    const numbers = Math.min(numbersAtATime, end - from);
    const hashes = guardSegment(segmentId, () => index.uint32Briefly('messageId.hashes', from, numbers));
    let kept = 0;
    for (let i = 0; i < hashes.length; i++) {
      const hash = hashes[i] ?? 0;
      if (hash !== last) hashes[kept++] = hash;
      last = hash;
    }
    yield hashes.subarray(0, kept);
  }
}
