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

/**
 * Walks the outline of JSON text: names, and where values begin and end. After each piece of it the generators give how many
 * characters they walked over, so that others have their turn: any of what they walk over may be as long as a body.
 */
export class Outline {
  readonly #text: string;
  readonly #property: string;
  #at: number;

  /** `property` is what the text is called where it breaks. */
  constructor(text: string, property: string) {
    this.#text = text;
    this.#property = property;
    this.#at = text.startsWith('\ufeff') ? 1 : 0;
  }

  /** Steps over a character if it comes next. */
  *takes(character: string): Generator<number, boolean> {
    if (isSpace(this.#text.charCodeAt(this.#at))) yield* this.#space();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  *expect(character: string, otherwise: string): Generator<number, void> {
    if (!(yield* this.takes(character))) throw yield* this.#broken(otherwise);
  }

  *expectEnd(): Generator<number, void> {
    yield* this.#space();
    if (this.#at < this.#text.length) throw yield* this.#broken('must end');
  }

  *name(): Generator<number, string> {
    yield* this.#space();
    if (this.#text.charCodeAt(this.#at) !== quote) throw yield* this.#broken('must have a name in quotes');
    const start = this.#at;
    const text = yield* this.value();
    if (text.length > nameCharsMax)
      throw yield* this.#broken(`must have a name of at most ${nameCharsMax} characters`, start);
    const { value, flaw } = jsonIn(text);
    if (flaw !== undefined) throw yield* this.#broken('must have a name that is JSON', start);
    return String(value);
  }

  /** The text of the next value, whose brackets are counted and nothing more. */
  *value(): Generator<number, string> {
    if (isSpace(this.#text.charCodeAt(this.#at))) yield* this.#space();
    const start = this.#at;
    const code = this.#text.charCodeAt(start);
    if (code === quote || isOpening(code)) yield* this.#nested(start);
    else yield* this.#scalar(start);
    return this.#text.slice(start, this.#at);
  }

  *#space(): Generator<number, void> {
    for (let end = this.#at + pieceChars; ; end += pieceChars) {
      while (this.#at < end && isSpace(this.#text.charCodeAt(this.#at))) this.#at++;
      if (this.#at < end) return;
      yield pieceChars;
    }
  }

  *#scalar(start: number): Generator<number, void> {
    for (let end = start + pieceChars; ; end += pieceChars) {
      while (this.#at < end && isOfScalar(this.#text.charCodeAt(this.#at))) this.#at++;
      if (this.#at < end) break;
      yield pieceChars;
    }
    if (this.#at === start) throw yield* this.#broken('must have a value');
  }

  /** Over a text, or all that stands between brackets. */
  *#nested(start: number): Generator<number, void> {
    const text = this.#text;
    let [at, depth] = [start, 0];
    /** Where the text began that `at` is inside of. */
    let textStart = -1;
    while (at < text.length) {
      for (const end = Math.min(at + pieceChars, text.length); at < end; ) {
        if (textStart >= 0) {
          const close = text.indexOf('"', at);
          if (close < 0) throw yield* this.#broken('must end this text', textStart);
          at = close + 1;
          let run = close;
          while (text.charCodeAt(run - 1) === backslash) if ((close - --run) % pieceChars === 0) yield pieceChars;
          if ((close - run) % 2 === 1) continue;
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
        this.#at = at;
        return;
      }
      yield pieceChars;
    }
    throw yield* this.#broken(
      textStart >= 0 ? 'must end this text' : 'must close this bracket',
      textStart >= 0 ? textStart : start,
    );
  }

  *#broken(violation: string, at = this.#at): Generator<number, ApiError> {
    let [line, start] = [1, 0];
    for (let end = 0; end < at; ) {
      const pieceEnd = Math.min(at, end + pieceChars);
      // One by one: a body may be nothing but ends of lines, and to search for each takes ten times as long.
      for (; end < pieceEnd; end++)
        if (this.#text.charCodeAt(end) === newline) {
          line++;
          start = end + 1;
        }
      yield pieceChars;
    }
    return invalid(this.#property, `is not JSON: ${violation} at line ${line}, column ${at - start + 1}`);
  }
}

const isOfScalar = (code: number) => code > 0x20 && code !== comma && !isClosing(code);
