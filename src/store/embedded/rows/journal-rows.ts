import { DamagedRow, type Unsound } from '../files/damage.ts';
import { type Disk, openedHere, readInto, systemDisk } from '../files/disk.ts';
import {
  footerIn,
  type GroupHeader,
  hasSoundPlaces,
  headerAt,
  headerBytes,
  metaIn,
  type Places,
  scanJournal,
} from './journal-format.ts';
import {
  type FrameKind,
  frameHeadBytes,
  frameUnit,
  headAt,
  isSound,
  messageAt,
  numberAt,
  Room,
  reportAt,
  stateAt,
} from './row-frame.ts';
import {
  type HeldOf,
  heldBy,
  type MessageRow,
  messagesIn,
  type ReportRow,
  type ReportState,
  type Rows,
  type RowsMeta,
} from './rows.ts';

/** Most rows are shorter: what is read of one whose length is not known. */
const rowBytes = 1024;
/** Rows that stand no further apart are read at once. */
const gapBytes = 8192;
const readBytesMax = 1 << 18;
const rowsAtATime = 1000;
const placesAtATime = 64;

/** Of this thread. */
const room = new Room(readBytesMax + 2 * rowBytes);

type Decode<R> = (room: Room, at: number) => R;
type Wanted = { readonly number: number; readonly offset: number };

/**
 * The rows of a journal. Of a segment that takes rows, or waits for its index, memory tells where they stand (`places`),
 * of one that has its index the footer, and of what nobody tells of, all of it is read at once.
 */
export class JournalRows implements Rows {
  protected readonly disk: Disk;
  protected readonly file: number;
  readonly #path: string;
  readonly #footer: GroupHeader | undefined;
  protected readonly places: Places | undefined;
  readonly #unsound: Unsound | undefined;
  #meta: RowsMeta | undefined;
  /** Of the footer, what was read last. */
  readonly #told = { message: new ToldPlaces(), report: new ToldPlaces() };
  #isOpen = true;

