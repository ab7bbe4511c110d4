import { crc32 } from 'node:zlib';
import { OpenedFile } from '../../../opened-file.ts';
import { DamagedRow, isOutage } from '../files/damage.ts';
import { type Disk, readInto, writeWhole } from '../files/disk.ts';
import { footerOf, headerBytes, openingOf, type Places, scanJournal, writeHeader } from './journal-format.ts';
import { JournalRows } from './journal-rows.ts';
import { FrameWriter, frameUnit, type Room } from './row-frame.ts';
import type { MessageOrReport, MessageRow, ReportRow, RowsMeta } from './rows.ts';

export type Durability = 'full' | 'os';

/** What a transaction may have taken, and the next may keep. */
const roomBytesKept = 8 * 1024 * 1024;
const triedBytes = 2 * 1024 * 1024;
/** Of a group of a journal that is made of rows that are there, and of what is written over at once. */
const groupBytes = 1024 * 1024;

/** Makes the journal of a segment that has no rows yet. */
export function createJournal(disk: Disk, path: string, meta: RowsMeta): void {
  writeWhole(disk, path, [openingOf(meta)]);
}

/**
 * The journal of the segment that takes rows. What `insert…` takes is read at once through it, and stands in the file,
 * durable, when `commit` returns: until then nothing of it does.
 */
export class JournalWriter extends JournalRows {
  /** A write could not be synced: what the system holds of the file is not known, so that no more may go into it. */
  isSpent = false;
  readonly #opened: OpenedFile;
  readonly #durability: Durability;
  readonly #places: Places;
  #frames = new FrameWriter();
  /** Something may stand behind the end; nothing is written until it is cut off. */
  #isUncut = true;
  #messages: number;
  #reports: number;

