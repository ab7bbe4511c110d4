import type { Disk } from '../files/disk.ts';
import type { RowsSource } from '../files/folder.ts';

/**
 * Reads rows out of the pages of SQLite files without SQLite: out of those that it refuses, and out of write-ahead logs
 * that it reads only up to their first fault. Rows are only ever appended, so any image of a page will do, whatever
 * became of the tree above it. What is found may be anything: whoever asks must know a row by its checksum.
 */
export type RecoveredRow = { readonly rowid: number; readonly values: readonly RecoveredValue[] };
export type RecoveredValue = number | string | null;
/** Whether the row with this number and so many columns is of no interest. */
export type Skips = (rowid: number, columns: number) => boolean;

const pageBytes = 8192;
const logHeaderBytes = 32;
const frameHeaderBytes = 24;
const pageHeaderBytes = 8;
/** Of a record's header: more than any of ours has. */
const headerBytesMax = 128;
/** Each part of an overflow chain holds nearly a page. */
const chainMax = 1 + Math.ceil((4 * 1024 * 1024) / pageBytes);

/** Where an image of a page stands. */
type Image = { readonly file: 'rows' | 'log'; readonly offset: number };

/** One rows file with its write-ahead log, whatever is left of them. */
export class RecoveredPages {
  readonly #disk: Disk;
  readonly #rows: number | undefined;
  readonly #log: number | undefined;
  readonly #rowsPages: number;
  readonly #frames: number;
  /** The newest image in the log, by page. */
  readonly #inLog = new Map<number, number>();

  constructor(disk: Disk, { rows, log }: RowsSource) {
    const opened = (path: string) => (disk.size(path) === undefined ? undefined : disk.open(path, 'read'));
    this.#disk = disk;
    [this.#rows, this.#log] = [opened(rows), opened(log)];
    this.#rowsPages = Math.floor((disk.size(rows) ?? 0) / pageBytes);
    this.#frames = Math.max(0, Math.floor(((disk.size(log) ?? 0) - logHeaderBytes) / (frameHeaderBytes + pageBytes)));
    const header = Buffer.alloc(4);
    for (let frame = 0; frame < this.#frames; frame++) {
      this.#read('log', frameOffset(frame) - frameHeaderBytes, header);
      this.#inLog.set(header.readUInt32BE(), frameOffset(frame));
    }
  }

  /**
   * Every row of so many columns that can be made out, those of the file first, then those of the log in its order. A
   * row may come again, or first as it was before a write that failed: the first sound one counts. Rows for which
   * `skips` says so are passed over.
   */
  *rows(skips: Skips): Generator<RecoveredRow> {
    const page = Buffer.alloc(pageBytes);
    for (let at = 0; at < this.#rowsPages; at++) {
      this.#read('rows', at * pageBytes, page);
      yield* this.#rowsOf(page, skips);
    }
    for (let frame = 0; frame < this.#frames; frame++) {
      this.#read('log', frameOffset(frame), page);
      yield* this.#rowsOf(page, skips);
    }
  }

  close(): void {
    for (const fd of [this.#rows, this.#log]) if (fd !== undefined) this.#disk.close(fd);
  }

  /** Takes every page for a leaf: of one that is none, nothing comes that has a sound checksum. */
  *#rowsOf(page: Buffer, skips: Skips): Generator<RecoveredRow> {
    // Where the least cell begins, the list of cells ends; their number in the header may be damaged.
    let end = pageBytes;
    for (let at = pageHeaderBytes; at + 2 <= end; at += 2) {
      const cell = page.readUInt16BE(at);
      if (cell < at + 2 || cell >= pageBytes) continue;
      end = Math.min(end, cell);
      const bytes = varint(page, cell);
      const rowid = bytes && varint(page, bytes.end);
      if (bytes === undefined || rowid === undefined) continue;
      for (const payload of this.#payloads(page, rowid.end, bytes.value)) {
        const kinds = kindsIn(payload);
        if (kinds === undefined || skips(rowid.value, kinds.length)) break;
        const values = valuesIn(payload, kinds);
        if (values !== undefined) yield { rowid: rowid.value, values };
      }
    }
  }

  /** What a cell holds, by the newest images of the pages it runs over to, then by those of the rows file. */
  *#payloads(page: Buffer, at: number, bytes: number): Generator<Buffer> {
    const localMax = pageBytes - 35;
    if (bytes <= localMax) {
      if (at + bytes <= pageBytes) yield page.subarray(at, at + bytes);
      return;
    }
    if (bytes > chainMax * pageBytes) return;
    const localMin = Math.floor(((pageBytes - 12) * 32) / 255) - 23;
    const fitting = localMin + ((bytes - localMin) % (pageBytes - 4));
    const local = fitting <= localMax ? fitting : localMin;
    if (at + local + 4 > pageBytes) return;
    const next = page.readUInt32BE(at + local);
    for (const newest of this.#inLog.size > 0 ? [true, false] : [false]) {
      const rest = this.#overflow(next, bytes - local, newest);
      if (rest !== undefined) yield Buffer.concat([page.subarray(at, at + local), rest]);
    }
  }

  #overflow(first: number, bytes: number, newest: boolean): Buffer | undefined {
    const parts: Buffer[] = [];
    let [number, left] = [first, bytes];
    while (left > 0) {
      const image = this.#imageOf(number, newest);
      if (image === undefined) return undefined;
      const page = Buffer.alloc(pageBytes);
      this.#read(image.file, image.offset, page);
      const part = page.subarray(4, 4 + Math.min(left, pageBytes - 4));
      parts.push(part);
      left -= part.byteLength;
      number = page.readUInt32BE(0);
    }
    return Buffer.concat(parts);
  }

