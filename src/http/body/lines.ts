import { isUtf8 } from 'node:buffer';

/** A line of a body, or why it is not one that can be read; `value` where its JSON was parsed already. */
export type Line =
  | { readonly text: string; readonly value?: unknown; readonly flaw?: never }
  | { readonly text?: never; readonly flaw: string };

const newline = 0x0a;
/** Passed over in one step. */
const blankLinesMax = 16 * 1024;
const byteOrderMark = '\ufeff';

/**
 * Cuts a body into lines, however it comes in pieces. Blank lines are left out, and so is a byte order mark at the
 * start. Of a line that is too long nothing is kept.
 */
export class LineSplitter {
  readonly #lineBytesMax: number;
  /** The line under way: its first `#heldBytes` bytes. It grows as needed, up to the longest line. */
  #held = Buffer.alloc(0);
  #heldBytes = 0;
  #overflowed = false;
  #first = true;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /**
   * The lines that end in this piece; for blank ones, how long they are, as a body may be nothing else. All of them must be taken
   * before the next piece is given.
   */
  *push(piece: Buffer): Generator<Line | number> {
    let start = 0;
    if (this.#heldBytes > 0 || this.#overflowed) {
      const end = piece.indexOf(newline);
      this.#hold(end < 0 ? piece : piece.subarray(0, end));
      if (end < 0) return;
      yield* this.end();
      start = end + 1;
    }
    const last = piece.lastIndexOf(newline);
    if (last >= start) yield* this.#lines(piece.subarray(start, last));
    this.#hold(piece.subarray(Math.max(start, last + 1)));
  }

  /** What is left when the body ends: a last line that no newline ends. */
  *end(): Generator<Line | number> {
    const line = this.#held.subarray(0, this.#heldBytes);
    const overflowed = this.#overflowed;
    this.#heldBytes = 0;
    this.#overflowed = false;
    if (overflowed) yield this.#tooLong();
    else yield* this.#lines(line);
  }

  *#lines(bytes: Buffer): Generator<Line | number> {
    if (!isUtf8(bytes)) return yield* this.#linesOneByOne(bytes);
    const text = bytes.toString();
    for (let start = 0; start <= text.length; ) {
      // Without a step for each of them: they are passed over ten times as fast.
      let end = start;
      while (end < start + blankLinesMax && text.charCodeAt(end) === newline) end++;
      if (end > start) {
        this.#first = false;
        yield end - start;
        start = end;
        continue;
      }
      const found = text.indexOf('\n', start);
      end = found < 0 ? text.length : found;
      yield this.#line(text.slice(start, end));
      start = end + 1;
    }
  }

  /** Somewhere in here is a line that is not UTF-8: the others are still read. */
  *#linesOneByOne(bytes: Buffer): Generator<Line | number> {
    for (let start = 0; start <= bytes.length; ) {
      const found = bytes.indexOf(newline, start);
      const end = found < 0 ? bytes.length : found;
      const part = bytes.subarray(start, end);
      yield isUtf8(part) ? this.#line(part.toString()) : this.#notUtf8(part);
      start = end + 1;
    }
  }

  #line(text: string): Line | number {
    const marked = this.#first && text.startsWith(byteOrderMark);
    this.#first = false;
    const plain = marked ? text.slice(1) : text;
    // No character takes more than three bytes for each of its units.
    if (plain.length * 3 > this.#lineBytesMax && Buffer.byteLength(plain) > this.#lineBytesMax) return this.#tooLong();
    return isBlank(plain) ? plain.length : { text: plain };
  }

  #notUtf8(bytes: Buffer): Line {
    this.#first = false;
    return bytes.length > this.#lineBytesMax ? this.#tooLong() : { flaw: 'is not UTF-8' };
  }

  #tooLong(): Line {
    this.#first = false;
    return { flaw: `is longer than ${this.#lineBytesMax} bytes` };
  }

  #hold(bytes: Buffer): void {
    if (this.#overflowed) return;
    const heldBytes = this.#heldBytes + bytes.length;
    // Three more than the longest line: a byte order mark does not count.
    if (heldBytes > this.#lineBytesMax + 3) {
      this.#overflowed = true;
      this.#heldBytes = 0;
      return;
    }
    if (heldBytes > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(heldBytes, 2 * this.#held.length));
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    bytes.copy(this.#held, this.#heldBytes);
    this.#heldBytes = heldBytes;
  }
}

/** Nothing but spaces, tabs and carriage returns, which JSON allows around a value. */
function isBlank(text: string): boolean {
  const first = text.charCodeAt(0);
  return !(first > 0x20) && text.trim() === '';
}
