import { crc32, zstdDecompressSync } from 'node:zlib';
import type { FilterName } from '../../domain/filter-fields.ts';
import type { AccountId, EpochMs } from '../../domain/message.ts';
import { mayContain } from './bloom.ts';
import { type Column, codesIn, timesIn, valuesIn } from './columns.ts';
import { DamagedBlock } from './damage.ts';
import { prefixBytes, type ReadBytes } from './ends.ts';
import { directoryFlaws, type FoundDirectory, frameRows, type Part, readDirectory, wordsIn } from './layout.ts';

/**
 * A block that was made, wherever its bytes are kept. Each part is read when it is asked for, whole, and only given when
 * it is what was written: otherwise `DamagedBlock` is thrown, and everything else of the block can still be read. Holds
 * the directory alone.
 */
export class Block {
  readonly #read: ReadBytes;
  readonly #bytes: number;
  readonly #found: FoundDirectory;
  /** Where each frame begins in the bodies, and where the last ends. */
  readonly #frameStarts: Uint32Array;

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
    const name = `frame ${frame}`;
    const whole = zstdDecompressSync(this.#packedFrame(frame, name));
    const count = Math.min(frameRows, this.rows - frame * frameRows);
    const bodies: Uint8Array[] = new Array(count);
    let at = count * 4;
    for (let i = 0; i < count; i++) {
      const length = whole.readUInt32LE(i * 4);
      bodies[i] = whole.subarray(at, at + length);
      at += length;
    }
    if (at !== whole.byteLength) throw new DamagedBlock(name, 'its bodies are not as long as it is');
    return bodies;
  }

  times(): ArrayLike<EpochMs> {
    const { rows, timeBase } = this.#found.directory;
    return timesIn(this.#whole('times'), rows, timeBase);
  }

  accounts(): ArrayLike<AccountId> {
    const values = valuesIn(this.#whole('accounts.values')).map(Number);
    return Float64Array.from(codesIn(this.#whole('accounts'), values.length), code => values[code - 1] ?? 0);
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
