import { type ClientBase, type Connection, Query } from 'pg';

/**
 * A `COPY … FROM STDIN`, sent together with its rows instead of waiting for the server to ask for them: it passes over
 * them when the statement fails. `rows` is what `RowsWriter.finish` gives.
 */
export function copyIn(client: ClientBase, text: string, rows: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(new CopyIn(text, rows, error => (error ? reject(error) : resolve())));
  });
}

class CopyIn extends Query {
  /** Called by the driver when its turn has come. */
  override submit: (connection: Connection) => void;

  constructor(text: string, rows: Uint8Array, done: (error: Error | null | undefined) => void) {
    super({ text }, done);
    this.submit = connection => {
      connection.query(text);
      if (connection.stream.writable) connection.stream.write(rows);
    };
  }

  /** The driver would refuse to send any rows. */
  handleCopyInResponse(): void {}
}

const signature = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const nullLength = -1;
const frame = { data: 0x64, done: 0x63 } as const;
const frameHeaderBytes = 5;
/** Of one UTF-16 unit in UTF-8. */
const charBytesMax = 3;
/** What the end takes: the end of the rows, and the message that says they are complete. */
const endBytes = 2 + frameHeaderBytes;

/** Writes rows in the binary form of COPY, framed as the messages that carry them. */
export class RowsWriter {
  #buffer: Buffer;
  #at: number;

  constructor(bytesExpected: number) {
    this.#buffer = Buffer.allocUnsafe(frameHeaderBytes + signature.length + bytesExpected + endBytes);
    this.#at = frameHeaderBytes;
    this.#at += signature.copy(this.#buffer, this.#at);
  }

  /** Begins a row of so many fields. */
  row(fields: number): void {
    this.#reserve(2);
    this.#at = this.#buffer.writeInt16BE(fields, this.#at);
  }

  smallint(value: number): void {
    this.#length(2);
    this.#at = this.#buffer.writeInt16BE(value, this.#at);
  }

  integer(value: number): void {
    this.#length(4);
    this.#at = this.#buffer.writeInt32BE(value, this.#at);
  }

  bigint(value: number | undefined): void {
    if (value === undefined) return this.nothing();
    this.#length(8);
    this.#at = this.#buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), this.#at);
    this.#at = this.#buffer.writeUInt32BE(value >>> 0, this.#at);
  }

  double(value: number | undefined): void {
    if (value === undefined) return this.nothing();
    this.#length(8);
    this.#at = this.#buffer.writeDoubleBE(value, this.#at);
  }

  text(value: string | undefined): void {
    if (value === undefined) return this.nothing();
    this.#reserve(4 + value.length * charBytesMax);
    const bytes = this.#buffer.write(value, this.#at + 4);
    this.#buffer.writeInt32BE(bytes, this.#at);
    this.#at += 4 + bytes;
  }

  nothing(): void {
    this.#length(0);
    this.#buffer.writeInt32BE(nullLength, this.#at - 4);
  }

  /** The bytes to send. Not to be called twice. */
  finish(): Uint8Array {
    this.#reserve(endBytes);
    this.#at = this.#buffer.writeInt16BE(-1, this.#at);
    this.#buffer[0] = frame.data;
    this.#buffer.writeInt32BE(this.#at - 1, 1);
    this.#buffer[this.#at] = frame.done;
    this.#at = this.#buffer.writeInt32BE(4, this.#at + 1);
    return this.#buffer.subarray(0, this.#at);
  }

  #length(bytes: number): void {
    this.#reserve(4 + bytes);
    this.#at = this.#buffer.writeInt32BE(bytes, this.#at);
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#at);
    this.#buffer = grown;
  }
}
