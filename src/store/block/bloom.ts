import { crc32 } from 'node:zlib';
import { DamagedBlock } from './damage.ts';
import type { ReadBytes } from './ends.ts';

/**
 * A blocked Bloom filter of 32-bit hashes: all bits of a key lie in one line of 64 bytes, so that one short read tells
 * that the key is not there. The last four bytes of a line are the CRC-32 of the others: a flipped bit must not hide a row.
 */
const lineBytes = 64;
const bitsBytes = lineBytes - 4;
const bitsPerLine = bitsBytes * 8;
const bitsPerKey = 12;
const bitsOfKey = 6;

export function makeFilter(hashes: ReadonlySet<number>): Uint8Array<ArrayBuffer> {
  const lines = Math.max(1, Math.ceil((hashes.size * bitsPerKey) / bitsPerLine));
  const filter = Buffer.alloc(lines * lineBytes);
  for (const hash of hashes) {
    const from = lineOf(hash, lines) * lineBytes;
    for (const bit of bitsOf(hash)) filter[from + (bit >> 3)] = (filter[from + (bit >> 3)] ?? 0) | (1 << (bit & 7));
  }
  for (let from = 0; from < filter.byteLength; from += lineBytes)
    filter.writeUInt32LE(crc32(filter.subarray(from, from + bitsBytes)), from + bitsBytes);
  return new Uint8Array(filter.buffer, filter.byteOffset, filter.byteLength);
}

/** Whether a filter of so many bytes may have been made with a hash; `read` is of the filter alone. */
export function mayContain(read: ReadBytes, filterBytes: number, hash: number): boolean {
  const line = read(lineOf(hash, filterBytes / lineBytes) * lineBytes, lineBytes);
  if (line.byteLength < lineBytes || crc32(line.subarray(0, bitsBytes)) !== sumIn(line))
    throw new DamagedBlock('the filter', 'the checksum of a line does not match');
  for (const bit of bitsOf(hash)) if (((line[bit >> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
  return true;
}

function sumIn(line: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = [line[60], line[61], line[62], line[63]];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

const lineOf = (hash: number, lines: number) => Math.floor((hash / 2 ** 32) * lines);

const bits = new Uint16Array(bitsOfKey);

/**
 * Other bits of the hash than those that choose the line, or keys of one line would share theirs. Good until the next call:
 * a page asks hundreds of filters.
 */
function bitsOf(hash: number): Uint16Array {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  mixed ^= mixed >>> 15;
  const step = (Math.imul(mixed, 0x9e3779b1) >>> 0) | 1;
  for (let i = 0; i < bitsOfKey; i++) bits[i] = ((mixed + Math.imul(i, step)) >>> 0) % bitsPerLine;
  return bits;
}
