import { isUtf8 } from 'node:buffer';
import { limits } from '../../limits.ts';
import { CommandError } from '../terminal.ts';
import { type Found, Head } from './head.ts';
import { utf8Text } from './input-text.ts';

/** One record of an input as it stood there, or why it cannot be sent. `line` counts from 1. */
export type InputRecord =
  | { readonly line: number; readonly json: string }
  | { readonly line: number; readonly refusal: string };

const [newline, carriageReturn, quote, backslash] = [0x0a, 0x0d, 0x22, 0x5c];
const [braceOpen, braceClose, bracketOpen, bracketClose, comma] = [0x7b, 0x7d, 0x5b, 0x5d, 0x2c];
const isSpace = (byte: number) => byte === 0x20 || byte === 0x09 || byte === newline || byte === carriageReturn;

/** Enough to tell the two forms apart, however much space stands before the first record. */
const headBytesMax = 64 * 1024;

/**
 * Reads NDJSON, or arrays and `{"results": […]}`, one or several after each other, as text or gzip, holding no more than
 * one record at a time. Which of them it is, its first bytes say.
 */
export async function* inputRecords(source: AsyncIterable<Buffer>): AsyncGenerator<InputRecord, void, undefined> {
  const chunks = utf8Text(source);
  const head = withoutMark(await firstBytes(chunks));
  const found = headOf(head);
  const splitter = found === 'array' || found === 'page' ? new ArraySplitter() : new LineSplitter();
  yield* splitter.push(head);
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield* splitter.push(next.value);
  yield* splitter.end();
}

async function firstBytes(chunks: AsyncIterator<Buffer>): Promise<Buffer> {
  let head: Buffer = Buffer.alloc(0);
  while (head.length < headBytesMax) {
    const next = await chunks.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
    if (headOf(withoutMark(head)) !== 'unknown') break;
  }
  return head;
}

function headOf(bytes: Buffer): Found {
  const head = new Head();
  for (const byte of bytes) {
    const found = head.take(byte);
    if (found !== 'unknown') return found;
  }
  return 'unknown';
}

function withoutMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, 3).toString('hex') === 'efbbbf' ? bytes.subarray(3) : bytes;
}

/** The bytes of the record that is being read; of one that is too long only their number is kept. */
class Held {
  #parts: Buffer[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  add(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes <= limits.ndjsonLineBytesMax) this.#parts.push(part);
    else this.#parts = [];
  }

  /** `undefined` when nothing but space was held. */
  take(line: number): InputRecord | undefined {
    const tooLong = this.#bytes > limits.ndjsonLineBytesMax;
    const bytes = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    if (tooLong) return { line, refusal: `is longer than ${limits.ndjsonLineBytesMax} bytes` };
    if (bytes === undefined) return undefined;
    if (!isUtf8(bytes)) return { line, refusal: 'is not UTF-8' };
    const json = bytes.toString('utf8').trim();
    return json === '' ? undefined : { line, json };
  }
}

class LineSplitter {
  readonly #held = new Held();
  #line = 1;

  *push(bytes: Buffer): Generator<InputRecord, void, undefined> {
    let from = 0;
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, from)) {
      this.#held.add(bytes.subarray(from, end));
      from = end + 1;
      const record = this.#held.take(this.#line);
      this.#line++;
      if (record !== undefined) yield record;
    }
    this.#held.add(bytes.subarray(from));
  }

  *end(): Generator<InputRecord, void, undefined> {
    const record = this.#held.take(this.#line);
    if (record !== undefined) yield record;
  }
}

/** Cuts the elements of arrays apart without parsing them, and passes over the rest of the objects they stand in. */
class ArraySplitter {
  readonly #held = new Held();
  #line = 1;
  #recordLine = 0;
  #depth = 0;
  #inText = false;
  #escaped = false;
  #place: 'before' | 'array' | 'rest' = 'before';
  /** What stands before the records that come next. */
  #head = new Head();
  #inObject = false;

  *push(bytes: Buffer): Generator<InputRecord, void, undefined> {
    let from = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === newline) this.#line++;
      if (this.#place === 'before') {
        this.#open(byte);
        from = at + 1;
        continue;
      }
      const separates = !this.#inText && this.#depth === 0 && (byte === comma || byte === bracketClose);
      if (this.#place === 'array' && separates) {
        this.#held.add(bytes.subarray(from, at));
        yield* this.#take();
        from = at + 1;
        if (byte === bracketClose) this.#place = this.#inObject ? 'rest' : 'before';
        continue;
      }
      if (this.#place === 'rest' && !this.#inText && this.#depth === 0 && byte === braceClose) this.#place = 'before';
      else this.#step(byte, bytes, at);
      if (this.#recordLine === 0 && !isSpace(byte)) this.#recordLine = this.#line;
    }
    if (this.#place === 'array') this.#held.add(bytes.subarray(from));
  }

  end(): readonly InputRecord[] {
    if (this.#place === 'before' && this.#head.isEmpty) return [];
    throw new CommandError(`line ${this.#line}: the input ends before its records do`);
  }

  #open(byte: number): void {
    const found = this.#head.take(byte);
    if (found === 'none') throw new CommandError(`line ${this.#line}: something follows the end of the records`);
    if (found === 'unknown') return;
    this.#inObject = found === 'page';
    this.#place = 'array';
    this.#head = new Head();
    this.#recordLine = 0;
  }

  #step(byte: number, bytes: Buffer, at: number): void {
    if (this.#inText) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === backslash) this.#escaped = true;
      else if (byte === quote) this.#inText = false;
      return;
    }
    if (byte === quote) this.#inText = true;
    else if (byte === braceOpen || byte === bracketOpen) this.#depth++;
    else if (byte === braceClose || byte === bracketClose) this.#depth--;
    // A record goes on as one line.
    else if (byte === newline || byte === carriageReturn) bytes[at] = 0x20;
  }

  *#take(): Generator<InputRecord, void, undefined> {
    const record = this.#held.take(this.#recordLine);
    if (record === undefined) return;
    this.#recordLine = 0;
    if ('json' in record && record.json.includes('\n'))
      yield { line: record.line, refusal: 'has a text with a line break' };
    else yield record;
  }
}
