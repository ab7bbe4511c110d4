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
  const line = Buffer.from(read(lineOf(hash, filterBytes / lineBytes) * lineBytes, lineBytes));
  if (line.byteLength < lineBytes || crc32(line.subarray(0, bitsBytes)) !== line.readUInt32LE(bitsBytes))
    throw new DamagedBlock('the filter', 'the checksum of a line does not match');
  return bitsOf(hash).every(bit => ((line[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0);
}

const lineOf = (hash: number, lines: number) => Math.floor((hash / 2 ** 32) * lines);

/** Other bits of the hash than those that choose the line, or keys of one line would share theirs. */
function bitsOf(hash: number): readonly number[] {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  mixed ^= mixed >>> 15;
  const step = (Math.imul(mixed, 0x9e3779b1) >>> 0) | 1;
  return Array.from({ length: bitsOfKey }, (_, i) => ((mixed + Math.imul(i, step)) >>> 0) % bitsPerLine);
}
