import { crc32 } from 'node:zlib';

/** A part of a block that is not what was written; nothing else of the block is concerned. */
export class DamagedBlock extends Error {
  readonly part: string;

  constructor(part: string, reason: string) {
    super(`${part} of a block: ${reason}`);
    this.name = 'DamagedBlock';
    this.part = part;
  }
}

/** A block that is sound, and of another version than is known here. */
export class OtherBlockVersion extends Error {
  readonly version: number;

  constructor(version: number) {
    super(`a block of version ${version}, and this program reads version ${blockVersion}`);
    this.name = 'OtherBlockVersion';
    this.version = version;
  }
}

export const blockVersion = 1;
const magic = 0x4b4c4253;
const prefixBytes = 16;

/** Rows of one zstd frame: what a row costs to read, against what its neighbours spare on the disk. */
export const frameRows = 64;
/** Rows of one block at most: what a scan of its columns reads at once. */
export const blockRowsMax = 65_536;

/** Where a part stands, from the end of the first directory on. */
export type Part = { readonly offset: number; readonly bytes: number; readonly crc: number };

export type Directory = {
  readonly rows: number;
  readonly timeBase: number;
  readonly parts: { readonly [name: string]: Part };
};

/** Of each frame its bytes and its CRC-32, one frame after the other in part `bodies`. */
export type Frames = Uint32Array<ArrayBuffer>;

/**
 * The directory stands at both ends of a block: without it nothing of the block can be found. A prefix says how long it
 * is; its checksum is over the prefix too, so that a flipped version does not pass for another.
 */
export function directoryText(directory: Directory, frames: Frames): Buffer {
  const json = Buffer.from(JSON.stringify(directory));
  const body = Buffer.alloc(4 + json.byteLength + frames.byteLength);
  body.writeUInt32LE(json.byteLength, 0);
  body.set(json, 4);
  body.set(new Uint8Array(frames.buffer, frames.byteOffset, frames.byteLength), 4 + json.byteLength);
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32LE(magic, 0);
  prefix.writeUInt32LE(blockVersion, 4);
  prefix.writeUInt32LE(body.byteLength, 8);
  prefix.writeUInt32LE(crc32(body, crc32(prefix.subarray(0, 12))), 12);
  return Buffer.concat([prefix, body]);
}

/** At the end of a block the prefix is what comes last. */
export function closingDirectory(opening: Buffer): Buffer {
  return Buffer.concat([opening.subarray(prefixBytes), opening.subarray(0, prefixBytes)]);
}

/** Reads bytes of a block; gives fewer only where it ends. */
export type ReadBytes = (offset: number, bytes: number) => Uint8Array<ArrayBuffer>;

export type FoundDirectory = {
  readonly directory: Directory;
  readonly frames: Frames;
  /** Of one directory, in bytes. */
  readonly bytes: number;
};

/** What is wrong with one of the two directories is told by `flaw`; throws `DamagedBlock` when both are damaged. */
export function readDirectory(read: ReadBytes, blockBytes: number): FoundDirectory & { readonly flaw?: string } {
  const opening = directoryAt(read, blockBytes, true);
  if (typeof opening !== 'string') return opening;
  const closing = directoryAt(read, blockBytes, false);
  if (typeof closing === 'string') throw new DamagedBlock('the directory', opening);
  return { ...closing, flaw: opening };
}

/** The two directories one by one: what is wrong with each. */
export function directoryFlaws(read: ReadBytes, blockBytes: number): readonly string[] {
  const found = [directoryAt(read, blockBytes, true), directoryAt(read, blockBytes, false)];
  return found.filter(one => typeof one === 'string');
}

function directoryAt(read: ReadBytes, blockBytes: number, isOpening: boolean): FoundDirectory | string {
  if (blockBytes < 2 * prefixBytes) return 'it is cut short';
  const prefix = Buffer.from(read(isOpening ? 0 : blockBytes - prefixBytes, prefixBytes));
  if (prefix.byteLength < prefixBytes || prefix.readUInt32LE(0) !== magic) return 'it is not one';
  const bytes = prefix.readUInt32LE(8);
  if (bytes + prefixBytes > blockBytes / 2) return 'it is cut short';
  const body = Buffer.from(read(isOpening ? prefixBytes : blockBytes - prefixBytes - bytes, bytes));
  if (crc32(body, crc32(prefix.subarray(0, 12))) !== prefix.readUInt32LE(12)) return 'its checksum does not match';
  if (prefix.readUInt32LE(4) !== blockVersion) throw new OtherBlockVersion(prefix.readUInt32LE(4));
  const jsonBytes = body.readUInt32LE(0);
  const directory: Directory = JSON.parse(body.toString('utf8', 4, 4 + jsonBytes));
  return { directory, frames: wordsIn(body.subarray(4 + jsonBytes)), bytes: prefixBytes + bytes };
}

export function wordsIn(bytes: Uint8Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  return new Uint32Array(bufferOf(bytes));
}

/** The bytes in a buffer of their own, if they have none: numbers of several bytes must begin at a multiple of these. */
export function bufferOf(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = bytes;
  return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
}
