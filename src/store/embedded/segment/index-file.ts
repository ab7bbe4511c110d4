import { crc32 } from 'node:zlib';
import { DamagedIndex } from '../files/damage.ts';
import { atOnce, type Disk, openedHere, readInto, systemDisk, writeWhole } from '../files/disk.ts';
import type { FacetName } from './facets.ts';
import type { fields } from './fields.ts';
import type { IndexedCounts } from './indexed-counts.ts';

/**
 * A sealed segment's index: everything a query or a start needs beside the rows themselves. Written once, under a
 * temporary name, and renamed when it is whole; rebuilt from the rows when it is damaged.
 *
 * Sections, little-endian:
 * - `times`: `sentAt` by ordinal, as an offset from `timeBase` (32 bits when the span allows).
 * - `accounts`, `accountStarts`, `order`: the ordinals of each account in time order, oldest first.
 * - `group`: the group id a message was recorded with, by ordinal.
 * - for each field `hashes` and `ordinals`: equal hashes side by side, in time order among themselves. Where values
 *   repeat, each hash stands once and `starts` says where its ordinals begin.
 * - `reportMessages`, `reportGroups`: of each report, the position of its message and the group it left it in.
 * - `reportAccounts`, `reportStarts`, `reportOrder`: the places among those of the reports on each account's messages, in
 *   their order. Version 0.1.0 wrote none.
 * - `counts.*`: what the segment adds to the counts of a summary (see indexed-counts.ts).
 * - `facets.*`, `words.*`: in files of their own beside the index, made later (see facets.ts, words-file.ts).
 * - `rows.*`: in the checkpoint of a segment that takes rows (see log/checkpoint.ts).
 * - `blockSums`: the CRC-32 of each block of each section before it, so that whoever reads a part need not read the whole
 *   to know that it is what was written. Version 0.1.0 wrote none, and checkpoints have none.
 */
export type SectionName =
  | 'blockSums'
  | 'times'
  | 'accounts'
  | 'accountStarts'
  | 'order'
  | 'group'
  | 'reportMessages'
  | 'reportGroups'
  | 'reportAccounts'
  | 'reportStarts'
  | 'reportOrder'
  | `${(typeof fields)[number]}.${'hashes' | 'starts' | 'ordinals'}`
  | `counts.${keyof IndexedCounts}`
  | `facets.${FacetName}`
  | `rows.${(typeof fields)[number] | 'reach' | 'account' | 'sentAt' | 'places' | 'reportPlaces' | 'reportAccount'}`
  | `words.${'form' | 'accounts' | 'hashes' | 'starts' | 'blocks' | 'pieces'}`;

type Section = {
  readonly offset: number;
  readonly bytes: number;
  readonly crc: number;
  /** Where its first block stands among the sums of blocks. */
  readonly firstBlock?: number;
};

export type IndexHeader = {
  readonly segment: number;
  readonly hashSeed: number;
  readonly messages: number;
  readonly reports: number;
  readonly firstSequence: number;
  readonly minSentAt: number;
  readonly maxSentAt: number;
  /** The greatest `sentAt` of a message that one of the reports is on; `null` without reports. */
  readonly reportedUntil: number | null;
  readonly timeBase: number;
  readonly wideTimes: boolean;
  /** Of the messages and reports, those that are lost: absent where version 0.1.0 wrote it. */
  readonly lostMessages?: number;
  readonly lostReports?: number;
  /** Size and checksum of the rows file, which never changes once its index stands. */
  readonly rowsBytes: number;
  readonly rowsCrc: number;
};

type StoredHeader = IndexHeader & { readonly sections: { readonly [name: string]: Section } };

const magic = 0x58494c53;
const version = 3;
const prefixBytes = 16;
const chunkBytes = 1 << 18;
const blockBytes = 1 << 13;

/** Of this thread: a query asks dozens of files, and what each would allocate lies outside the heap until a collection. */
const room = new Uint8Array(1 << 17);

type TypedArray = Uint8Array | Uint16Array | Int32Array | Uint32Array | Float64Array;
export type Sections = Partial<Record<SectionName, TypedArray>>;

