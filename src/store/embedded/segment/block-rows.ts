import { LRUCache } from 'lru-cache';
import { type Block, type PackedFrame, type UnpackedFrame, unpacked } from '../../block/read-block.ts';
import { DamagedRow, isDamage } from '../files/damage.ts';

export type VolumeBlock = { readonly rows: number; readonly offset: number; readonly bytes: number };

/** Frames that are kept open: whoever reads on finds the next rows in the same. */
const openFramesMax = 8;

/** Rows of one kind, in blocks one after the other, all but the last of equally many rows. */
export class BlockRows<R> {
  readonly first: number;
  readonly #blocks: readonly VolumeBlock[];
  readonly #open: (block: VolumeBlock) => Block;
  readonly #rowOf: (body: Uint8Array, number: number) => R;
  readonly #opened: (Block | undefined)[] = [];
  readonly #rowsPerBlock: number;
  /** By the place of their first row. */
  readonly #frames = new LRUCache<number, UnpackedFrame>({ max: openFramesMax });
  readonly count: number;

  constructor(
    first: number,
    blocks: readonly VolumeBlock[],
    open: (block: VolumeBlock) => Block,
    rowOf: (body: Uint8Array, number: number) => R,
  ) {
    [this.first, this.#blocks, this.#open, this.#rowOf] = [first, blocks, open, rowOf];
    this.count = blocks.reduce((sum, { rows }) => sum + rows, 0);
    this.#rowsPerBlock = blocks[0]?.rows ?? 1;
  }

  get end(): number {
    return this.first + this.count;
  }

  row(number: number): R | undefined {
    if (number < this.first || number >= this.end) return undefined;
    const place = number - this.first;
    const start = this.#frameStart(place);
    let frame = this.#frames.get(start);
    if (frame === undefined) {
      [frame] = unpacked(this.#packed([start]));
      this.#frames.set(start, frame);
    }
    return this.#rowIn(frame, place);
  }

  /** Of these numbers, in order, those that there are. */
  among(numbers: readonly number[]): readonly R[] {
    const places = [...new Set(numbers)].map(number => number - this.first).filter(at => at >= 0 && at < this.count);
    return this.#rowsAt(places.sort((a, b) => a - b));
  }

  from(number: number, count: number): readonly R[] {
    const start = Math.max(number, this.first) - this.first;
    return this.#rowsAt(Array.from({ length: Math.max(0, Math.min(this.count - start, count)) }, (_, i) => start + i));
  }

  /** Of each row whose it is, and when its message was sent. */
  *senders(): Generator<{ readonly ordinal: number; readonly account: number; readonly sentAt: number }> {
    let ordinal = this.first;
    for (const block of this.blocks()) {
      const [accounts, times] = [block.accounts(), block.times()];
      for (let i = 0; i < block.rows; i++)
        yield { ordinal: ordinal++, account: accounts[i] ?? 0, sentAt: times[i] ?? 0 };
    }
  }

  blocks(): readonly Block[] {
    return this.#blocks.map((_, at) => this.block(at));
  }

  /** As they stand there, frame by frame. */
  *bodies(): Generator<readonly Uint8Array[]> {
    for (const block of this.blocks()) for (let frame = 0; frame < block.frames; frame++) yield block.bodies(frame);
  }

  /** Those that are sound; a damaged frame or block costs its own rows. */
  *sound(): Generator<R> {
    let start = this.first;
    for (const [at, { rows }] of this.#blocks.entries()) {
      const block = whereSound(() => this.block(at));
      for (let frame = 0; block !== undefined && frame < block.frames; frame++) {
        const bodies = whereSound(() => block.bodies(frame));
        for (const [i, body] of (bodies ?? []).entries()) {
          const row = whereSound(() => this.#rowOf(body, start + frame * block.frameRows + i));
          if (row !== undefined) yield row;
        }
      }
      start += rows;
    }
  }

  block(at: number): Block {
    const [found, block] = [this.#opened[at], this.#blocks[at]];
    if (found !== undefined) return found;
    if (block === undefined) throw new RangeError(`a volume has no block ${at}`);
    const opened = this.#open(block);
    this.#opened[at] = opened;
    return opened;
  }

  #rowsAt(places: readonly number[]): readonly R[] {
    const starts = places.map(place => this.#frameStart(place));
    const asked = [...new Set(starts)];
    const frames = unpacked(this.#packed(asked));
    let at = 0;
    return places.map((place, i) => {
      if (starts[i] !== asked[at]) at++;
      return this.#rowIn(frames[at], place);
    });
  }

  #rowIn(frame: UnpackedFrame | undefined, place: number): R {
    if (frame === undefined) throw new DamagedRow(`row ${this.first + place} of a volume`);
    return this.#rowOf(frame.body(place - this.#frameStart(place)), this.first + place);
  }

  /** The place of the first row in the frame of one. */
  #frameStart(place: number): number {
    const inBlock = place % this.#rowsPerBlock;
    return place - (inBlock % this.block(Math.floor(place / this.#rowsPerBlock)).frameRows);
  }

  /** The frames that begin at these places, in ascending order. */
  #packed(starts: readonly number[]): readonly PackedFrame[] {
    const held = Map.groupBy(starts, start => Math.floor(start / this.#rowsPerBlock));
    return [...held].flatMap(([at, own]) => {
      const block = this.block(at);
      return block.packed(own.map(start => (start % this.#rowsPerBlock) / block.frameRows));
    });
  }
}

function whereSound<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  }
}
