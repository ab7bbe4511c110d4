import { limits } from '../../limits.ts';
import { shownName, unknownName } from '../../wire/nearest.ts';
import { type ApiError, invalid } from '../errors.ts';
import type { Line } from './lines.ts';

/** Fields of the body beside `results`: what a page of logs has, so that it can be posted as it was read. */
const bodyFields: readonly string[] = ['results', 'cursor'];

/** A body that is an object, of which one field holds a long list. */
export type ListBody = {
  /** The name of that field. */
  readonly list: string;
  /** What its elements are called. */
  readonly of: string;
  readonly elementBytesMax: number;
  /** Hears of each other field, whose `text` is yet to be read and checked; may throw instead. */
  readonly other: (name: string, text: () => string) => void;
};

/**
 * Cuts the body `{"results": [ … ]}` into the texts of its records without parsing it as a whole: what a record costs
 * to parse stays bounded, however deep or wide the body is. Only its outline is checked here, and a 400 says where it
 * breaks; each record's own text may still not be JSON.
 */
export function recordTexts(body: string, elementBytesMax: number): Generator<Line> {
  const other = (name: string, text: () => string) => {
    if (!bodyFields.includes(name)) throw invalid(shownName(name), unknownName(name, bodyFields, 'field'));
    fieldValue(name, text(), elementBytesMax);
  };
  return elementTexts(body, { list: 'results', of: 'logs', elementBytesMax, other });
}

/** As `recordTexts`, of any such body. */
export function* elementTexts(body: string, { list, of, elementBytesMax, other }: ListBody): Generator<Line> {
  const outline = new Outline(body);
  let isGiven = false;
  for (const name of names(outline, `must be a JSON object with ${list}`)) {
    if (name === list) yield* elements(outline, name, of, elementBytesMax);
    else other(name, () => outline.value());
    isGiven ||= name === list;
  }
  if (!isGiven) throw invalid(list, 'is required');
}

/** The fields of a text that is an object, each with the text of its value. */
export function* fieldTexts(text: string): Generator<readonly [name: string, text: string]> {
  const outline = new Outline(text);
  for (const name of names(outline, 'must be a JSON object')) yield [name, outline.value()];
}

/** The elements of a text that is a list, each as its text. */
export function* listTexts(text: string): Generator<string> {
  const outline = new Outline(text);
  for (const element of elements(outline, 'body', 'values', Number.POSITIVE_INFINITY)) yield element.text ?? '';
  outline.expectEnd();
}

/** The names of an object's fields: after each, whoever asked steps over its value. */
function* names(outline: Outline, otherwise: string): Generator<string> {
  const given = new Set<string>();
  if (!outline.takes('{')) throw invalid('body', otherwise);
  if (!outline.takes('}')) {
    do {
      const name = outline.name();
      outline.expect(':', 'must have a colon');
      // Otherwise a body could be a million of them, that nobody would have a turn between.
      if (given.has(name)) throw invalid(name, 'must be given only once');
      if (given.size >= limits.bodyFieldsMax) throw invalid('body', `must have at most ${limits.bodyFieldsMax} fields`);
      yield name;
      given.add(name);
    } while (outline.takes(','));
    outline.expect('}', 'must have a comma or the end of the object');
  }
  outline.expectEnd();
}

function* elements(outline: Outline, name: string, of: string, bytesMax: number): Generator<Line> {
  if (!outline.takes('[')) throw invalid(name, `must be an array of ${of}`);
  if (outline.takes(']')) return;
  do {
    const text = outline.value();
    const tooLong = text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax;
    yield tooLong ? { flaw: `is longer than ${bytesMax} bytes` } : { text };
  } while (outline.takes(','));
  outline.expect(']', 'must have a comma or the end of the array');
}

/** The value of a field beside the list. */
export function fieldValue(name: string, text: string, charsMax: number): unknown {
  if (text.length > charsMax) throw invalid(shownName(name), `is longer than ${charsMax} bytes`);
  const { value, flaw } = jsonIn(text);
  if (flaw !== undefined) throw invalid(shownName(name), flaw);
  return value;
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
const newline = 0x0a;
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
    const text = this.#text;
    for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
      let before = end - 1;
      while (text.charCodeAt(before) === backslash) before--;
      if ((end - 1 - before) % 2 === 0) return end + 1;
    }
    throw this.#broken('must end this text', start);
  }

  #containerEnd(start: number): number {
    const text = this.#text;
    let depth = 0;
    for (let at = start; at < text.length; at++) {
      const code = text.charCodeAt(at);
      // All that opens, closes or quotes is one of these, and most of a body is not.
      if (code === quote) at = this.#stringEnd(at) - 1;
      else if (code < 0x5b) continue;
      else if (isOpening(code)) depth++;
      else if (isClosing(code) && --depth === 0) return at + 1;
    }
    throw this.#broken('must close this bracket', start);
  }

  #broken(violation: string, at = this.#at): ApiError {
    let [line, start] = [1, 0];
    // One by one: a body may be nothing but ends of lines, and to search for each takes ten times as long.
    for (let end = 0; end < at; end++)
      if (this.#text.charCodeAt(end) === newline) {
        line++;
        start = end + 1;
      }
    return invalid('body', `is not JSON: ${violation} at line ${line}, column ${at - start + 1}`);
  }
}
