import { crc32, zstdDecompressSync } from 'node:zlib';
import type { AccountId, EpochMs } from '../../domain/message.ts';
import { nodeCrypto } from '../../threads.ts';
import { accountsIn, timesIn } from './columns.ts';
import { DamagedBlock } from './damage.ts';
import { prefixBytes, type ReadBytes } from './ends.ts';
import {
  dictionaryParts,
  directoryFlaws,
  type FoundDirectory,
  type Part,
  readDirectory,
  zstdOptions,
} from './layout.ts';

/** What is read at once may hold this much between two frames that nobody asked for, and is no longer unless one frame is. */
const [gapBytesMax, readBytesMax] = [4096, 1 << 18];
/** Frames that are unpacked at once are no longer together, unless one alone is. */
const unpackedBytesMax = 1 << 20;
/** What is unpacked goes into one piece of memory of so many bytes, or into several where that does not do. */
const [unpackedBytesMin, unpackedPerPacked] = [16_384, 16];
/** What zlib takes at least. */
const chunkBytesMin = 64;

/** `name` is one for the same dictionary. */
type Zstd = { readonly dictionary: Uint8Array | undefined; readonly name: string };

/** What frames are unpacked by: a `Block`, or what keeps frames alone. */
type FrameSource = Pick<Block, 'zstd' | 'frameBytesMax' | 'rowsIn'>;

/** A frame as it was read, and found to be what was written. */
export type PackedFrame<B extends FrameSource = Block> = {
  readonly block: B;
  readonly frame: number;
  readonly packed: Uint8Array;
};

/** A frame as it was packed: the length of each body u32, then the bodies. */
export class UnpackedFrame {
  readonly #whole: Buffer;
  readonly #at: number;
  readonly rows: number;

  /** From `at` on in what was unpacked. */
  constructor(whole: Buffer, at: number, rows: number) {
    [this.#whole, this.#at, this.rows] = [whole, at, rows];
  }

  /** Where it ends in what was unpacked. */
  get end(): number {
    return this.#startOf(this.rows);
  }

  /** The rows that have one of some texts: one look at all bodies takes less than one at each. */
  rowsWith(texts: readonly Buffer[]): ReadonlySet<number> {
    const found = new Set<number>();
    const ends = Array.from({ length: this.rows }, (_, row) => this.#startOf(row + 1) - this.#at);
    const bodies = this.#whole.subarray(this.#at, this.end);
    for (const text of texts)
      for (let at = bodies.indexOf(text, this.rows * 4), row = 0; at >= 0; at = bodies.indexOf(text, ends[row])) {
        row = ends.findIndex(end => at < end);
        if (at + text.byteLength <= (ends[row] ?? 0)) found.add(row);
      }
    return found;
  }

  body(row: number): Uint8Array {
    const start = this.#startOf(row);
    return this.#whole.subarray(start, start + this.#whole.readUInt32LE(this.#at + row * 4));
  }

  #startOf(row: number): number {
    let start = this.#at + this.rows * 4;
    for (let i = 0; i < row; i++) start += this.#whole.readUInt32LE(this.#at + i * 4);
    return start;
  }
}

/**
 * Frames of whichever blocks. Those of one dictionary are unpacked at once, as far as that is bounded: zstd takes one frame
 * after the other, and each call costs as much as several of them.
 */
export function unpacked(frames: readonly PackedFrame<FrameSource>[]): readonly UnpackedFrame[] {
  const found = new Map<PackedFrame<FrameSource>, UnpackedFrame>();
  for (const alike of Map.groupBy(frames, ({ block }) => block.zstd.name).values())
    for (let at = 0; at < alike.length; ) {
      const from = at;
      for (let bytes = 0; at < alike.length; at++) {
        bytes += alike[at]?.block.frameBytesMax ?? 0;
        if (at > from && bytes > unpackedBytesMax) break;
      }
      unpackAtOnce(alike.slice(from, at), found);
    }
  return frames.flatMap(frame => found.get(frame) ?? []);
}

/** Those of one dictionary. */
function unpackAtOnce(
  frames: readonly PackedFrame<FrameSource>[],
  found: Map<PackedFrame<FrameSource>, UnpackedFrame>,
): void {
  const packed = Buffer.concat(frames.map(frame => frame.packed));
  const most = frames.reduce((sum, { block }) => sum + block.frameBytesMax, 0);
  const likely = Math.max(unpackedBytesMin, packed.byteLength * unpackedPerPacked);
  const chunkSize = Math.max(chunkBytesMin, Math.min(likely, most));
  const whole = zstdDecompressSync(packed, { ...zstdOptions(frames[0]?.block.zstd.dictionary), chunkSize });
  let end = 0;
  for (const one of frames) {
    const rows = one.block.rowsIn(one.frame);
    const frame = new UnpackedFrame(whole, end, rows);
    end = end + rows * 4 <= whole.byteLength ? frame.end : Infinity;
    if (end > whole.byteLength) throw new DamagedBlock(`frame ${one.frame}`, 'its bodies are longer than it is');
    found.set(one, frame);
  }
  if (end !== whole.byteLength) throw new DamagedBlock('bodies', 'they are shorter than their frames');
}

/**
 * A block that was made, wherever its bytes are kept. Each part is read when it is asked for, whole, and only given when
 * it is what was written: otherwise `DamagedBlock` is thrown, and everything else of the block can still be read. Holds
 * the directory and what frames have in common.
 */
export class Block {
  readonly #read: ReadBytes;
  readonly #bytes: number;
  readonly #found: FoundDirectory;
  /** `undefined` until it is needed. */
  #zstd: Zstd | undefined;

