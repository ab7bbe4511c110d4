import { crc32 } from 'node:zlib';
import { currencyName, currencyNumber } from './currency.ts';
import type { MessageRow, ReportRow, ReportState, RowState } from './rows.ts';

/**
 * A row as it stands in a journal (see journal-format.ts), little-endian: a head, its columns, its texts, and zeros up to
 * the next multiple of `frameUnit`.
 *
 * - Head: CRC-32 u32 of all behind it up to the end of the texts · mark u32 · bytes u32 from the head to there · codes u32
 *   · number f64: the ordinal of a message, the sequence of a report.
 * - A column is what its two bits of the codes say, the first column's lowest: 0 nothing at all, the row has null there; 1
 *   an i32, how much more it is than its base; 2 an f64.
 * - A text but the last has its length as a column. Texts are UTF-8, and no mark is any: what somebody sends to be kept
 *   can never pass for a frame.
 */
export const frameUnit = 8;
export const frameHeadBytes = 24;
const markBytes = 0xfffe5300;
export const frameKinds = { message: 1, report: 2 } as const;
export type FrameKind = keyof typeof frameKinds;

/** Longer than a row can be. */
const frameBytesMax = 256 * 1024 * 1024;
const columnsMax = 16;

export const paddedBytes = (bytes: number) => Math.ceil(bytes / frameUnit) * frameUnit;

/** Bytes with a view of them; a view is faster than what `Buffer` reads numbers by. */
export class Room {
  bytes: Buffer<ArrayBuffer>;
  view: DataView<ArrayBuffer>;

  constructor(bytes: number) {
    this.bytes = Buffer.from(new ArrayBuffer(bytes));
    this.view = new DataView(this.bytes.buffer);
  }

  /** Makes sure that there is room for so many bytes, the first `kept` of which stay. */
  grow(bytes: number, kept = 0): void {
    if (bytes <= this.bytes.byteLength) return;
    const before = this.bytes;
    this.bytes = Buffer.from(new ArrayBuffer(Math.max(bytes, before.byteLength * 2)));
    this.view = new DataView(this.bytes.buffer);
    before.copy(this.bytes, 0, 0, kept);
  }
}

/** What a head says: `undefined` where none stands. The checksum is not looked at. */
export function headAt(room: Room, at: number): { readonly kind: FrameKind; readonly bytes: number } | undefined {
  const mark = room.view.getUint32(at + 4, true);
  const kind = mark === markBytes + 1 ? 'message' : mark === markBytes + 2 ? 'report' : undefined;
  const bytes = room.view.getUint32(at + 8, true);
  return kind === undefined || bytes < frameHeadBytes || bytes > frameBytesMax ? undefined : { kind, bytes };
}

export const numberAt = (room: Room, at: number) => room.view.getFloat64(at + 16, true);

/** Whether a frame that is there whole is what was written. */
export function isSound(room: Room, at: number, bytes: number): boolean {
  // Made so, an array costs half of what a part of a `Buffer` does.
  return crc32(new Uint8Array(room.bytes.buffer, at + 4, bytes - 4)) === room.view.getUint32(at, true);
}

/** Rows one after the other, as one write takes them to the file. */
export class FrameWriter {
  readonly room = new Room(1 << 16);
  end = 0;
  #codes = 0;
  #column = 0;
  #to = 0;

  /** Each gives where the frame begins. */
  message(row: MessageRow): number {
    const { sentAt, extra, body } = row;
    this.#begin(3 * (body.length + (extra?.length ?? 0)));
    this.#put(sentAt, 0);
    this.#put(row.account, 0);
    this.#put(row.receivedAt, sentAt);
    this.#putState(row, sentAt);
    this.#put(row.messageCount, 0);
    const extraAt = this.#putLength(extra);
    this.#text(extra, extraAt);
    this.#text(body);
    return this.#finish(frameKinds.message, row.ordinal);
  }

  report(row: ReportRow): number {
    const { sequence, previous, sentAt, extra, moved, said } = row;
    this.#begin(3 * (said.length + (extra?.length ?? 0) + (moved?.length ?? 0)));
    this.#put(sentAt, 0);
    this.#put(previous === 0 ? null : previous, sequence);
    this.#putState(row, sentAt);
    const extraAt = this.#putLength(extra);
    this.#put(row.message, 0);
    this.#put(row.receivedAt, sentAt);
    this.#put(row.account, 0);
    this.#put(row.changed, 0);
    const movedAt = this.#putLength(moved);
    this.#text(extra, extraAt);
    this.#text(moved, movedAt);
    this.#text(said);
    return this.#finish(frameKinds.report, sequence);
  }