/** What does not last is not synced, and read whole: its blocks have no sums. */
export function writeIndexFile(disk: Disk, path: string, header: IndexHeader, sections: Sections, lasts = true): void {
  const layout: Record<string, Section> = {};
  const parts: Uint8Array[] = [];
  const sums: number[] = [];
  let offset = 0;
  const add = (name: string, array: TypedArray) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    layout[name] = { offset, bytes: bytes.byteLength, crc: crc32(bytes), firstBlock: sums.length };
    for (let at = 0; lasts && at < bytes.byteLength; at += blockBytes)
      sums.push(crc32(bytes.subarray(at, at + blockBytes)));
    const padding = (8 - (bytes.byteLength % 8)) % 8;
    parts.push(bytes, new Uint8Array(padding));
    offset += bytes.byteLength + padding;
  };
  for (const [name, array] of Object.entries(sections)) add(name, array);
  if (lasts) add('blockSums', Uint32Array.from(sums));
  const headerText = Buffer.from(JSON.stringify({ ...header, sections: layout } satisfies StoredHeader));
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32LE(magic, 0);
  prefix.writeUInt32LE(version, 4);
  prefix.writeUInt32LE(headerText.byteLength, 8);
  prefix.writeUInt32LE(crc32(headerText), 12);
  writeWhole(disk, path, [prefix, headerText, ...parts], lasts);
}

/**
 * Frees the memory of sections that were made for a file and nothing else: it lies outside the heap, where that of several
 * segments would pile up until a collection.
 */
export function freeSections(sections: Sections): void {
  for (const array of Object.values(sections)) {
    // A buffer may lie in memory that many share.
    if (array.buffer instanceof ArrayBuffer && !Buffer.isBuffer(array)) array.buffer.transfer(0);
  }
}

/** An index file open for reading. Every read goes to the file: the operating system keeps what is hot. */
export class IndexFile {
  readonly header: IndexHeader;
  readonly #path: string;
  readonly #disk: Disk;
  readonly #file: number;
  readonly #sections: ReadonlyMap<string, Section>;
  readonly #base: number;
  readonly #blockSums: Uint32Array | undefined;
  /** What was read once and found to be what was written: blocks, and sections that were read whole. */
  readonly #soundBlocks: Uint8Array;
  readonly #soundSections = new Set<SectionName>();

