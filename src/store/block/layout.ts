import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { bothEnds, type EndsOf, endFlaws, type FoundEnd, type ReadBytes, readEnds } from './ends.ts';

/** Rows of one zstd frame: what a row costs to read, against what its neighbours spare on the disk. */
export const frameRows = 8;
/** Rows of one block at most: what a scan of its columns reads at once. */
export const blockRowsMax = 65_536;

/**
 * What frames have in common, which each of them would hold again: frames are short, so that one row can be read without
 * many others. Longer ones cost every frame that is read more than they spare.
 */
export const dictionaryBytesMax = 16_384;
/** All bodies are lost without it, so it stands in two places. */
export const dictionaryParts = ['dictionary', 'dictionary.copy'] as const;

/** Of short frames this makes a fifth less than the default, which are unpacked sooner too; beyond it making them takes ten times as long. */
export const compressionLevel = 6;

export const zstdOptions = (dictionary: Uint8Array | undefined) => (dictionary === undefined ? {} : { dictionary });

/** A frame before it is packed: the length of each body u32, then the bodies. */
export function frameOf(bodies: readonly Uint8Array[]): Buffer {
  const lengths = Uint32Array.from(bodies, body => body.byteLength);
  return Buffer.concat([new Uint8Array(lengths.buffer), ...bodies]);
}

export function packFrame(bodies: readonly Uint8Array[], dictionary: Uint8Array | undefined) {
  const whole = frameOf(bodies);
  const packed = zstdCompressSync(whole, {
    ...zstdOptions(dictionary),
    // With the size known, less is made ready for each.
    pledgedSrcSize: whole.byteLength,
    params: { [constants.ZSTD_c_compressionLevel]: compressionLevel },
  });
  return { packed, unpackedBytes: whole.byteLength };
}

/** Where a part stands, from the end of the first directory on. */
export type Part = { readonly offset: number; readonly bytes: number; readonly crc: number };

export type Directory = {
  readonly rows: number;
  readonly timeBase: number;
  readonly frameRows: number;
  /** Of the longest frame, unpacked. */
  readonly frameBytesMax: number;
  readonly parts: { readonly [name: string]: Part };
};

const directoryEnds: EndsOf = { what: 'the directory of a block', magic: 0x4b4c4253, version: 3, earlier: [2] };
/** Rows of a frame of version 2, which does not say so. */
const frameRowsBefore = 16;
/** Behind each frame, its CRC-32. */
const sumBytes = 4;

/** A frame as it stands in part `bodies`. */
export function withSum(frame: Uint8Array): Uint8Array {
  const sum = Buffer.alloc(sumBytes);
  sum.writeUInt32LE(crc32(frame));
  return Buffer.concat([frame, sum]);
}

/** What is to be unpacked of a frame as it stands there; `undefined` where it is not what was written. */
export function withoutSum(stored: Uint8Array): Uint8Array | undefined {
  if (stored.byteLength < sumBytes) return undefined;
  const packed = stored.subarray(0, -sumBytes);
  const sum = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength).readUInt32LE(packed.byteLength);
  return crc32(packed) === sum ? packed : undefined;
}

/** `frames`: how many bytes each takes in part `bodies`. */
export function directoryEndsOf(directory: Directory, frames: Uint32Array): ReturnType<typeof bothEnds> {
  const json = Buffer.from(JSON.stringify(directory));
  const jsonBytes = Buffer.alloc(4);
  jsonBytes.writeUInt32LE(json.byteLength);
  return bothEnds(directoryEnds, Buffer.concat([jsonBytes, json, zstdCompressSync(frames)]));
}

export class FoundDirectory {
  readonly directory: Directory;
  /** Without its prefix. */
  readonly bytes: number;
  /** Where each frame begins in part `bodies`, and where the last ends. */
  readonly starts: Uint32Array;
  /** Of version 2, where the frames have none behind them. */
  readonly #sums: Uint32Array | undefined;

  constructor({ version, text }: FoundEnd) {
    const jsonBytes = text.readUInt32LE(0);
    const directory: Directory = JSON.parse(text.toString('utf8', 4, 4 + jsonBytes));
    const rest = text.subarray(4 + jsonBytes);
    const isEarlier = version === 2;
    this.directory = isEarlier ? { ...directory, frameRows: frameRowsBefore } : directory;
    this.bytes = text.byteLength;
    const words = new Uint32Array(Uint8Array.from(isEarlier ? rest : zstdDecompressSync(rest)).buffer);
    const lengths = isEarlier ? words.filter((_, i) => i % 2 === 0) : words;
    this.#sums = isEarlier ? words.filter((_, i) => i % 2 === 1) : undefined;
    this.starts = new Uint32Array(lengths.length + 1);
    for (const [frame, bytes] of lengths.entries()) this.starts[frame + 1] = (this.starts[frame] ?? 0) + bytes;
  }

  get frames(): number {
    return this.starts.length - 1;
  }

  /** As `withoutSum`. */
  packed(frame: number, stored: Uint8Array<ArrayBuffer>): Uint8Array | undefined {
    if (this.#sums !== undefined) return crc32(stored) === this.#sums[frame] ? stored : undefined;
    return withoutSum(stored);
  }
}

/** Throws `DamagedBlock` when both directories are damaged, and `OtherBlockVersion`. */
export function readDirectory(read: ReadBytes, blockBytes: number): FoundDirectory {
  return new FoundDirectory(readEnds(directoryEnds, read, blockBytes));
}

export function directoryFlaws(read: ReadBytes, blockBytes: number): readonly string[] {
  return endFlaws(directoryEnds, read, blockBytes);
}