  /** `places` tell what is in it. */
  constructor(path: string, disk: Disk, durability: Durability, places: Places) {
    super(path, disk, places, 'update');
    this.#opened = new OpenedFile(path, undefined, one => disk.identity(one));
    if (places.reach[0] === 0) places.reach[0] = headerBytes;
    [this.#durability, this.#places] = [durability, places];
    [this.#messages, this.#reports] = [places.reach[1] ?? 0, places.reach[2] ?? 0];
    this.#frames.end = headerBytes;
  }

  override count(): number {
    return this.#messages;
  }

  override reportCount(): number {
    return this.#reports;
  }

  /** Throws `Unavailable` where the file is not the one that was opened, and `DamagedRow` where it is shorter than it was. */
  begin(): void {
    this.refuseMoved();
    if ((this.disk.size(this.#opened.path) ?? 0) < this.#end) throw new DamagedRow('the journal (it is cut short)');
    this.cut();
  }

  /** What is written to a file that was moved or replaced nobody would find, and what stands in its place is not ours. */
  refuseMoved(): void {
    this.#opened.refuseMoved();
  }

  /** What the open group takes. */
  get groupBytes(): number {
    return this.#frames.end;
  }

  /** How long the file is with it. */
  get bytes(): number {
    return this.#end + this.groupBytes;
  }

  insertMessage(row: MessageRow): void {
    this.#places.messages[row.ordinal] = (this.#end + this.#frames.message(row)) / frameUnit;
    this.#messages = Math.max(this.#messages, row.ordinal + 1);
  }

  insertReport(row: ReportRow): void {
    const at = row.sequence - this.firstSequence;
    this.#places.reports[at] = (this.#end + this.#frames.report(row)) / frameUnit;
    this.#reports = Math.max(this.#reports, at + 1);
  }

  commit(): void {
    const { room, end } = this.#frames;
    if (end === headerBytes) return;
    const payload = room.bytes.subarray(headerBytes, end);
    writeHeader(room.view, 0, 'group', {
      ...this.meta(),
      offset: this.#end,
      payloadBytes: payload.byteLength,
      payloadCrc: crc32(payload),
      messages: this.#messages,
      reports: this.#reports,
    });
    this.#isUncut = true;
    this.disk.write(this.file, room.bytes.subarray(0, end), this.#end);
    if (this.#durability === 'full') this.#sync();
    this.#isUncut = false;
    const { reach } = this.#places;
    [reach[0], reach[1], reach[2], reach[3]] = [this.#end + end, this.#messages, this.#reports, this.#end];
    this.#empty();
  }

  /** Throws what the disk throws where not even as much as most groups take can be appended; nothing of it stays. */
  tryRoom(): void {
    this.#isUncut = true;
    this.disk.write(this.file, Buffer.alloc(triedBytes), this.#end);
    this.#sync();
    this.cut();
  }

  /** What was taken since `begin` is gone; cut off the file, if the disk lets it, else by the next `begin`. */
  rollback(): void {
    [this.#messages, this.#reports] = [this.#places.reach[1] ?? 0, this.#places.reach[2] ?? 0];
    this.#empty();
    try {
      this.cut();
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
  }

  /**
   * Cuts off what may stand behind the end, durably: were it found by a later start, its rows would be there beside those
   * that took their numbers elsewhere. Throws what the disk throws; then nothing may be written behind it, here or in
   * another segment.
   */
  cut(): void {
    if (!this.#isUncut) return;
    this.disk.truncate(this.file, this.#end);
    this.#sync();
    this.#isUncut = false;
  }

  protected override pendingAt(offset: number): { readonly room: Room; readonly at: number } | undefined {
    return offset < this.#end ? undefined : { room: this.#frames.room, at: offset - this.#end };
  }

  #sync(): void {
    try {
      this.disk.syncData(this.file);
    } catch (error) {
      this.isSpent = true;
      throw error;
    }
  }

  get #end(): number {
    return this.#places.reach[0] ?? 0;
  }

  #empty(): void {
    if (this.#frames.room.bytes.byteLength > roomBytesKept) this.#frames = new FrameWriter();
    this.#frames.end = headerBytes;
  }
}

/** Makes a journal of rows as they come, those of a group in memory at a time. */
export function writeJournal(disk: Disk, path: string, meta: RowsMeta, rows: Iterable<MessageOrReport>): void {
  createJournal(disk, path, meta);
  const places = { messages: new Uint32Array(0), reports: new Uint32Array(0), reach: new Float64Array(4) };
  const writer = new JournalWriter(path, disk, 'full', places);
  try {
    writer.begin();
    for (const row of rows) {
      if ('message' in row) writer.insertMessage(row.message);
      else writer.insertReport(row.report);
      if (writer.groupBytes > groupBytes) writer.commit();
    }
    writer.commit();
  } finally {
    writer.close();
  }
}

/**
 * What is found in a journal is answered from then on: the process that wrote it may have ended before it was synced, or
 * when that had failed. Then the system holds the last group, takes it for synced, and will not write it to the disk unless
 * it is written over by itself.
 */
export function syncJournal(disk: Disk, path: string, { reach }: Places): void {
  const [end = 0, , , last = 0] = reach;
  const file = disk.open(path, 'update');
  try {
    const part = new Uint8Array(Math.min(groupBytes, end - last));
    for (let at = last; at < end; at += part.byteLength) {
      const read = readInto(disk, file, part.subarray(0, end - at), at);
      disk.write(file, part.subarray(0, read), at);
    }
    disk.syncData(file);
  } finally {
    disk.close(file);
  }
}

/** What whoever took the rows of a journal knows of it: where its last group ends, and how many rows there are up to it, lost ones included. */
export type JournalEnd = { readonly end: number; readonly messages: number; readonly reports: number };

/**
 * Writes the footer of a journal that takes no more rows, and makes all of it durable.
 * Throws `DamagedRow`, and leaves the file alone, where less of it is whole than was answered: what only looks as if it had
 * never been is the damage of its last group.
 */
export function finishJournal(disk: Disk, path: string, known: JournalEnd): void {
  const file = disk.open(path, 'update');
  try {
    const size = disk.size(path) ?? 0;
    const { meta, places } = scanJournal(disk, file, size);
    const [end = 0] = places.reach;
    if (end < known.end) throw new DamagedRow(`the journal (at byte ${end})`);
    const footer = footerOf(meta, places, known.messages, known.reports);
    if (size !== end + footer.byteLength) disk.truncate(file, end);
    // One that is there, too: what the system holds of it may be what could not be synced (see syncJournal).
    disk.write(file, footer, end);
    disk.syncData(file);
  } finally {
    disk.close(file);
  }
}
