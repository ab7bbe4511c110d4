import type { Readable } from 'node:stream';

/** Of what comes from a server, that is parsed before everybody else has a turn: some tenths of a millisecond. */
const turnBytesMax = 256 * 1024;

/** What is shorter comes alone, and nearly every answer is: a stream is read in pieces of 64 KiB where there is more of it. */
const pieceBytesMin = 16 * 1024;

/**
 * How fast answers of servers are read: rows are parsed on the thread that serves everybody, as they come, and a page of long
 * contents comes in thousands of pieces, of which the system gives dozens at a time. All connections together have so
 * many bytes in one turn of the thread; what comes beyond that waits in its connection for the next.
 */
export class ReadingPace {
  readonly #turnBytesMax: number;
  readonly #waiting = new Set<Readable>();
  #left: number;
  #isOver = false;

  constructor(bytesMax: number = turnBytesMax) {
    this.#turnBytesMax = bytesMax;
    this.#left = bytesMax;
  }

  /** From now on a stream that flows gives way. */
  slow(stream: Readable): void {
    stream.on('data', (piece: Uint8Array) => this.#read(stream, piece.byteLength));
  }

  #read(stream: Readable, bytes: number): void {
    if (bytes < pieceBytesMin) return;
    this.#left -= bytes;
    if (!this.#isOver) {
      this.#isOver = true;
      setImmediate(() => this.#nextTurn());
    }
    if (this.#left > 0) return;
    this.#waiting.add(stream);
    stream.pause();
  }

  #nextTurn(): void {
    this.#left = this.#turnBytesMax;
    this.#isOver = false;
    for (const stream of this.#waiting) stream.resume();
    this.#waiting.clear();
  }
}

/** Of all connections of this process: they share its thread. */
export const readingPace = new ReadingPace();
