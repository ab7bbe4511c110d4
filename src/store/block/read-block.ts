import { crc32, zstdDecompressSync } from 'node:zlib';
import type { FilterName } from '../../domain/filter-fields.ts';
import type { AccountId, EpochMs } from '../../domain/message.ts';
import { mayContain } from './bloom.ts';
import { type Column, codesIn, timesIn, valuesIn } from './columns.ts';
import { DamagedBlock } from './damage.ts';
import { prefixBytes, type ReadBytes } from './ends.ts';
import {
  dictionaryParts,
  directoryFlaws,
  type FoundDirectory,
  frameRows,
  type Part,
  readDirectory,
  wordsIn,
  zstdOptions,
} from './layout.ts';

/** Frames that are unpacked at once are no longer together, unless one alone is. */
const unpackedBytesMax = 1 << 20;
/** What is unpacked goes into one piece of memory of so many bytes, or into several where that does not do. */
const [unpackedBytesMin, unpackedPerPacked] = [16_384, 16];
/** What zlib takes at least. */
const chunkBytesMin = 64;

/**
 * A block that was made, wherever its bytes are kept. Each part is read when it is asked for, whole, and only given when
 * it is what was written: otherwise `DamagedBlock` is thrown, and everything else of the block can still be read. Holds
 * the directory and what frames have in common.
 */
export class Block {
  readonly #read: ReadBytes;
  readonly #bytes: number;
  readonly #found: FoundDirectory;
  /** Where each frame begins in the bodies, and where the last ends. */
  readonly #frameStarts: Uint32Array;
  /** `undefined` until it is needed. */
  #zstdOptions: ReturnType<typeof zstdOptions> | undefined;

  /** `read` is of the block alone, which has so many bytes. Throws `DamagedBlock`, and `OtherBlockVersion`. */
  constructor(read: ReadBytes, bytes: number) {
    this.#read = read;
    this.#bytes = bytes;
    this.#found = readDirectory(read, bytes);
    this.#frameStarts = new Uint32Array(this.frames + 1);
    for (let frame = 0; frame < this.frames; frame++)
      this.#frameStarts[frame + 1] = (this.#frameStarts[frame] ?? 0) + (this.#found.frames[frame * 2] ?? 0);
  }

  get rows(): number {
    return this.#found.directory.rows;
  }

  get frames(): number {
    return this.#found.frames.length / 2;
  }

  /** The bodies of one frame: rows `frame * frameRows` and those after it. */
  bodies(frame: number): readonly Uint8Array[] {
    const count = Math.min(frameRows, this.rows - frame * frameRows);
    return this.bodiesAt(Array.from({ length: count }, (_, i) => frame * frameRows + i));
  }