  #imageOf(number: number, newest: boolean): Image | undefined {
    const offset = newest ? this.#inLog.get(number) : undefined;
    if (offset !== undefined) return { file: 'log', offset };
    return number >= 1 && number <= this.#rowsPages ? { file: 'rows', offset: (number - 1) * pageBytes } : undefined;
  }

  #read(file: Image['file'], offset: number, into: Buffer): void {
    const fd = file === 'rows' ? this.#rows : this.#log;
    if (fd === undefined || this.#disk.read(fd, into, offset) < into.byteLength) into.fill(0);
  }
}

function frameOffset(frame: number): number {
  return logHeaderBytes + frame * (frameHeaderBytes + pageBytes) + frameHeaderBytes;
}

type Varint = { readonly value: number; readonly end: number };

/** SQLite's variable-length integer; `undefined` for one that leaves the page or is greater than any of ours. */
function varint(bytes: Buffer, at: number): Varint | undefined {
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const byte = bytes[at + i];
    if (byte === undefined || value > Number.MAX_SAFE_INTEGER / 128) return undefined;
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, end: at + i + 1 };
  }
  return undefined;
}

/** The kinds of a record's values, which its header lists. */
function kindsIn(record: Buffer): readonly number[] | undefined {
  const header = varint(record, 0);
  if (header === undefined || header.value > Math.min(record.byteLength, headerBytesMax)) return undefined;
  const kinds: number[] = [];
  for (let at = header.end; at < header.value; ) {
    const kind = varint(record, at);
    if (kind === undefined) return undefined;
    kinds.push(kind.value);
    at = kind.end;
  }
  return kinds;
}

function valuesIn(record: Buffer, kinds: readonly number[]): readonly RecoveredValue[] | undefined {
  const values: RecoveredValue[] = [];
  let at = varint(record, 0)?.value ?? 0;
  for (const kind of kinds) {
    const bytes = bytesOf(kind);
    if (bytes === undefined || at + bytes > record.byteLength) return undefined;
    values.push(valueIn(record.subarray(at, at + bytes), kind));
    at += bytes;
  }
  return values;
}

/** By the kinds of SQLite's record format; blobs are not among ours. */
function bytesOf(kind: number): number | undefined {
  if (kind >= 13 && kind % 2 === 1) return (kind - 13) / 2;
  return [0, 1, 2, 3, 4, 6, 8, 8, 0, 0][kind];
}

function valueIn(bytes: Buffer, kind: number): RecoveredValue {
  switch (kind) {
    case 0:
      return null;
    case 6:
      return Number(bytes.readBigInt64BE());
    case 7:
      return bytes.readDoubleBE();
    case 8:
    case 9:
      return kind - 8;
    default:
      return kind < 6 ? bytes.readIntBE(0, bytes.byteLength) : bytes.toString('utf8');
  }
}
