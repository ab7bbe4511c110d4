import { bothEnds, type EndsOf, endFlaws, type ReadBytes, readEnds } from './ends.ts';

/** Rows of one zstd frame: what a row costs to read, against what its neighbours spare on the disk. */
export const frameRows = 16;
/** Rows of one block at most: what a scan of its columns reads at once. */
export const blockRowsMax = 65_536;

/**
 * What frames have in common, which each of them would hold again: frames are short, so that one row can be read without
 * many others. Longer ones cost every frame that is read more than they spare.
 */
export const dictionaryBytesMax = 16_384;
/** All bodies are lost without it, so it stands in two places. */
export const dictionaryParts = ['dictionary', 'dictionary.copy'] as const;

export const zstdOptions = (dictionary: Uint8Array | undefined) => (dictionary === undefined ? {} : { dictionary });

/** Where a part stands, from the end of the first directory on. */
export type Part = { readonly offset: number; readonly bytes: number; readonly crc: number };

export type Directory = {
  readonly rows: number;
  readonly timeBase: number;
  /** Of the longest frame, unpacked. */
  readonly frameBytesMax: number;
  readonly parts: { readonly [name: string]: Part };
};

/** Of each frame its bytes and its CRC-32; the frames stand one after the other in part `bodies`. */
export type Frames = Uint32Array<ArrayBuffer>;

const directoryEnds: EndsOf = { what: 'the directory of a block', magic: 0x4b4c4253, version: 2 };

export function directoryEndsOf(directory: Directory, frames: Frames): ReturnType<typeof bothEnds> {
  const json = Buffer.from(JSON.stringify(directory));
  const text = Buffer.alloc(4 + json.byteLength + frames.byteLength);
  text.writeUInt32LE(json.byteLength, 0);
  text.set(json, 4);
  text.set(new Uint8Array(frames.buffer, frames.byteOffset, frames.byteLength), 4 + json.byteLength);
  return bothEnds(directoryEnds, text);
}

export type FoundDirectory = {
  readonly directory: Directory;
  readonly frames: Frames;
  /** Without its prefix. */
  readonly bytes: number;
};

/** Throws `DamagedBlock` when both directories are damaged, and `OtherBlockVersion`. */
export function readDirectory(read: ReadBytes, blockBytes: number): FoundDirectory {
  const text = readEnds(directoryEnds, read, blockBytes);
  const jsonBytes = text.readUInt32LE(0);
  const directory: Directory = JSON.parse(text.toString('utf8', 4, 4 + jsonBytes));
  return { directory, frames: wordsIn(Uint8Array.from(text.subarray(4 + jsonBytes))), bytes: text.byteLength };
}

export function directoryFlaws(read: ReadBytes, blockBytes: number): readonly string[] {
  return endFlaws(directoryEnds, read, blockBytes);
}

export function wordsIn(bytes: Uint8Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  return new Uint32Array(bufferOf(bytes));
}

/** The bytes in a buffer of their own, if they have none: numbers of several bytes must begin at a multiple of these. */
export function bufferOf(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = bytes;
  return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
}