  /** Throws `DamagedIndex` when the header is not whole or the file's size is not what it says. */
  constructor(path: string, disk: Disk = systemDisk) {
    this.#path = path;
    this.#disk = disk;
    this.#file = openedHere(disk, path, reason => new DamagedIndex(path, reason));
    try {
      const fileBytes = disk.size(path) ?? 0;
      const prefix = this.#read(0, prefixBytes);
      const view = new DataView(prefix.buffer);
      if (view.getUint32(0, true) !== magic) throw new DamagedIndex(path, 'not an index file');
      if (view.getUint32(4, true) !== version)
        throw new DamagedIndex(path, `format ${view.getUint32(4, true)} is not format ${version}`);
      const headerBytes = view.getUint32(8, true);
      if (prefixBytes + headerBytes > fileBytes) throw new DamagedIndex(path, 'the file is cut short');
      const text = this.#read(prefixBytes, headerBytes);
      if (crc32(text) !== view.getUint32(12, true)) throw new DamagedIndex(path, 'the header is damaged');
      const { sections, ...header }: StoredHeader = JSON.parse(Buffer.from(text).toString('utf8'));
      this.header = header;
      this.#sections = new Map(Object.entries(sections));
      this.#base = prefixBytes + headerBytes;
      const end = Math.max(0, ...Object.values(sections).map(section => section.offset + section.bytes));
      if (fileBytes < this.#base + end) throw new DamagedIndex(path, 'the file is cut short');
      this.#blockSums = this.#readBlockSums();
      this.#soundBlocks = new Uint8Array(this.#blockSums?.length ?? 0);
    } catch (error) {
      disk.close(this.#file);
      throw error;
    }
  }

  /** What to throw where the file is whole and its contents do not fit together. */
  damage(reason: string): DamagedIndex {
    return new DamagedIndex(this.#path, reason);
  }

  sectionNames(): readonly string[] {
    return [...this.#sections.keys()];
  }

  /** How many bytes a section has; 0 when the segment has none. */
  bytesOf(name: SectionName): number {
    return this.#sections.get(name)?.bytes ?? 0;
  }

  uint8(name: SectionName, from = 0, count = this.bytesOf(name) - from): Uint8Array<ArrayBuffer> {
    return this.#slice(name, from, count);
  }

  uint32(name: SectionName, from = 0, count = this.bytesOf(name) / 4 - from): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.#slice(name, from * 4, count * 4).buffer);
  }

  uint16(name: SectionName, from: number, count: number): Uint16Array {
    return new Uint16Array(this.#slice(name, from * 2, count * 2).buffer);
  }

  int32(name: SectionName, from: number, count: number): Int32Array {
    return new Int32Array(this.#slice(name, from * 4, count * 4).buffer);
  }

  /** As `uint32`, good until the next call of this, on whichever file. */
  uint32Briefly(name: SectionName, from: number, count: number): Uint32Array {
    if (count <= 0 || count * 4 > room.byteLength) return this.uint32(name, from, count);
    this.#readInto(room.subarray(0, count * 4), this.#offsetOf(name, from * 4, count * 4));
    return new Uint32Array(room.buffer, 0, count);
  }

  float64(name: SectionName, from = 0, count = this.bytesOf(name) / 8 - from): Float64Array<ArrayBuffer> {
    return new Float64Array(this.#slice(name, from * 8, count * 8).buffer);
  }

  /** `sentAt` of every ordinal, as an offset from a base. */
  timeOffsets(): { readonly base: number; readonly offsets: Uint32Array | Float64Array } {
    const { timeBase, wideTimes } = this.header;
    return { base: timeBase, offsets: wideTimes ? this.float64('times') : this.uint32('times') };
  }

  /** `sentAt` of `count` ordinals from `from` on. */
  times(from: number, count: number): Float64Array {
    const { timeBase, wideTimes } = this.header;
    const offsets = wideTimes ? this.float64('times', from, count) : this.uint32Briefly('times', from, count);
    const times = new Float64Array(count);
    for (let i = 0; i < count; i++) times[i] = timeBase + (offsets[i] ?? 0);
    return times;
  }

  /** Reads sections; throws `DamagedIndex` for the first that is not what was written. */
  verify(names: readonly string[]): void {
    atOnce(this.verifySteps(names));
  }

  /** As `verify`, a chunk a step; all sections unless named. */
  *verifySteps(names: readonly string[] = [...this.#sections.keys()]): Generator<void, void> {
    const chunk = new Uint8Array(chunkBytes);
    for (const name of names) {
      const section = this.#sections.get(name);
      if (section === undefined) continue;
      let sum = 0;
      for (let done = 0; done < section.bytes; done += chunkBytes) {
        const part = chunk.subarray(0, Math.min(chunkBytes, section.bytes - done));
        this.#readInto(part, this.#base + section.offset + done);
        sum = crc32(part, sum);
        yield;
      }
      if (sum !== section.crc) throw new DamagedIndex(this.#path, `section ${name} is damaged`);
    }
  }

  close(): void {
    this.#disk.close(this.#file);
  }

  #slice(name: SectionName, offset: number, bytes: number): Uint8Array<ArrayBuffer> {
    if (bytes <= 0) return new Uint8Array(0);
    const section = this.#sections.get(name);
    const isWhole = offset === 0 && bytes === section?.bytes;
    if (!isWhole || this.#soundSections.has(name)) return this.#read(this.#offsetOf(name, offset, bytes), bytes);
    const whole = this.#read(this.#base + section.offset, bytes);
    if (crc32(whole) !== section.crc) throw new DamagedIndex(this.#path, `section ${name} is damaged`);
    this.#soundSections.add(name);
    return whole;
  }

  /** Where in the file a part of a section stands, which is looked at first: nothing is answered from what is damaged. */
  #offsetOf(name: SectionName, offset: number, bytes: number): number {
    const section = this.#sections.get(name);
    if (section === undefined || offset < 0 || offset + bytes > section.bytes)
      throw new DamagedIndex(this.#path, `section ${name} has no bytes ${offset} to ${offset + bytes}`);
    if (!this.#soundSections.has(name)) this.#check(name, section, offset, bytes);
    return this.#base + section.offset + offset;
  }

  #check(name: SectionName, section: Section, from: number, bytes: number): void {
    if (this.#blockSums === undefined) {
      this.verify([name]);
      this.#soundSections.add(name);
      return;
    }
    for (let at = from - (from % blockBytes); at < from + bytes; at += blockBytes) {
      const block = (section.firstBlock ?? 0) + at / blockBytes;
      if (this.#soundBlocks[block] === 1) continue;
      const sum = crc32(this.#read(this.#base + section.offset + at, Math.min(blockBytes, section.bytes - at)));
      if (sum !== this.#blockSums?.[block]) throw new DamagedIndex(this.#path, `section ${name} is damaged`);
      this.#soundBlocks[block] = 1;
    }
  }

  #readBlockSums(): Uint32Array | undefined {
    const section = this.#sections.get('blockSums');
    if (section === undefined) return undefined;
    const sums = this.#read(this.#base + section.offset, section.bytes);
    if (crc32(sums) !== section.crc) throw new DamagedIndex(this.#path, 'section blockSums is damaged');
    return new Uint32Array(sums.buffer);
  }

  #read(offset: number, bytes: number): Uint8Array<ArrayBuffer> {
    const buffer = new Uint8Array(bytes);
    this.#readInto(buffer, offset);
    return buffer;
  }

  #readInto(buffer: Uint8Array, offset: number): void {
    if (readInto(this.#disk, this.#file, buffer, offset) < buffer.byteLength)
      throw new DamagedIndex(this.#path, 'the file is cut short');
  }
}
