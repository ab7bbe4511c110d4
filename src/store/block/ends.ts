import { crc32 } from 'node:zlib';
import { DamagedBlock, OtherBlockVersion } from './damage.ts';

/** Reads bytes of one whole; gives fewer only where it ends. */
export type ReadBytes = (offset: number, bytes: number) => Uint8Array<ArrayBuffer>;

/** What a text at both ends is of: its magic number, the version that is written, and earlier ones that are read. */
export type EndsOf = {
  readonly what: string;
  readonly magic: number;
  readonly version: number;
  readonly earlier: readonly number[];
};

export type FoundEnd = { readonly version: number; readonly text: Buffer };

export const prefixBytes = 16;

/**
 * A text that stands at both ends of what it tells of, since nothing of that can be found without it. A prefix says how
 * long it is; at the end it comes last. Its checksum is over the prefix too, so that a flipped version does not pass for
 * another. `room`: how long the opening is at least.
 */
export function bothEnds(of: EndsOf, text: Buffer, room = 0): { readonly opening: Buffer; readonly closing: Buffer } {
  const body = Buffer.alloc(Math.max(text.byteLength, room - prefixBytes));
  body.set(text);
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32LE(of.magic, 0);
  prefix.writeUInt32LE(of.version, 4);
  prefix.writeUInt32LE(body.byteLength, 8);
  prefix.writeUInt32LE(crc32(body, crc32(prefix.subarray(0, 12))), 12);
  return { opening: Buffer.concat([prefix, body]), closing: Buffer.concat([body, prefix]) };
}

/** The text of either end; `DamagedBlock` when both are damaged. */
export function readEnds(of: EndsOf, read: ReadBytes, wholeBytes: number): FoundEnd {
  const opening = endAt(of, read, wholeBytes, true);
  if (typeof opening !== 'string') return opening;
  const closing = endAt(of, read, wholeBytes, false);
  if (typeof closing === 'string') throw new DamagedBlock(of.what, opening);
  return closing;
}

/** What is wrong with each of the two ends. */
export function endFlaws(of: EndsOf, read: ReadBytes, wholeBytes: number): readonly string[] {
  const ends = [endAt(of, read, wholeBytes, true), endAt(of, read, wholeBytes, false)];
  return ends.filter(end => typeof end === 'string').map(flaw => `${of.what}: ${flaw}`);
}

function endAt(of: EndsOf, read: ReadBytes, wholeBytes: number, isOpening: boolean): FoundEnd | string {
  if (wholeBytes < 2 * prefixBytes) return 'it is cut short';
  const prefix = Buffer.from(read(isOpening ? 0 : wholeBytes - prefixBytes, prefixBytes));
  if (prefix.byteLength < prefixBytes || prefix.readUInt32LE(0) !== of.magic) return 'it is not one';
  const bytes = prefix.readUInt32LE(8);
  if (bytes + prefixBytes > wholeBytes / 2) return 'it is cut short';
  const text = Buffer.from(read(isOpening ? prefixBytes : wholeBytes - prefixBytes - bytes, bytes));
  if (crc32(text, crc32(prefix.subarray(0, 12))) !== prefix.readUInt32LE(12)) return 'its checksum does not match';
  const version = prefix.readUInt32LE(4);
  if (version !== of.version && !of.earlier.includes(version)) throw new OtherBlockVersion(version, of.version);
  return { version, text };
}