  /** `read` is of the block alone, which has so many bytes. Throws `DamagedBlock`, and `OtherBlockVersion`. */
  constructor(read: ReadBytes, bytes: number) {
    this.#read = read;
    this.#bytes = bytes;
    this.#found = readDirectory(read, bytes);
  }

  get rows(): number {
    return this.#found.directory.rows;
  }

  get frames(): number {
    return this.#found.frames;
  }

  /** Rows of a frame; the last may have fewer. */
  get frameRows(): number {
    return this.#found.directory.frameRows;
  }

  rowsIn(frame: number): number {
    return Math.min(this.frameRows, this.rows - frame * this.frameRows);
  }

  get frameBytesMax(): number {
    return this.#found.directory.frameBytesMax;
  }

  /** The bodies of one frame: rows `frame * frameRows` and those after it. */
  bodies(frame: number): readonly Uint8Array[] {
    const [found] = unpacked(this.packed([frame]));
    return Array.from({ length: found?.rows ?? 0 }, (_, row) => found?.body(row) ?? new Uint8Array());
  }

  /** Some frames as they stand there, in ascending order; neighbours are read at once. */
  packed(frames: readonly number[]): readonly PackedFrame[] {
    const { starts } = this.#found;
    const { offset } = this.#part('bodies');
    const found: PackedFrame[] = [];
    for (let at = 0; at < frames.length; ) {
      const from = starts[frames[at] ?? 0] ?? 0;
      let to = from;
      let next = at;
      for (; next < frames.length; next++) {
        const frame = frames[next] ?? 0;
        const [start, end] = [starts[frame] ?? 0, starts[frame + 1] ?? 0];
        if (next > at && (start > to + gapBytesMax || end > from + readBytesMax)) break;
        to = end;
      }
      const bytes = this.#readFrom(offset + from, to - from);
      for (; at < next; at++) {
        const frame = frames[at] ?? 0;
        const stored = bytes.subarray((starts[frame] ?? 0) - from, (starts[frame + 1] ?? 0) - from);
        const packed = this.#found.packed(frame, stored);
        if (packed === undefined) throw new DamagedBlock(`frame ${frame}`, 'its checksum does not match');
        found.push({ block: this, frame, packed });
      }
    }
    return found;
  }

  /** Frames of blocks that have the same can be unpacked at once. */
  get zstd(): Zstd {
    if (this.#zstd === undefined) {
      const dictionary = this.#readDictionary();
      this.#zstd = { dictionary, name: dictionary === undefined ? '' : nodeCrypto().hash('sha256', dictionary) };
    }
    return this.#zstd;
  }

  times(): ArrayLike<EpochMs> {
    const { rows, timeBase } = this.#found.directory;
    return timesIn(this.#whole('times'), rows, timeBase);
  }

  accounts(): ArrayLike<AccountId> {
    return accountsIn(this.#whole('accounts'), this.#whole('accounts.values'));
  }

  /** What of the block is not what was written, a part or a frame a step. */
  *flaws(): Generator<string | undefined, void> {
    for (const flaw of directoryFlaws(this.#read, this.#bytes)) yield flaw;
    for (const name of Object.keys(this.#found.directory.parts))
      if (name !== 'bodies') yield flawOf(() => this.#whole(name));
    for (let frame = 0; frame < this.frames; frame++) yield flawOf(() => this.packed([frame]));
  }

  #readDictionary(): Uint8Array | undefined {
    const [dictionary, copy] = dictionaryParts;
    if (this.#found.directory.parts[dictionary] === undefined) return undefined;
    return flawOf(() => this.#whole(dictionary)) === undefined ? this.#whole(dictionary) : this.#whole(copy);
  }

  #part(name: string): Part {
    const part = this.#found.directory.parts[name];
    if (part === undefined) throw new DamagedBlock(name, 'it is missing');
    return part;
  }

  #whole(name: string): Uint8Array<ArrayBuffer> {
    const { offset, bytes, crc } = this.#part(name);
    const read = this.#readFrom(offset, bytes);
    if (read.byteLength < bytes) throw new DamagedBlock(name, 'it is cut short');
    if (crc32(read) !== crc) throw new DamagedBlock(name, 'its checksum does not match');
    return read;
  }

  #readFrom(offset: number, bytes: number): Uint8Array<ArrayBuffer> {
    return this.#read(prefixBytes + this.#found.bytes + offset, bytes);
  }
}

function flawOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (!(error instanceof DamagedBlock)) throw error;
    return error.message;
  }
}