  /**
   * The bodies of some rows, in ascending order. Their frames are unpacked together as far as that is bounded: zstd takes
   * them one after the other, and each call costs as much as several of them.
   */
  bodiesAt(rows: readonly number[]): readonly Uint8Array[] {
    const { frameBytesMax } = this.#found.directory;
    const bodies: Uint8Array[] = [];
    for (let taken = 0; taken < rows.length; ) {
      const packed: Uint8Array[] = [];
      const from = taken;
      for (let last = -1; taken < rows.length; taken++) {
        const frame = Math.floor((rows[taken] ?? 0) / frameRows);
        if (frame === last) continue;
        if (packed.length > 0 && (packed.length + 1) * frameBytesMax > unpackedBytesMax) break;
        packed.push(this.#packedFrame(frame, `frame ${frame}`));
        last = frame;
      }
      this.#zstdOptions ??= zstdOptions(this.#dictionary());
      const bytes = Buffer.concat(packed);
      const likely = Math.max(unpackedBytesMin, bytes.byteLength * unpackedPerPacked);
      const chunkSize = Math.max(chunkBytesMin, Math.min(likely, packed.length * frameBytesMax));
      const whole = zstdDecompressSync(bytes, { ...this.#zstdOptions, chunkSize });
      this.#takeBodies(whole, rows.slice(from, taken), bodies);
    }
    return bodies;
  }

  #takeBodies(whole: Buffer, rows: readonly number[], into: Uint8Array[]): void {
    let [end, frame, at, start] = [0, -1, 0, 0];
    let row = 0;
    for (const asked of rows) {
      if (Math.floor(asked / frameRows) !== frame) {
        frame = Math.floor(asked / frameRows);
        [at, row] = [end, 0];
        const count = Math.min(frameRows, this.rows - frame * frameRows);
        start = at + count * 4;
        end = start;
        for (let i = 0; i < count; i++) end += whole.readUInt32LE(at + i * 4);
        if (end > whole.byteLength) throw new DamagedBlock(`frame ${frame}`, 'its bodies are longer than it is');
      }
      for (; row < asked % frameRows; row++) start += whole.readUInt32LE(at + row * 4);
      into.push(whole.subarray(start, start + whole.readUInt32LE(at + row * 4)));
    }
    if (end !== whole.byteLength) throw new DamagedBlock(`frame ${frame}`, 'its bodies are shorter than it is');
  }

  times(): ArrayLike<EpochMs> {
    const { rows, timeBase } = this.#found.directory;
    return timesIn(this.#whole('times'), rows, timeBase);
  }

  accounts(): ArrayLike<AccountId> {
    const values = valuesIn(this.#whole('accounts.values')).map(Number);
    const codes = codesIn(Uint8Array.from(zstdDecompressSync(this.#whole('accounts'))), values.length);
    return Float64Array.from(codes, code => values[code - 1] ?? 0);
  }

  /** `undefined` when no row has a value. */
  column(name: FilterName): Column | undefined {
    if (this.#has(`${name}.hashes`)) return { kind: 'hashes', hashes: wordsIn(this.#whole(`${name}.hashes`)) };
    if (!this.#has(`${name}.codes`)) return undefined;
    const values = valuesIn(this.#whole(`${name}.values`));
    return { kind: 'codes', codes: codesIn(this.#whole(`${name}.codes`), values.length), values };
  }

  /** Whether a row may have a value with this hash (`hashValue`), of whichever field; `false` is certain. */
  mayHave(hash: number): boolean {
    const { filter } = this.#found.directory.parts;
    if (filter === undefined) return false;
    const { offset, bytes } = filter;
    return mayContain((from, count) => this.#readFrom(offset + from, count), bytes, hash);
  }

  /** What of the block is not what was written, a part or a frame a step. */
  *flaws(): Generator<string | undefined, void> {
    for (const flaw of directoryFlaws(this.#read, this.#bytes)) yield flaw;
    for (const name of Object.keys(this.#found.directory.parts))
      if (name !== 'bodies') yield flawOf(() => this.#whole(name));
    for (let frame = 0; frame < this.frames; frame++) yield flawOf(() => this.#packedFrame(frame, `frame ${frame}`));
  }

  #dictionary(): Uint8Array | undefined {
    const [dictionary, copy] = dictionaryParts;
    if (!this.#has(dictionary)) return undefined;
    return flawOf(() => this.#whole(dictionary)) === undefined ? this.#whole(dictionary) : this.#whole(copy);
  }

  #packedFrame(frame: number, name: string): Uint8Array {
    const { frames } = this.#found;
    const offset = this.#part('bodies').offset + (this.#frameStarts[frame] ?? 0);
    return this.#sound(name, offset, frames[frame * 2] ?? 0, frames[frame * 2 + 1]);
  }

  #has(name: string): boolean {
    return this.#found.directory.parts[name] !== undefined;
  }

  #part(name: string): Part {
    const part = this.#found.directory.parts[name];
    if (part === undefined) throw new DamagedBlock(name, 'it is missing');
    return part;
  }

  #whole(name: string): Uint8Array<ArrayBuffer> {
    const { offset, bytes, crc } = this.#part(name);
    return this.#sound(name, offset, bytes, crc);
  }

  #sound(name: string, offset: number, bytes: number, crc: number | undefined): Uint8Array<ArrayBuffer> {
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
