import { guardSegment } from '../files/damage.ts';
import type { IndexFile } from './index-file.ts';
import { firstOfHash } from './index-runs.ts';

/**
 * Which of some sealed segments have a message whose id has a given hash of one part of all hashes: these side by side, in 2.2
 * bytes each. Hashes are spread evenly over buckets of some six. A cell of 16 bits tells the segment, and where in its bucket
 * the hash lies; that leaves 31 bits and more of it, so that nearly every hit is one. None that is there is ever missed: of
 * which message it is, and whether it is, the segment's index tells. Made once, and shared by all threads.
 */
export type IdSet = {
  readonly segmentIds: readonly number[];
  /** How many hashes these segments have, of all parts. */
  readonly ids: number;
  /** So many rows of 16 buckets, then the cells; what is behind them is left of an earlier use. */
  readonly rows: number;
  /**
   * A row: its first cell in a u32, then for each bucket how many cells there are up to its end, in a u8; or 255 where there
   * are so many or more, and all cells up to those of the next row are theirs. One row more tells the end.
   */
  readonly memory: SharedArrayBuffer;
};

/** A set is made anew a part at a time, so that two of a part stand side by side, not two of all. */
export const idParts = 16;
const hashesPerPart = 2 ** 32 / idParts;

/** The part that a hash lies in. */
export const partOfHash = (hash: number) => Math.floor(hash / hashesPerPart);

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

function opened({ segmentIds, rows, memory }: IdSet): Opened {
  const bucketBytes = (rows + 1) * rowBytes;
  return {
    segmentIds,
    starts: new Uint32Array(memory, 0, bucketBytes / 4),
    ends: new Uint8Array(memory, 0, bucketBytes),
    cells: new Uint16Array(memory, bucketBytes),
    buckets: rows * bucketsPerRow,
  };
}

/** Some sets of one part, asked side by side: each costs two reads of memory that the processor has not at hand. */
export class IdSets {
  readonly #opened: readonly Opened[];
  /** Of the hash that is asked for, by set: its cells, from one to before another, and its place in the bucket. */
  readonly #from: Uint32Array;
  readonly #to: Uint32Array;
  readonly #fractions: Uint32Array;
  /** By a segment's place in a set, for which look into a set it was told last. */
  readonly #toldFor = new Float64Array(setSegmentsMax);
  #looks = 0;
  /** What is read ahead is kept, or it would not be read. */
  #ahead = 0;

  constructor(sets: readonly IdSet[]) {
    this.#opened = sets.map(opened);
    this.#from = new Uint32Array(sets.length);
    this.#to = new Uint32Array(sets.length);
    this.#fractions = new Uint32Array(sets.length);
  }

  /** Whether a segment is in any. */
  has(segmentId: number): boolean {
    return this.#opened.some(({ segmentIds }) => segmentIds.includes(segmentId));
  }