  /** `unsound` rows are passed over as lost ones are. */
  constructor(
    path: string,
    disk: Disk = systemDisk,
    places?: Places,
    mode: 'read' | 'update' = 'read',
    unsound?: Unsound,
  ) {
    [this.disk, this.#path, this.places, this.#unsound] = [disk, path, places, unsound];
    const missing = () => new DamagedRow('the journal (it is missing)');
    this.file = mode === 'read' ? openedHere(disk, path, missing) : disk.open(path, mode);
    try {
      if (mode === 'update') this.#meta = this.#readMeta();
      if (places !== undefined) return;
      const size = disk.size(path) ?? 0;
      const footer = footerIn(disk, this.file, size);
      // One that is half written, or damaged, tells nothing: the groups do.
      if (footer !== undefined && hasSoundPlaces(disk, this.file, path, footer)) this.#footer = footer;
      if (this.#footer === undefined) {
        const scanned = scanJournal(disk, this.file, size);
        [this.#meta, this.places] = [scanned.meta, scanned.places];
      }
    } catch (error) {
      disk.close(this.file);
      throw error;
    }
  }

  meta(): RowsMeta {
    this.#meta ??= this.#readMeta();
    const { segment, firstSequence, createdAt, hashSeed } = this.#meta;
    return { segment, firstSequence, createdAt, ...(hashSeed !== undefined && { hashSeed }) };
  }

  message(ordinal: number): MessageRow | undefined {
    return this.#one('message', ordinal, messageAt);
  }

  report(sequence: number): ReportRow | undefined {
    return this.#one('report', sequence, reportAt);
  }

  messages(ordinals: readonly number[]): readonly MessageRow[] {
    return this.#among('message', ordinals, messageAt);
  }

  reports(sequences: readonly number[]): readonly ReportRow[] {
    return this.#among('report', sequences, reportAt);
  }

  states(sequences: readonly number[]): readonly ReportState[] {
    return this.#among('report', sequences, stateAt);
  }

  count(): number {
    return this.#footer?.messages ?? this.places?.reach[1] ?? 0;
  }

  reportCount(): number {
    return this.#footer?.reports ?? this.places?.reach[2] ?? 0;
  }

  messagesFrom(from: number, count: number): readonly MessageRow[] {
    return this.#from('message', from, count, messageAt);
  }

  reportsFrom(from: number, count: number): readonly ReportRow[] {
    return this.#from('report', from, count, reportAt);
  }

  accounts(): readonly HeldOf[] {
    return heldBy(messagesIn(this, rowsAtATime));
  }

  /** Puts where the rows stand into shared memory that has room for it. */
  copyPlaces(into: Places): void {
    const places = this.places ?? scanJournal(this.disk, this.file, this.disk.size(this.#path) ?? 0).places;
    into.messages.set(places.messages);
    into.reports.set(places.reports);
    into.reach.set(places.reach);
  }

  /** Whether a footer tells where the rows stand. */
  get isFinished(): boolean {
    return this.#footer !== undefined;
  }

  close(): void {
    if (this.#isOpen) this.disk.close(this.file);
    this.#isOpen = false;
  }

  /** Where a row is that is not in the file yet. */
  protected pendingAt(_offset: number): { readonly room: Room; readonly at: number } | undefined {
    return undefined;
  }

  #readMeta(): RowsMeta {
    if (this.#footer !== undefined) return this.#footer;
    const opening = new Room(headerBytes);
    readInto(this.disk, this.file, opening.bytes, 0);
    const meta = headerAt(opening, 0, 'group') ?? metaIn(this.disk, this.file, this.disk.size(this.#path) ?? 0);
    if (meta === undefined) throw new DamagedRow('the journal (no group of it says what it is)');
    return meta;
  }

  #one<R>(kind: FrameKind, number: number, decode: Decode<R>): R | undefined {
    return this.#decoded(kind, this.#wanted(kind, [number]), decode)[0];
  }

  #among<R>(kind: FrameKind, numbers: readonly number[], decode: Decode<R>): readonly R[] {
    return this.#decoded(kind, this.#wanted(kind, Float64Array.from(numbers).sort()), decode);
  }

  /** Of numbers in their order, each once. */
  #wanted(kind: FrameKind, numbers: ArrayLike<number>): readonly Wanted[] {
    const wanted: Wanted[] = [];
    for (let i = 0; i < numbers.length; i++) {
      const number = numbers[i] ?? 0;
      if (i > 0 && number === numbers[i - 1]) continue;
      const offset = this.#offsetOf(kind, number) ?? 0;
      if (offset !== 0) wanted.push({ number, offset });
    }
    return wanted;
  }

  #from<R>(kind: FrameKind, from: number, count: number, decode: Decode<R>): readonly R[] {
    const wanted: Wanted[] = [];
    for (let number = Math.max(from, this.#firstOf(kind)); wanted.length < count; number++) {
      const offset = this.#offsetOf(kind, number);
      if (offset === undefined) break;
      if (offset !== 0) wanted.push({ number, offset });
    }
    return this.#decoded(kind, wanted, decode);
  }

  /** Where a row stands, in bytes; 0 for one that is lost, `undefined` for one that never was. */
  #offsetOf(kind: FrameKind, number: number): number | undefined {
    const at = number - this.#firstOf(kind);
    const count = kind === 'message' ? this.count() : this.reportCount();
    if (!(at >= 0 && at < count)) return undefined;
    if (this.#unsound?.[kind === 'message' ? 'messages' : 'reports'].has(number)) return 0;
    if (this.#footer !== undefined) return this.#offsetInFooter(this.#footer, kind, at);
    return (this.#placesOf(kind)[at] ?? 0) * frameUnit;
  }

  /** Neighbours are asked for one after the other: some are read at once, and kept until others are. */
  #offsetInFooter(footer: GroupHeader, kind: FrameKind, at: number): number {
    const [first, end] = kind === 'message' ? [0, footer.messages] : [footer.messages, footer.reports];
    const from = at - (at % placesAtATime);
    const told = this.#told[kind];
    if (told.from !== from) {
      told.from = -1;
      const bytes = told.bytes.subarray(0, Math.min(placesAtATime, end - from) * 4);
      if (readInto(this.disk, this.file, bytes, footer.offset + (first + from) * 4) < bytes.byteLength)
        throw new DamagedRow('the journal (it is cut short)');
      told.from = from;
    }
    return (told.places[at - from] ?? 0) * frameUnit;
  }

  #firstOf(kind: FrameKind): number {
    return kind === 'message' ? 0 : this.firstSequence;
  }

  #placesOf(kind: FrameKind): Uint32Array {
    return (kind === 'message' ? this.places?.messages : this.places?.reports) ?? new Uint32Array(0);
  }

  protected get firstSequence(): number {
    this.#meta ??= this.#readMeta();
    return this.#meta.firstSequence;
  }

  /** In the order of their numbers, as they are given. */
  #decoded<R>(kind: FrameKind, wanted: readonly Wanted[], decode: Decode<R>): readonly R[] {
    const rows: R[] = [];
    for (let i = 0; i < wanted.length; ) {
      const first = wanted[i]?.offset ?? 0;
      const held = this.pendingAt(first);
      if (held !== undefined) {
        rows.push(this.#sound(held.room, held.at, kind, wanted[i++]?.number ?? 0, decode));
        continue;
      }
      const end = this.#endOfRun(wanted, i);
      const bytes = (wanted[end - 1]?.offset ?? 0) - first + rowBytes;
      const read = readInto(this.disk, this.file, room.bytes.subarray(0, bytes), first);
      for (; i < end; i++) {
        const { number, offset } = wanted[i] as Wanted;
        rows.push(
          isWithin(room, offset - first, read)
            ? this.#sound(room, offset - first, kind, number, decode)
            : this.#alone(kind, offset, number, decode),
        );
      }
    }
    return rows;
  }

  /** Before which of those wanted a read ends that begins with one; made of what was left of another file, some stand before it. */
  #endOfRun(wanted: readonly Wanted[], start: number): number {
    const first = wanted[start]?.offset ?? 0;
    let end = start + 1;
    for (let last = first; end < wanted.length; end++) {
      const offset = wanted[end]?.offset ?? 0;
      if (
        offset < last ||
        offset - last > gapBytes ||
        offset - first > readBytesMax ||
        this.pendingAt(offset) !== undefined
      )
        break;
      last = offset;
    }
    return end;
  }

  /** A row that is longer than most. */
  #alone<R>(kind: FrameKind, offset: number, number: number, decode: Decode<R>): R {
    const head = new Room(frameHeadBytes);
    const read = readInto(this.disk, this.file, head.bytes, offset);
    const found = read < frameHeadBytes ? undefined : headAt(head, 0);
    if (found === undefined || offset + found.bytes > (this.disk.size(this.#path) ?? 0))
      throw new DamagedRow(`${kind} ${number}`);
    const whole = new Room(found.bytes);
    readInto(this.disk, this.file, whole.bytes, offset);
    return this.#sound(whole, 0, kind, number, decode);
  }

  #sound<R>(frames: Room, at: number, kind: FrameKind, number: number, decode: Decode<R>): R {
    const head = headAt(frames, at);
    if (head?.kind !== kind || !isSound(frames, at, head.bytes) || numberAt(frames, at) !== number)
      throw new DamagedRow(`${kind} ${number}`);
    return decode(frames, at);
  }
}

/** Some of the places in a footer. */
class ToldPlaces {
  from = -1;
  readonly places = new Uint32Array(placesAtATime);
  readonly bytes = new Uint8Array(this.places.buffer);
}

/** Whether a frame was read to its end; one that is damaged counts as read. */
function isWithin(frames: Room, at: number, read: number): boolean {
  if (at + frameHeadBytes > read) return false;
  const head = headAt(frames, at);
  return head === undefined || at + head.bytes <= read;
}
