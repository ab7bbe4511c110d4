import { crc32 } from 'node:zlib';
import { LRUCache } from 'lru-cache';
import { DamagedRow, OtherFormat } from '../files/damage.ts';
import { type Disk, readInto } from '../files/disk.ts';
import { frameHeadBytes, frameUnit, headAt, isSound, numberAt, paddedBytes, Room } from './row-frame.ts';
import type { RowsMeta } from './rows.ts';

/**
 * A journal: the rows of a segment in the order they came. It consists of groups, each of which one write appended and
 * one sync made durable: a header of 64 bytes, then the frames of its rows (row-frame.ts). The first group has none. A
 * segment that takes no more rows ends with a footer: where each message and each report stands (u32, in multiples of
 * `frameUnit`; 0 where it is lost), then a header. Little-endian:
 *
 * CRC-32 u32 of the rest of the header · mark u32 · version u32 · segment u32 · firstSequence f64 · createdAt f64 ·
 * offset f64 of the group, or of the footer's places · payload bytes u32 · CRC-32 u32 of the payload · messages u32 and
 * reports u32 up to its end, the lost ones in between included · seed u32 of the log's hashes, and whether there is one u32:
 * earlier versions wrote zeros.
 *
 * So every group says whose rows it has, and a header that is damaged costs none of them.
 */
export const headerBytes = 64;
const chunkBytes = 1 << 20;
const version = 1;
const marks = { group: 0xfffe5310, footer: 0xfffe5311 } as const;

/** Where rows stand, in multiples of `frameUnit`; 0 where there is none. In shared memory, while rows are taken. */
export type Places = {
  readonly messages: Uint32Array;
  readonly reports: Uint32Array;
  /**
   * Where the last group that is durable ends, in bytes, how many messages and reports there are up to it, and where that
   * group begins. What stands behind it in the file was never answered.
   */
  readonly reach: Float64Array;
};

export type GroupHeader = RowsMeta & {
  readonly offset: number;
  readonly payloadBytes: number;
  readonly payloadCrc: number;
  readonly messages: number;
  readonly reports: number;
};

export function writeHeader(view: DataView, at: number, what: keyof typeof marks, header: GroupHeader): void {
  view.setUint32(at + 4, marks[what], true);
  view.setUint32(at + 8, version, true);
  view.setUint32(at + 12, header.segment, true);
  view.setFloat64(at + 16, header.firstSequence, true);
  view.setFloat64(at + 24, header.createdAt, true);
  view.setFloat64(at + 32, header.offset, true);
  view.setUint32(at + 40, header.payloadBytes, true);
  view.setUint32(at + 44, header.payloadCrc, true);
  view.setUint32(at + 48, header.messages, true);
  view.setUint32(at + 52, header.reports, true);
  view.setUint32(at + 56, header.hashSeed ?? 0, true);
  view.setUint32(at + 60, header.hashSeed === undefined ? 0 : 1, true);
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at + 4, headerBytes - 4);
  view.setUint32(at, crc32(bytes), true);
}

/** `undefined` where none stands that is what was written. */
export function headerAt(room: Room, at: number, what: keyof typeof marks): GroupHeader | undefined {
  const { view, bytes } = room;
  if (view.getUint32(at + 4, true) !== marks[what]) return undefined;
  if (crc32(bytes.subarray(at + 4, at + headerBytes)) !== view.getUint32(at, true)) return undefined;
  const found = view.getUint32(at + 8, true);
  if (found !== version) throw new OtherFormat('a journal of the log is', found, version);
  return {
    segment: view.getUint32(at + 12, true),
    firstSequence: view.getFloat64(at + 16, true),
    createdAt: view.getFloat64(at + 24, true),
    offset: view.getFloat64(at + 32, true),
    payloadBytes: view.getUint32(at + 40, true),
    payloadCrc: view.getUint32(at + 44, true),
    messages: view.getUint32(at + 48, true),
    reports: view.getUint32(at + 52, true),
    ...(view.getUint32(at + 60, true) === 1 && { hashSeed: view.getUint32(at + 56, true) }),
  };
}

/** The header of the group that begins there; `undefined` where none does that is what was written. */
export function groupAt(disk: Disk, file: number, offset: number): GroupHeader | undefined {
  const room = new Room(headerBytes);
  if (readInto(disk, file, room.bytes, offset) < headerBytes) return undefined;
  const header = headerAt(room, 0, 'group');
  return header?.offset === offset ? header : undefined;
}

