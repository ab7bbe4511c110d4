/** Where values stand in the text of JSON. Every text here has been parsed before: what is not JSON is not noticed. */

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const [bracketOpen, bracketClose, braceOpen, braceClose] = [0x5b, 0x5d, 0x7b, 0x7d];

/** A value as it is written, and how deep it is nested: 0 for what holds nothing. */
export type Source = { readonly text: string; readonly depth: number };

/**
 * The value of one field of an object, as it is written; of a field that stands twice, the last. The field must be
 * there. `name` is of small letters.
 */
export function fieldSource(object: string, name: string): Source {
  // Without its first quote, of which a record is full, it is found three times as fast.
  const literal = `${name}"`;
  const at = object.indexOf(literal);
  const end = at + literal.length;
  // Spelled in any other way, its letters are escaped; and spelled so only once, it is the field and no text or other
  // object's field. Nearly every record is so, and the rest of it need not be looked at.
  if (object.charCodeAt(at - 1) === quote && object.indexOf(literal, end) < 0 && !object.includes('\\u00'))
    return valueAt(object, valueStart(object, end)).source;
  const source = fieldSources(object).get(name);
  if (source === undefined) throw new RangeError(`there is no field ${name}`);
  return source;
}

/** The values of an object's fields as they are written, in the order in which their names first stand. */
export function fieldSources(object: string): ReadonlyMap<string, Source> {
  const sources = new Map<string, Source>();
  let at = afterSpace(object, afterSpace(object, 0) + 1);
  while (object.charCodeAt(at) === quote) {
    const nameEnd = stringEnd(object, at);
    const name: unknown = JSON.parse(object.slice(at, nameEnd));
    const { source, end } = valueAt(object, valueStart(object, nameEnd));
    sources.set(String(name), source);
    // Over the comma, or the end.
    at = afterSpace(object, afterSpace(object, end) + 1);
  }
  return sources;
}

/** The fields of an object that are kept, each as JSON with its value as it is written. */
export function fieldsAsWritten(object: string, isKept: (name: string) => boolean): readonly string[] {
  return [...fieldSources(object)].flatMap(([name, { text }]) =>
    isKept(name) ? [`${JSON.stringify(name)}:${text}`] : [],
  );
}

/** The elements of an array as they are written. */
export function elementSources(array: string): readonly Source[] {
  const sources: Source[] = [];
  let at = afterSpace(array, afterSpace(array, 0) + 1);
  while (at < array.length && array.charCodeAt(at) !== bracketClose) {
    const { source, end } = valueAt(array, at);
    sources.push(source);
    // Over the comma, or the end.
    at = afterSpace(array, afterSpace(array, end) + 1);
  }
  return sources;
}

/** A parser takes so much longer for an object of names that it has not seen, and for each name; so does whoever looks at it. */
const objectChars = 100;
const nameChars = 10;

/** What a text costs to parse, in characters; of a short one its objects and their names do not count. */
export function parsedChars(text: string): number {
  if (text.length <= 4096) return text.length;
  let chars = text.length;
  for (let at = text.indexOf('{'); at >= 0; at = text.indexOf('{', at + 1)) chars += objectChars;
  for (let at = text.indexOf(':'); at >= 0; at = text.indexOf(':', at + 1)) chars += nameChars;
  return chars;
}

/**
 * Whether a text of JSON, which need not have been parsed, has more than so many values: what they cost to parse does not
 * follow from its length.
 */
export function hasMoreValuesThan(valuesMax: number, text: string): boolean {
  if (text.length <= valuesMax) return false;
  let values = 0;
  for (let at = 0; at < text.length && values <= valuesMax; at++) {
    const code = text.charCodeAt(at);
    // Those in texts count too: nobody writes as many.
    if (code === comma || code === bracketOpen || code === braceOpen) values++;
  }
  return values > valuesMax;
}

function valueStart(text: string, afterName: number): number {
  const at = afterSpace(text, afterName);
  if (text.charCodeAt(at) !== colon) throw new RangeError('a field has no colon');
  return afterSpace(text, at + 1);
}

function valueAt(text: string, start: number): { readonly source: Source; readonly end: number } {
  const first = text.charCodeAt(start);
  if (first === quote) return taken(text, start, stringEnd(text, start), 0);
  if (first !== bracketOpen && first !== braceOpen) return taken(text, start, scalarEnd(text, start), 0);
  let [open, deepest] = [0, 0];
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) at = stringEnd(text, at) - 1;
    else if (code === bracketOpen || code === braceOpen) {
      open++;
      if (open > deepest) deepest = open;
    } else if ((code === bracketClose || code === braceClose) && --open === 0)
      return taken(text, start, at + 1, deepest);
  }
  throw new RangeError('a bracket is not closed');
}

function taken(text: string, start: number, end: number, depth: number) {
  return { source: { text: text.slice(start, end), depth }, end };
}

function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === backslash) before--;
    if ((end - 1 - before) % 2 === 0) return end + 1;
  }
  throw new RangeError('a text does not end');
}

function scalarEnd(text: string, start: number): number {
  let end = start;
  while (end < text.length && !',]} \t\r\n'.includes(text.charAt(end))) end++;
  return end;
}

function afterSpace(text: string, start: number): number {
  let at = start;
  for (let code = text.charCodeAt(at); code === 0x20 || (code >= 0x09 && code <= 0x0d); code = text.charCodeAt(at))
    at++;
  return at;
}
