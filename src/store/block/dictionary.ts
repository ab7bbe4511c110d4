import { constants, zstdCompressSync } from 'node:zlib';
import { compressionLevel, dictionaryBytesMax, frameOf } from './layout.ts';

/** Of a dictionary with tables: its magic number, and any number for a name. */
const [magic, name] = [0xec30a437, 1];
/** The distances that a frame takes for the last ones before its own: what zstd itself begins with. */
const offsetsBefore = [1, 4, 8];
const contentBytesMin = Math.max(...offsetsBefore);

/**
 * What bodies like these have in common, to be written once with them; `undefined` without any. Of samples that are too
 * long together only some are taken, each as far as it fits.
 *
 * Content alone would do; but then each short frame brings tables of its own, which tell how its symbols are written, and
 * unpacking it is mostly making these. So the dictionary has tables that fit `frames`, the bodies of one each: they are taken
 * from what zstd makes of all of them together.
 */
export function makeDictionary(
  samples: readonly Uint8Array[],
  frames: readonly (readonly Uint8Array[])[] = [],
): Uint8Array | undefined {
  const bytes = samples.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (bytes === 0) return undefined;
  const every = Math.ceil(bytes / dictionaryBytesMax);
  const content = Buffer.concat(samples.filter((_, i) => i % every === 0)).subarray(0, dictionaryBytesMax);
  const params = { [constants.ZSTD_c_compressionLevel]: compressionLevel };
  const tables = tablesOf(zstdCompressSync(Buffer.concat(frames.map(frameOf)), { dictionary: content, params }));
  if (tables === undefined || content.byteLength < contentBytesMin) return content;
  const words = (...numbers: readonly number[]) => Buffer.from(Uint32Array.from(numbers).buffer);
  return Buffer.concat([words(magic, name), ...tables, words(...offsetsBefore), content]);
}

/**
 * The tables of a frame's first block, in the order that a dictionary has them; `undefined` where it does not have them
 * all. See RFC 8878: 3.1.1 for what a frame is made of, 4 for the tables, 5 for dictionaries.
 */
function tablesOf(packed: Buffer): readonly Buffer[] | undefined {
  // What is looked at may be shorter than what is read for it.
  const frame = Buffer.concat([packed, Buffer.alloc(8)]);
  const block = blockAt(frame);
  if (block === undefined) return undefined;
  const kind = frame.readUIntLE(block, 4);
  // Of literals that are packed by a table of their own.
  if ((kind & 3) !== 2) return undefined;
  const [headerBytes, sizeBits] = [
    [3, 10],
    [3, 10],
    [4, 14],
    [5, 18],
  ][(kind >> 2) & 3] ?? [3, 10];
  if (headerBytes === undefined || sizeBits === undefined) return undefined;
  const header = BigInt(frame.readUIntLE(block, 4)) | (BigInt(frame[block + 4] ?? 0) << 32n);
  const literalBytes = Number((header >> BigInt(4 + sizeBits)) & ((1n << BigInt(sizeBits)) - 1n));
  const literals = block + headerBytes;
  const weights = frame[literals] ?? 0;
  const literalTable = frame.subarray(literals, literals + 1 + (weights < 128 ? weights : (weights - 126) >> 1));
  let at = literals + literalBytes;
  const sequences = frame[at] ?? 0;
  if (sequences === 0) return undefined;
  at += sequences < 128 ? 1 : sequences < 255 ? 2 : 3;
  // Each of the three kinds of codes with a table of its own.
  if (frame[at] !== 0b10_10_10_00) return undefined;
  at++;
  const [literalLengths, offsets, matchLengths] = [0, 1, 2].map(() => {
    const start = at;
    at += codeTableBytes(frame, start);
    return frame.subarray(start, at);
  });
  if (literalLengths === undefined || offsets === undefined || matchLengths === undefined) return undefined;
  return [literalTable, offsets, matchLengths, literalLengths];
}

/** Where the content of a frame's first block begins; `undefined` where it is not packed. */
function blockAt(frame: Buffer): number | undefined {
  const descriptor = frame[4] ?? 0;
  const isSingle = (descriptor & 32) !== 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const nameBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const at = 5 + (isSingle ? 0 : 1) + nameBytes + sizeBytes;
  return ((frame.readUIntLE(at, 3) >> 1) & 3) === 2 ? at + 3 : undefined;
}

/** How long the description of a table of codes is: of each symbol how often it comes, in as few bits as what is left allows. */
function codeTableBytes(frame: Buffer, start: number): number {
  let bit = 4;
  const bits = (count: number): number => (frame.readUIntLE(start + (bit >> 3), 4) >>> (bit & 7)) & ((1 << count) - 1);
  let left = 1 << (((frame[start] ?? 0) % 16) + 5);
  while (left > 0) {
    const most = left + 1;
    const width = 32 - Math.clz32(most);
    const spared = 2 ** width - 1 - most;
    let value = bits(width - 1);
    if (value < spared) bit += width - 1;
    else {
      value = bits(width);
      bit += width;
      if (value >= 2 ** (width - 1)) value -= spared;
    }
    left -= Math.abs(value - 1);
    // Behind one that never comes, how many more do not, by threes.
    if (value !== 1) continue;
    let more = 3;
    while (more === 3) {
      more = bits(2);
      bit += 2;
    }
  }
  return (bit + 7) >> 3;
}