/** The first group of a journal. */
export function openingOf(meta: RowsMeta): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  writeHeader(view, 0, 'group', { ...meta, offset: 0, payloadBytes: 0, payloadCrc: 0, messages: 0, reports: 0 });
  return bytes;
}

/** The footer of a journal of so many rows. */
export function footerOf(meta: RowsMeta, places: Places, messages: number, reports: number): Buffer {
  const padding = ((messages + reports) % 2) * 4;
  const payloadBytes = (messages + reports) * 4 + padding;
  const bytes = Buffer.alloc(payloadBytes + headerBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < messages; i++) view.setUint32(i * 4, places.messages[i] ?? 0, true);
  for (let i = 0; i < reports; i++) view.setUint32((messages + i) * 4, places.reports[i] ?? 0, true);
  const payloadCrc = crc32(bytes.subarray(0, payloadBytes));
  const header = { ...meta, offset: places.reach[0] ?? 0, payloadBytes, payloadCrc, messages, reports };
  writeHeader(view, payloadBytes, 'footer', header);
  return bytes;
}

/** The header of the footer of a file; `undefined` where it has none. */
export function footerIn(disk: Disk, file: number, size: number): GroupHeader | undefined {
  if (size < 2 * headerBytes) return undefined;
  const room = new Room(headerBytes);
  readInto(disk, file, room.bytes, size - headerBytes);
  const footer = headerAt(room, 0, 'footer');
  const isOfFile = footer !== undefined && footer.offset + footer.payloadBytes + headerBytes === size;
  return isOfFile ? footer : undefined;
}

/** By path, which footers were looked at in this thread. */
const soundFooters = new LRUCache<string, string>({ max: 4096 });

/**
 * Whether the places in a footer are what was written: they are some megabytes, and each thread looks at them once. What
 * becomes of one of them later shows at the row.
 */
export function hasSoundPlaces(disk: Disk, file: number, path: string, footer: GroupHeader): boolean {
  const { offset, payloadBytes, payloadCrc, createdAt } = footer;
  const which = [offset, payloadBytes, payloadCrc, createdAt].join(' ');
  if (soundFooters.get(path) === which) return true;
  const part = new Uint8Array(Math.min(chunkBytes, payloadBytes));
  let sum = 0;
  for (let at = 0; at < payloadBytes; at += part.byteLength) {
    const bytes = part.subarray(0, payloadBytes - at);
    if (readInto(disk, file, bytes, offset + at) < bytes.byteLength) return false;
    sum = crc32(bytes, sum);
  }
  if (sum !== payloadCrc) return false;
  soundFooters.set(path, which);
  return true;
}

/** What a journal holds, as far as its groups are whole one after the other. */
export type Scanned = {
  readonly meta: RowsMeta;
  /** As many as there are. */
  readonly places: Places;
};

/** Of either kind: more than a segment can have. */
const rowsMax = 2 ** 24;

/** A file of which a part at a time is in memory. */
class Window {
  readonly room = new Room(chunkBytes);
  readonly #disk: Disk;
  readonly #file: number;
  readonly #size: number;
  #from = 0;
  #to = 0;

