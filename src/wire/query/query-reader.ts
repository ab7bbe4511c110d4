import { isUtf8 } from 'node:buffer';
import type { EpochMs, Violation } from '../../domain/message.ts';
import { dateTimeRule, parseDateTime } from '../date-time.ts';
import { shownName, unknownName } from '../nearest.ts';
import { violationsToldMax } from '../parsed.ts';
import { valuesIn, valuesWithBlanks } from './list-text.ts';

/** The parameters a call knows, and whether one may have several values. */
export type KnownParameters = ReadonlyMap<string, { readonly many: boolean }>;

const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/;
const wholeNumber = /^-?\d{1,10}$/;

/**
 * A query string, read parameter by parameter. What is wrong gathers in `violations`, so that one answer can tell
 * all of it; a parameter that is absent or wrong reads as `undefined`.
 */
export class QueryReader {
  readonly #violations: Violation[] = [];
  readonly #values = new Map<string, string[]>();

  /** `raw` is what stands behind the `?`, as it came. */
  constructor(raw: string, known: KnownParameters) {
    const text = utf8(raw);
    if (text === undefined) this.refuse('query', 'is not UTF-8');
    for (const part of text?.split('&') ?? []) if (part !== '') this.#take(part, known);
    for (const [name, values] of this.#values) {
      if (values.length === 1 || known.get(name)?.many) continue;
      this.refuse(name, 'must be given only once');
      this.#values.delete(name);
    }
  }

  get violations(): readonly Violation[] {
    return this.#violations;
  }

  /** A violation that takes work to word is a function: of more than are told, it costs nothing. */
  refuse(property: string, violation: string | (() => string)): undefined {
    if (this.#violations.length >= violationsToldMax) return undefined;
    const words = typeof violation === 'string' ? violation : violation();
    this.#violations.push({ property: shownName(property), violation: words });
    return undefined;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The values of a parameter, as they came. */
  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** Whether a parameter stands there with nothing behind its `=`. */
  isEmpty(name: string): boolean {
    return this.#values.get(name)?.[0] === '';
  }

  text(name: string): string | undefined {
    const [value] = this.#values.get(name) ?? [];
    if (value === undefined) return undefined;
    if (value === '') return this.refuse(name, 'must not be empty');
    if (controlCharacter.test(value)) return this.refuse(name, 'must not contain control characters');
    return value;
  }

  /**
   * As `text`, of a number in international form: a blank before a digit was a `+` once, as in a date-time, unless it was
   * recorded as a blank.
   */
  number(name: string): string | readonly string[] | undefined {
    const text = this.text(name);
    return text !== undefined && /^ \d/.test(text) ? [`+${text.slice(1)}`, text] : text;
  }

  /** All values of a parameter, whether it was repeated or they stand in it with commas. */
  list(name: string, charsMax: number): readonly string[] | undefined {
    return this.#list(name, charsMax, () => []);
  }

  /**
   * As `list`, of values that may have been recorded with blanks around them: those that have some here stand for both. A
   * client that sends `a, b` means `b`, and one that sends what it recorded finds that.
   */
  texts(name: string, charsMax: number): readonly string[] | undefined {
    return this.#list(name, charsMax, valuesWithBlanks);
  }

  /** Blanks around a value are not counted. Of a list that is too long nothing more is read than that. */
  #list(name: string, charsMax: number, readMore: (given: string) => readonly string[]): readonly string[] | undefined {
    const given = this.#values.get(name);
    if (given === undefined) return undefined;
    if (given.some(text => controlCharacter.test(text)))
      return this.refuse(name, 'must not contain control characters');
    const values = given.flatMap(valuesIn);
    if (values.reduce((chars, value) => chars + value.length, 0) > charsMax)
      return this.refuse(name, `must have at most ${charsMax} characters in all its values together`);
    const all = new Set([...values, ...given.flatMap(readMore)]);
    return all.size === 0 ? this.refuse(name, 'must not be empty') : [...all];
  }

  dateTime(name: string): EpochMs | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const moment = parseDateTime(text);
    if (moment !== undefined) return moment;
    return this.refuse(name, `must be ${dateTimeRule}`);
  }

  choice<const T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    return choices.find(choice => choice === text) ?? this.refuse(name, `must be one of ${choices.join(', ')}`);
  }

  flag(name: string): boolean | undefined {
    const text = this.text(name)?.toLowerCase();
    if (text === undefined) return undefined;
    return text === 'true' || (text === 'false' ? false : this.refuse(name, 'must be true or false'));
  }

  integer(name: string, min: number, max: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = wholeNumber.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    return this.refuse(name, `must be a whole number from ${min} to ${max}`);
  }

  #take(part: string, known: KnownParameters): undefined {
    const equals = part.indexOf('=');
    const name = decoded(equals < 0 ? part : part.slice(0, equals));
    const value = equals < 0 ? '' : decoded(part.slice(equals + 1));
    const plain = name?.replace(/\[\d{0,9}\]$/, '');
    if (name === undefined || plain === undefined)
      return this.refuse('query', 'has a name that is not percent-encoded UTF-8');
    const parameter = known.get(plain);
    if (parameter === undefined || (name !== plain && !parameter.many))
      return this.refuse(name, () => unknownName(plain, [...known.keys()], 'parameter'));
    if (value === undefined) return this.refuse(plain, 'is not percent-encoded UTF-8');
    const values = this.#values.get(plain);
    if (values === undefined) this.#values.set(plain, [value]);
    else values.push(value);
    return undefined;
  }
}

/** Node hands bytes above 127 over one by one; a client that did not encode its UTF-8 is understood all the same. */
function utf8(raw: string): string | undefined {
  if (/^[\u0000-\u007f]*$/.test(raw)) return raw;
  const bytes = Buffer.from(raw, 'latin1');
  return isUtf8(bytes) ? bytes.toString() : undefined;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
