import { isUtf8 } from 'node:buffer';
import { limits } from '../../limits.ts';
import { CommandError } from '../terminal.ts';
import { Head } from './head.ts';
import { utf8Text } from './input-text.ts';

/** One record of an input as it stood there, or why it cannot be sent. `line` counts from 1. */
export type InputRecord =
  | { readonly line: number; readonly json: string }
  | { readonly line: number; readonly refusal: string };

const [newline, carriageReturn, recordSeparator, quote, backslash] = [0x0a, 0x0d, 0x1e, 0x22, 0x5c];
const [braceOpen, braceClose, bracketOpen, bracketClose, comma] = [0x7b, 0x7d, 0x5b, 0x5d, 0x2c];
const isSpace = (byte: number) => byte === 0x20 || byte === 0x09 || byte === newline || byte === carriageReturn;

/** Enough to tell the two forms apart, however much space stands before the first record. */
const headBytesMax = 64 * 1024;

/**
 * Reads NDJSON; or JSON values one after another, each a record, an array of records or `{"results": […]}`, spread over lines
 * or not, with the separators of RFC 7464 or without. As text or packed, holding no more than one record at a time. Which of
 * the two forms it is, its first bytes say.
 */
export async function* inputRecords(source: AsyncIterable<Buffer>): AsyncGenerator<InputRecord, void, undefined> {
  const chunks = utf8Text(source);
  const { head, form } = await beginning(chunks);
  const splitter = form === 'values' ? new ValueSplitter() : new LineSplitter();
  yield* splitter.push(head);
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield* splitter.push(next.value);
  yield* splitter.end();
}

type Form = 'lines' | 'values';

async function beginning(chunks: AsyncIterator<Buffer>): Promise<{ readonly head: Buffer; readonly form: Form }> {
  let head: Buffer = Buffer.alloc(0);
  while (head.length < headBytesMax) {
    const next = await chunks.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
    const form = formOf(withoutMark(head));
    if (form !== undefined) return { head: withoutMark(head), form };
  }
  return { head: withoutMark(head), form: formOf(withoutMark(head), true) ?? 'lines' };
}

/** `undefined` when these bytes do not say it yet; `isAll` when no more of them are looked at. */
function formOf(bytes: Buffer, isAll = false): Form | undefined {
  const head = new Head();
  let isOver = false;
  for (const byte of bytes) {
    if (isOver && (byte === 0x20 || byte === 0x09)) continue;
    if (isOver) return byte === braceOpen || byte === bracketOpen ? 'values' : 'lines';
    if (head.isNew && (byte === bracketOpen || byte === recordSeparator)) return 'values';
    const found = head.take(byte);
    if (found === 'none') return 'lines';
    if (found === 'page' || (found === 'object' && head.isSpread)) return 'values';
    isOver = found === 'object';
  }
  return isAll && head.isSpread ? 'values' : undefined;
}

function withoutMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, 3).toString('hex') === 'efbbbf' ? bytes.subarray(3) : bytes;
}

/** The bytes of the record that is being read; of one that is too long only their number is kept. */
class Held {
  #parts: Buffer[] = [];
  #bytes = 0;

  add(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes <= limits.ndjsonLineBytesMax) this.#parts.push(part);
    else this.#parts = [];
  }

  drop(): void {
    this.#parts = [];
    this.#bytes = 0;
  }

  /** `undefined` when nothing but space was held. */
  take(line: number): InputRecord | undefined {
    const tooLong = this.#bytes > limits.ndjsonLineBytesMax;
    const bytes = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts);
    this.drop();
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

/** What becomes of a byte: it is of the record, of none, or the last of a record, or the record ended before it. */
type Part = 'record' | 'none' | 'last' | 'behind';

/** Cuts records apart without parsing them, and passes over what they stand in. */
class ValueSplitter {
  readonly #held = new Held();
  #line = 1;
  #recordLine = 0;
  #depth = 0;
  #inText = false;
  #escaped = false;
  /** Between values; in an object, a record unless it turns out to be a page; among records; in the rest of a page. */
  #place: 'between' | 'object' | 'array' | 'rest' = 'between';
  /** Of the object, as long as it may be a page. */
  #head: Head | undefined;
  #isInPage = false;

  *push(bytes: Buffer): Generator<InputRecord, void, undefined> {
    let from = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === newline) this.#line++;
      // A record goes on as one line.
      if ((byte === newline || byte === carriageReturn) && !this.#inText) bytes[at] = 0x20;
      if (byte === recordSeparator) yield* this.#cutShort();
      const part = byte === recordSeparator ? 'none' : this.#step(byte);
      if (part === 'record') continue;
      if (part === 'none') this.#held.drop();
      else {
        this.#held.add(bytes.subarray(from, part === 'last' ? at + 1 : at));
        yield* this.#take();
      }
      from = at + 1;
    }
    this.#held.add(bytes.subarray(from));
  }

  end(): readonly InputRecord[] {
    if (this.#place === 'between') return [];
    throw new CommandError(`line ${this.#line}: the input ends before its records do`);
  }

  #step(byte: number): Part {
    const isBetweenRecords = !this.#inText && this.#depth === 0;
    switch (this.#place) {
      case 'between':
        return this.#begin(byte);
      case 'object':
        return this.#goOn(byte);
      case 'array':
        if (isBetweenRecords && byte === comma) return 'behind';
        if (isBetweenRecords && byte === bracketClose) {
          this.#place = this.#isInPage ? 'rest' : 'between';
          return 'behind';
        }
        if (this.#recordLine === 0 && !isSpace(byte)) this.#recordLine = this.#line;
        this.#nest(byte);
        return 'record';
      case 'rest':
        if (isBetweenRecords && byte === braceClose) this.#place = 'between';
        else this.#nest(byte);
        return 'none';
    }
  }

  #begin(byte: number): Part {
    if (isSpace(byte)) return 'none';
    if (byte !== bracketOpen && byte !== braceOpen)
      throw new CommandError(`line ${this.#line}: here a record should begin, or a list of records`);
    this.#isInPage = false;
    this.#recordLine = 0;
    if (byte === bracketOpen) {
      this.#place = 'array';
      return 'none';
    }
    this.#place = 'object';
    this.#head = new Head();
    this.#recordLine = this.#line;
    return this.#goOn(byte);
  }

  #goOn(byte: number): Part {
    this.#nest(byte);
    const found = this.#head?.take(byte) ?? 'none';
    if (found === 'page') {
      this.#place = 'array';
      this.#isInPage = true;
      this.#depth = 0;
      this.#recordLine = 0;
      return 'none';
    }
    if (found !== 'unknown') this.#head = undefined;
    if (this.#depth > 0) return 'record';
    this.#place = 'between';
    return 'last';
  }

  #nest(byte: number): void {
    if (this.#inText) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === backslash) this.#escaped = true;
      else if (byte === quote) this.#inText = false;
    } else if (byte === quote) this.#inText = true;
    else if (byte === braceOpen || byte === bracketOpen) this.#depth++;
    else if (byte === braceClose || byte === bracketClose) this.#depth--;
  }

  /** Of a sequence (RFC 7464, 2.3), what follows a value that is not whole is read on. */
  *#cutShort(): Generator<InputRecord, void, undefined> {
    const isCut = this.#place === 'object' || this.#place === 'array';
    if (isCut) yield { line: this.#recordLine || this.#line, refusal: 'ends before it is whole' };
    this.#place = 'between';
    this.#depth = 0;
    this.#inText = false;
    this.#escaped = false;
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