  constructor(disk: Disk, file: number, size: number) {
    [this.#disk, this.#file, this.#size] = [disk, file, size];
  }

  /** Where in the room these bytes of the file stand from now on; -1 where the file is shorter. */
  of(offset: number, bytes: number): number {
    if (offset + bytes > this.#size) return -1;
    if (offset >= this.#from && offset + bytes <= this.#to) return offset - this.#from;
    const wanted = Math.min(Math.max(chunkBytes, bytes), this.#size - offset);
    this.room.grow(wanted);
    const read = readInto(this.#disk, this.#file, this.room.bytes.subarray(0, wanted), offset);
    [this.#from, this.#to] = [offset, offset + read];
    return read < bytes ? -1 : 0;
  }

  /** The header of the group that begins here, where it is what was written, and whether its frames are. */
  group(offset: number): { readonly header: GroupHeader; readonly isWhole: boolean } | undefined {
    const at = this.of(offset, headerBytes);
    const header = at < 0 ? undefined : headerAt(this.room, at, 'group');
    if (header === undefined || header.offset !== offset) return undefined;
    const payload = this.of(offset + headerBytes, header.payloadBytes);
    if (payload < 0) return { header, isWhole: false };
    const bytes = this.room.bytes.subarray(payload, payload + header.payloadBytes);
    return { header, isWhole: crc32(bytes) === header.payloadCrc };
  }
}

/**
 * Reads a journal to the end of its last group that is whole. What follows was not answered, since it was never whole on
 * the disk: unless another whole group or the footer comes after it. Then it was, and `DamagedRow` is thrown. What was
 * found before is taken as it is, and read on behind.
 */
export function scanJournal(disk: Disk, file: number, size: number, before?: Scanned): Scanned {
  const window = new Window(disk, file, size);
  const footer = footerIn(disk, file, size);
  const limit = footer?.offset ?? size;
  const [messages, reports] = [new Growing(before?.places.messages), new Growing(before?.places.reports)];
  let meta = before?.meta;
  let [end = 0, , , last = 0] = before?.places.reach ?? [];
  for (let group = window.group(end); group?.isWhole === true && end < limit; group = window.group(end)) {
    const { header } = group;
    meta ??= header;
    if (header.segment !== meta.segment || header.firstSequence !== meta.firstSequence) break;
    const [from, to] = [end + headerBytes, end + headerBytes + header.payloadBytes];
    for (let offset = from; offset < to; ) {
      const at = window.of(offset, frameHeadBytes);
      const head = at < 0 ? undefined : headAt(window.room, at);
      if (head === undefined) throw new DamagedRow('the journal (a group of it is not made of frames)');
      const number = numberAt(window.room, at) - (head.kind === 'message' ? 0 : meta.firstSequence);
      if (!(number >= 0 && number < rowsMax)) throw new DamagedRow(`the journal (${head.kind} ${number})`);
      (head.kind === 'message' ? messages : reports).set(number, offset / frameUnit);
      offset += paddedBytes(head.bytes);
    }
    [last, end] = [end, to];
  }
  for (let offset = end; offset + headerBytes <= limit; offset += frameUnit)
    if (window.group(offset)?.isWhole === true) throw new DamagedRow(`the journal (at byte ${end})`);
  if (meta === undefined) throw new DamagedRow('the journal (its beginning)');
  if (footer !== undefined && end !== limit) throw new DamagedRow(`the journal (at byte ${end})`);
  const found = { messages: messages.array(), reports: reports.array() };
  const reach = Float64Array.of(end, found.messages.length, found.reports.length, last);
  return { meta, places: { ...found, reach } };
}

/** What can be made out of a journal, whatever became of it: the frames that are what was written. */
export type SoundFrame = { readonly room: Room; readonly at: number; readonly isOfWholeGroup: boolean };

export function* soundFrames(disk: Disk, file: number, size: number): Generator<SoundFrame> {
  const window = new Window(disk, file, size);
  for (let [offset, wholeUntil] = [0, 0]; offset + frameHeadBytes <= size; ) {
    const group = offset >= wholeUntil ? window.group(offset) : undefined;
    if (group !== undefined) {
      offset += headerBytes;
      if (group.isWhole) wholeUntil = offset + group.header.payloadBytes;
      continue;
    }
    const headIn = window.of(offset, frameHeadBytes);
    const head = headIn < 0 ? undefined : headAt(window.room, headIn);
    const at = head === undefined ? -1 : window.of(offset, head.bytes);
    if (head === undefined || at < 0 || !isSound(window.room, at, head.bytes)) {
      offset += frameUnit;
      continue;
    }
    yield { room: window.room, at, isOfWholeGroup: offset < wholeUntil };
    offset += paddedBytes(head.bytes);
  }
}

/** The first thing in a file that says which segment it is of. */
export function metaIn(disk: Disk, file: number, size: number): RowsMeta | undefined {
  const window = new Window(disk, file, size);
  const first = window.group(0)?.header ?? footerIn(disk, file, size);
  if (first !== undefined) return first;
  for (let offset = frameUnit; offset + headerBytes <= size; offset += frameUnit) {
    const at = window.of(offset, headerBytes);
    const header = at < 0 ? undefined : headerAt(window.room, at, 'group');
    if (header?.offset === offset) return header;
  }
  return undefined;
}

/** Numbers by place, of which nobody knows how many come. */
class Growing {
  #numbers: Uint32Array;
  #length: number;

  constructor(first: Uint32Array = new Uint32Array(0)) {
    [this.#numbers, this.#length] = [first, first.length];
  }

  set(at: number, value: number): void {
    if (at >= this.#numbers.length) {
      const grown = new Uint32Array(Math.max(1024, at + 1, this.#numbers.length * 2));
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    this.#numbers[at] = value;
    this.#length = Math.max(this.#length, at + 1);
  }

  array(): Uint32Array {
    return this.#numbers.subarray(0, this.#length);
  }
}