  /** Calls `visit` with each segment of whose ids one may have the hash, once for each set, until it returns `true`. */
  find(hash: number, visit: (segmentId: number) => boolean): boolean {
    this.#locate(hash);
    const [opened, froms, tos, sought] = [this.#opened, this.#from, this.#to, this.#fractions];
    for (let i = 0; i < opened.length; i++) {
      const one = opened[i];
      if (one === undefined) break;
      const [fraction, to, { cells }] = [sought[i], tos[i] ?? 0, one];
      const look = ++this.#looks;
      for (let at = froms[i] ?? 0; at < to; at++) {
        const cell = cells[at] ?? 0;
        if (cell % fractions !== fraction) continue;
        const place = Math.floor(cell / fractions);
        const segmentId = one.segmentIds[place];
        if (segmentId === undefined || this.#toldFor[place] === look) continue;
        this.#toldFor[place] = look;
        if (visit(segmentId)) return true;
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
      const exact = placeIn(one.buckets, hash);
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

/** In so many buckets, the one that a hash falls into, and where in it. */
const placeIn = (buckets: number, hash: number) => ((hash % hashesPerPart) / hashesPerPart) * buckets;

/** How many hashes of ids a segment has. */
export function idsIn(index: IndexFile): number {
  return index.bytesOf('messageId.hashes') / 4;
}

/** The hashes of a segment that lie in a part: their places among all of it, from one to before another. */
type Source = { readonly segmentId: number; readonly index: IndexFile; readonly from: number; readonly to: number };

/** Gives memory of so many bytes at least. */
export type GiveMemory = (bytes: number) => SharedArrayBuffer;

/** What a set of so many hashes of one part takes. */
export function bytesOfSet(hashes: number): number {
  return (rowsFor(hashes) + 1) * rowBytes + hashes * 2;
}

const rowsFor = (hashes: number) => Math.max(1, Math.ceil(hashes / hashesPerBucket / bucketsPerRow));

/**
 * Makes the set of some segments, by their ids, of what their indexes have of a part, a step at a time. Throws `DamagedSegment`
 * for one whose index is not what was written.
 */
export function* makeIdSet(
  indexes: ReadonlyMap<number, IndexFile>,
  part: number,
  memoryOf: GiveMemory = bytes => new SharedArrayBuffer(bytes),
): Generator<void, IdSet> {
  if (indexes.size > setSegmentsMax) throw new RangeError(`a set of ids has at most ${setSegmentsMax} segments`);
  const sources: Source[] = [];
  for (const [segmentId, index] of indexes) {
    sources.push(guardSegment(segmentId, () => sourceOf(segmentId, index, part)));
    yield;
  }
  const hashes = sources.reduce((sum, { from, to }) => sum + to - from, 0);
  const rows = rowsFor(hashes);
  const next = new Uint32Array(rows * bucketsPerRow);
  yield* count(sources, next);
  const memory = memoryOf(bytesOfSet(hashes));
  settle(next, memory);
  const cells = new Uint16Array(memory, (rows + 1) * rowBytes);
  let base = 0;
  for (const source of sources) {
    yield* fill(source, base, next, cells);
    base += fractions;
  }
  next.buffer.transfer(0);
  const ids = indexes.values().reduce((sum, index) => sum + idsIn(index), 0);
  return { segmentIds: [...indexes.keys()], ids, rows, memory };
}

function sourceOf(segmentId: number, index: IndexFile, part: number): Source {
  const from = firstOfHash(index, part * hashesPerPart);
  return {
    segmentId,
    index,
    from,
    to: part + 1 === idParts ? idsIn(index) : firstOfHash(index, (part + 1) * hashesPerPart),
  };
}

function* count(sources: readonly Source[], counts: Uint32Array): Generator<void> {
  for (const source of sources)
    for (const hashes of chunksOf(source)) {
      for (let i = 0; i < hashes.length; i++) {
        const bucket = Math.floor(placeIn(counts.length, hashes[i] ?? 0));
        counts[bucket] = (counts[bucket] ?? 0) + 1;
      }
      yield;
    }
}

/** Makes of how many cells each bucket has where they begin. */
function settle(counts: Uint32Array, memory: SharedArrayBuffer): void {
  const [starts, ends] = [new Uint32Array(memory, 0, memory.byteLength >>> 2), new Uint8Array(memory)];
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
}

function* fill(source: Source, base: number, next: Uint32Array, cells: Uint16Array): Generator<void> {
  for (const hashes of chunksOf(source)) {
    for (let i = 0; i < hashes.length; i++) {
      const exact = placeIn(next.length, hashes[i] ?? 0);
      const bucket = Math.floor(exact);
      const cell = next[bucket] ?? 0;
      cells[cell] = base + Math.floor((exact - bucket) * fractions);
      next[bucket] = cell + 1;
    }
    yield;
  }
}

/** Each hash once, however many messages have it. */
function* chunksOf({ segmentId, index, from: first, to: end }: Source): Generator<Uint32Array> {
  let last = -1;
  for (let from = first; from < end; from += numbersAtATime) {
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