  #putState({ status, error, at, doneAt, seenAt, price, currency }: RowState, sentAt: number): void {
    this.#put(status, 0);
    this.#put(error, 0);
    this.#put(at, sentAt);
    this.#put(doneAt, sentAt);
    this.#put(seenAt, sentAt);
    this.#put(price, 0);
    this.#put(currency === null ? null : currencyNumber(currency), 0);
  }

  #begin(textBytesMax: number): void {
    this.room.grow(this.end + frameHeadBytes + columnsMax * 8 + textBytesMax + frameUnit, this.end);
    [this.#codes, this.#column, this.#to] = [0, 0, this.end + frameHeadBytes];
  }

  #put(value: number | null, base: number): void {
    if (value !== null) {
      const more = (value - base) | 0;
      if (base + more === value) {
        this.#codes |= 1 << this.#column;
        this.room.view.setInt32(this.#to, more, true);
        this.#to += 4;
      } else {
        this.#codes |= 2 << this.#column;
        this.room.view.setFloat64(this.#to, value, true);
        this.#to += 8;
      }
    }
    this.#column += 2;
  }

  /** Keeps room for the length of a text; where. */
  #putLength(text: string | null): number {
    const at = this.#to;
    this.#put(text === null ? null : 0, 0);
    return at;
  }

  #text(text: string | null, lengthAt?: number): void {
    if (text === null) return;
    const bytes = this.room.bytes.write(text, this.#to, 'utf8');
    if (lengthAt !== undefined) this.room.view.setInt32(lengthAt, bytes, true);
    this.#to += bytes;
  }

  #finish(kind: number, number: number): number {
    const { view, bytes } = this.room;
    const [at, to] = [this.end, this.#to];
    view.setUint32(at + 4, markBytes + kind, true);
    view.setUint32(at + 8, to - at, true);
    view.setInt32(at + 12, this.#codes, true);
    view.setFloat64(at + 16, number, true);
    view.setUint32(at, crc32(bytes.subarray(at + 4, to)), true);
    this.end = at + paddedBytes(to - at);
    if (to < this.end) bytes.fill(0, to, this.end);
    return at;
  }
}

/** Where the next column is read from: of the frame that is being read, one at a time. */
let [codes, cursor, room] = [0, 0, new Room(0)];

function begin(frames: Room, at: number): void {
  codes = frames.view.getInt32(at + 12, true);
  cursor = at + frameHeadBytes;
  room = frames;
}

function taken(base: number): number | null {
  const code = codes & 3;
  codes >>>= 2;
  if (code === 0) return null;
  const at = cursor;
  if (code === 1) {
    cursor = at + 4;
    return base + room.view.getInt32(at, true);
  }
  cursor = at + 8;
  return room.view.getFloat64(at, true);
}

const number = (base: number) => taken(base) ?? 0;

function currencyTaken(): string | null {
  const found = taken(0);
  return found === null ? null : currencyName(found);
}

function text(bytes: number | null): string | null {
  if (bytes === null) return null;
  const from = cursor;
  cursor += bytes;
  return room.bytes.toString('utf8', from, cursor);
}

/** The last text of the frame that begins there, whose length follows from that of the frame. */
function lastText(at: number): string {
  return room.bytes.toString('utf8', cursor, at + room.view.getUint32(at + 8, true));
}

/** The row in a frame that is sound, as are the next. Made of what was taken before, an object costs less than with calls between. */
export function messageAt(frames: Room, from: number): MessageRow {
  begin(frames, from);
  const sentAt = number(0);
  const account = number(0);
  const receivedAt = number(sentAt);
  const status = number(0);
  const error = number(0);
  const at = number(sentAt);
  const doneAt = taken(sentAt);
  const seenAt = taken(sentAt);
  const price = taken(0);
  const currency = currencyTaken();
  const messageCount = number(0);
  const extra = text(taken(0));
  const body = lastText(from);
  const ordinal = numberAt(frames, from);
  return {
    ordinal,
    account,
    sentAt,
    receivedAt,
    status,
    error,
    at,
    doneAt,
    seenAt,
    price,
    currency,
    messageCount,
    extra,
    body,
  };
}

/** Up to its texts: without its `extra`. */
function stateColumns(frames: Room, at: number): ReportState & { readonly sentAt: number } {
  begin(frames, at);
  const sequence = numberAt(frames, at);
  const sentAt = number(0);
  return {
    sequence,
    sentAt,
    previous: number(sequence),
    status: number(0),
    error: number(0),
    at: number(sentAt),
    doneAt: taken(sentAt),
    seenAt: taken(sentAt),
    price: taken(0),
    currency: currencyTaken(),
    extra: null,
  };
}

export function reportAt(frames: Room, at: number): ReportRow {
  const state = stateColumns(frames, at);
  const extraBytes = taken(0);
  const message = number(0);
  const receivedAt = number(state.sentAt);
  const account = number(0);
  const changed = number(0);
  const movedBytes = taken(0);
  const [extra, moved] = [text(extraBytes), text(movedBytes)];
  return { ...state, extra, message, receivedAt, account, changed, moved, said: lastText(at) };
}

export function stateAt(frames: Room, at: number): ReportState {
  const state = stateColumns(frames, at);
  const extraBytes = taken(0);
  if (extraBytes === null) return state;
  for (const base of [0, state.sentAt, 0, 0, 0]) taken(base);
  return { ...state, extra: text(extraBytes) };
}
