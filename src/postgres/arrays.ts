/**
 * Columns of a batch as PostgreSQL's binary arrays: for `unnest`, without the quoting and unquoting that the text form
 * costs on both sides.
 */
const oid = { smallint: 21, integer: 23, text: 25, double: 701, bigint: 20 } as const;
const headerBytes = 20;
const nullLength = -1;

type Optional<T> = readonly (T | undefined)[];

export function bigints(values: Optional<number>): Buffer {
  return fixed(oid.bigint, 8, values, (buffer, value, at) => {
    buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), at);
    buffer.writeUInt32BE(value >>> 0, at + 4);
  });
}

export function integers(values: Optional<number>): Buffer {
  return fixed(oid.integer, 4, values, (buffer, value, at) => buffer.writeInt32BE(value, at));
}

export function smallints(values: Optional<number>): Buffer {
  return fixed(oid.smallint, 2, values, (buffer, value, at) => buffer.writeInt16BE(value, at));
}

export function doubles(values: Optional<number>): Buffer {
  return fixed(oid.double, 8, values, (buffer, value, at) => buffer.writeDoubleBE(value, at));
}

export function texts(values: Optional<string>): Buffer {
  let bytes = headerBytes;
  for (const value of values) bytes += 4 + (value === undefined ? 0 : Buffer.byteLength(value));
  const buffer = Buffer.allocUnsafe(bytes);
  let at = header(buffer, oid.text, values);
  for (const value of values) {
    const length = value === undefined ? nullLength : buffer.write(value, at + 4);
    buffer.writeInt32BE(length, at);
    at += 4 + Math.max(0, length);
  }
  return buffer;
}

function fixed(
  type: number,
  width: number,
  values: Optional<number>,
  write: (buffer: Buffer, value: number, at: number) => void,
): Buffer {
  const present = values.reduce<number>((count, value) => count + Number(value !== undefined), 0);
  const buffer = Buffer.allocUnsafe(headerBytes + values.length * 4 + present * width);
  let at = header(buffer, type, values);
  for (const value of values) {
    buffer.writeInt32BE(value === undefined ? nullLength : width, at);
    at += 4;
    if (value === undefined) continue;
    write(buffer, value, at);
    at += width;
  }
  return buffer;
}

/** One dimension from 1 on; returns where the elements begin. */
function header(buffer: Buffer, type: number, values: Optional<unknown>): number {
  const hasNull = values.includes(undefined) ? 1 : 0;
  buffer.writeInt32BE(1, 0);
  buffer.writeInt32BE(hasNull, 4);
  buffer.writeInt32BE(type, 8);
  buffer.writeInt32BE(values.length, 12);
  buffer.writeInt32BE(1, 16);
  return headerBytes;
}
