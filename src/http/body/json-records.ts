import { shownName, unknownName } from '../../wire/nearest.ts';
import { type ApiError, invalid } from '../errors.ts';
import type { Line } from './lines.ts';

/** Fields of the body beside `results`: what a page of logs has, so that it can be posted as it was read. */
const bodyFields: readonly string[] = ['results', 'cursor'];

/**
 * Cuts the body `{"results": [ … ]}` into the texts of its records without parsing it as a whole: what a record costs
 * to parse stays bounded, however deep or wide the body is. Only its outline is checked here, and a 400 says where it
 * breaks; each record's own text may still not be JSON.
 */
export function* recordTexts(body: string, recordBytesMax: number): Generator<Line> {
  const outline = new Outline(body);
  const given = new Set<string>();
  if (!outline.takes('{')) throw invalid('body', 'must be a JSON object with results');
  if (!outline.takes('}')) {
    do {
      const name = outline.name();
      outline.expect(':', 'must have a colon');
      // Otherwise a body could be a million of them, that nobody would have a turn between.
      if (given.has(name)) throw invalid(name, 'must be given only once');
      if (name === 'results') yield* elements(outline, recordBytesMax);
      else skipField(outline, name, recordBytesMax);
      given.add(name);
    } while (outline.takes(','));
    outline.expect('}', 'must have a comma or the end of the object');
  }
  outline.expectEnd();
  if (!given.has('results')) throw invalid('results', 'is required');
}

function* elements(outline: Outline, recordBytesMax: number): Generator<Line> {
  if (!outline.takes('[')) throw invalid('results', 'must be an array of logs');
  if (outline.takes(']')) return;
  do {
    const text = outline.value();
    const tooLong = text.length * 3 > recordBytesMax && Buffer.byteLength(text) > recordBytesMax;
    yield tooLong ? { flaw: `is longer than ${recordBytesMax} bytes` } : { text };
  } while (outline.takes(','));
  outline.expect(']', 'must have a comma or the end of the array');
}

function skipField(outline: Outline, name: string, bytesMax: number): void {
  if (!bodyFields.includes(name)) throw invalid(shownName(name), unknownName(name, bodyFields, 'field'));
  const text = outline.value();
  if (text.length > bytesMax) throw invalid(name, `is longer than ${bytesMax} bytes`);
  const { flaw } = jsonIn(text);
  if (flaw !== undefined) throw invalid(name, flaw);
}

/** What a text of JSON says, or why it is none. */
export function jsonIn(text: string): { readonly value: unknown; readonly flaw?: string } {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    if (error instanceof SyntaxError) return { value: undefined, flaw: `is not JSON: ${error.message}` };
    throw error;
  }
}

const quote = 0x22;
const backslash = 0x5c;
const isOpening = (code: number) => code === 0x5b || code === 0x7b;
const isClosing = (code: number) => code === 0x5d || code === 0x7d;
const space = /[ \t\r\n]*/y;
const scalar = /[^\s,\]}]+/y;

/** Walks the outline of JSON text: names, and where values begin and end. */
class Outline {
  readonly #text: string;
  #at: number;

  constructor(text: string) {
    this.#text = text;
    this.#at = text.startsWith('\ufeff') ? 1 : 0;
  }

  /** Steps over a character if it comes next. */
  takes(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  expect(character: string, otherwise: string): void {
    if (!this.takes(character)) throw this.#broken(otherwise);
  }

  expectEnd(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#broken('must end');
  }

  name(): string {
    this.#skipSpace();
    if (this.#text.charCodeAt(this.#at) !== quote) throw this.#broken('must have a name in quotes');
    const start = this.#at;
    const text = this.value();
    const { value, flaw } = jsonIn(text);
    if (flaw !== undefined) throw this.#broken('must have a name that is JSON', start);
    return String(value);
  }

  /** The text of the next value, whose brackets are counted and nothing more. */
  value(): string {
    this.#skipSpace();
    const start = this.#at;
    const code = this.#text.charCodeAt(start);
    if (code === quote) this.#at = this.#stringEnd(start);
    else if (isOpening(code)) this.#at = this.#containerEnd(start);
    else this.#at = this.#scalarEnd(start);
    return this.#text.slice(start, this.#at);
  }

  #skipSpace(): void {
    space.lastIndex = this.#at;
    space.test(this.#text);
    this.#at = space.lastIndex;
  }

  #scalarEnd(start: number): number {
    scalar.lastIndex = start;
    if (!scalar.test(this.#text)) throw this.#broken('must have a value');
    return scalar.lastIndex;
  }

  #stringEnd(start: number): number {
    for (let at = start + 1; at < this.#text.length; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === backslash) at++;
      else if (code === quote) return at + 1;
    }
    throw this.#broken('must end this text', start);
  }

  #containerEnd(start: number): number {
    let depth = 0;
    for (let at = start; at < this.#text.length; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === quote) at = this.#stringEnd(at) - 1;
      else if (isOpening(code)) depth++;
      else if (isClosing(code) && --depth === 0) return at + 1;
    }
    throw this.#broken('must close this bracket', start);
  }

  #broken(violation: string, at = this.#at): ApiError {
    let [line, start] = [1, 0];
    for (let end = this.#text.indexOf('\n'); end >= 0 && end < at; end = this.#text.indexOf('\n', start)) {
      line++;
      start = end + 1;
    }
    return invalid('body', `is not JSON: ${violation} at line ${line}, column ${at - start + 1}`);
  }
}
