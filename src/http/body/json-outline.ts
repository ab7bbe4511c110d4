import { type ApiError, invalid } from '../errors.ts';

/** What is walked over in one piece. */
const pieceChars = 64 * 1024;
/** As it is written. Nothing that is known has a longer one. */
const nameCharsMax = 1000;

const [quote, backslash, newline] = [0x22, 0x5c, 0x0a];
const [comma, bracketClose, braceClose] = [0x2c, 0x5d, 0x7d];
const isSpace = (code: number) => code === 0x20 || code === newline || code === 0x0d || code === 0x09;
const isOpening = (code: number) => code === 0x5b || code === 0x7b;
const isClosing = (code: number) => code === bracketClose || code === braceClose;

/** What a text of JSON says, or why it is none. */
export function jsonIn(text: string): { readonly value: unknown; readonly flaw?: string } {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    if (error instanceof SyntaxError) return { value: undefined, flaw: `is not JSON: ${error.message}` };
    throw error;
  }
}

/** So far into a text its lines are counted, to say where it breaks. */
const placedCharsMax = 256 * 1024;

/**
 * Walks the outline of JSON text: names, and where values begin and end. Any part of it may be as long as a body, so each step
 * goes over a piece at most and is `undefined` when there is more: asked again, it goes on there. `wholly` does that.
 */
export class Outline {
  readonly #text: string;
  readonly #property: string;
  #at: number;
  /** Of a value under way: where it began, how deep it is, and where the text began that `#at` is inside of. */
  #start = -1;
  #depth = 0;
  #textStart = -1;

  /** `property` is what the text is called where it breaks. */
  constructor(text: string, property: string) {
    this.#text = text;
    this.#property = property;
    this.#at = text.startsWith('\ufeff') ? 1 : 0;
  }

  /** Steps over a character if it comes next. */
  takes(character: string): boolean | undefined {
    if (!this.#skipSpace()) return undefined;
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  expect(character: string, otherwise: string): true | undefined {
    const isTaken = this.takes(character);
    if (isTaken === false) throw this.#broken(otherwise);
    return isTaken;
  }

  expectEnd(): true | undefined {
    if (!this.#skipSpace()) return undefined;
    if (this.#at < this.#text.length) throw this.#broken('must end');
    return true;
  }

  name(): string | undefined {
    if (this.#start < 0 && !this.#skipSpace()) return undefined;
    const start = this.#start < 0 ? this.#at : this.#start;
    if (this.#text.charCodeAt(start) !== quote) throw this.#broken('must have a name in quotes');
    const text = this.value();
    if (text === undefined) return undefined;
    if (text.length > nameCharsMax) throw this.#broken(`must have a name of at most ${nameCharsMax} characters`, start);
    const { value, flaw } = jsonIn(text);
    if (flaw !== undefined) throw this.#broken('must have a name that is JSON', start);
    return String(value);
  }

  /** The text of the next value, whose brackets are counted and nothing more. */
  value(): string | undefined {
    if (this.#start < 0) {
      if (!this.#skipSpace()) return undefined;
      this.#start = this.#at;
    }
    const start = this.#start;
    const first = this.#text.charCodeAt(start);
    if (!(first === quote || isOpening(first) ? this.#walk() : this.#walkScalar())) return undefined;
    this.#start = -1;
    return this.#text.slice(start, this.#at);
  }

  /** Whether there is no more of it. */
  #skipSpace(): boolean {
    const end = this.#at + pieceChars;
    while (this.#at < end && isSpace(this.#text.charCodeAt(this.#at))) this.#at++;
    return this.#at < end;
  }

  /** Whether the number or word is over. */
  #walkScalar(): boolean {
    const end = this.#at + pieceChars;
    while (this.#at < end && isOfScalar(this.#text.charCodeAt(this.#at))) this.#at++;
    if (this.#at === this.#start) throw this.#broken('must have a value');
    return this.#at < end;
  }

  /** Whether the text is over, or all that stands between brackets. */
  #walk(): boolean {
    const text = this.#text;
    const end = Math.min(this.#at + pieceChars, text.length);
    let [at, depth, textStart] = [this.#at, this.#depth, this.#textStart];
    while (at < end) {
      if (textStart >= 0) {
        const close = text.indexOf('"', at);
        if (close < 0) throw this.#broken('must end this text', textStart);
        // Where what comes before it may escape it, that is walked from its beginning.
        if (text.charCodeAt(close - 1) !== backslash) at = close;
        while (at < close && at < end) at += text.charCodeAt(at) === backslash ? 2 : 1;
        if (at !== close) continue;
        at++;
        textStart = -1;
      } else {
        const code = text.charCodeAt(at++);
        if (code === quote) textStart = at - 1;
        // All that opens or closes is one of these, and most of a body is not.
        if (code < 0x5b) continue;
        if (isOpening(code)) depth++;
        if (!isClosing(code)) continue;
        depth--;
      }
      if (depth > 0) continue;
      [this.#at, this.#depth, this.#textStart] = [at, 0, -1];
      return true;
    }
    if (at >= text.length)
      throw textStart < 0
        ? this.#broken('must close this bracket', this.#start)
        : this.#broken('must end this text', textStart);
    [this.#at, this.#depth, this.#textStart] = [at, depth, textStart];
    return false;
  }

  #broken(violation: string, at = this.#at): ApiError {
    return invalid(this.#property, `is not JSON: ${violation} at ${placeIn(this.#text, at)}`);
  }
}

/** Does a step of an outline to its end; gives how many characters each piece of it took, between which others have their turn. */
export function* wholly<T>(step: () => T | undefined): Generator<number, T> {
  for (;;) {
    const done = step();
    if (done !== undefined) return done;
    yield pieceChars;
  }
}

function placeIn(text: string, at: number): string {
  if (at > placedCharsMax) return `character ${at + 1}`;
  let [line, start] = [1, 0];
  // One by one: a body may be nothing but ends of lines, and to search for each takes ten times as long.
  for (let end = 0; end < at; end++)
    if (text.charCodeAt(end) === newline) {
      line++;
      start = end + 1;
    }
  return `line ${line}, column ${at - start + 1}`;
}

const isOfScalar = (code: number) => code > 0x20 && code !== comma && !isClosing(code);
