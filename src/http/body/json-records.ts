import { limits } from '../../limits.ts';
import { shownName, unknownName } from '../../wire/nearest.ts';
import { invalid } from '../errors.ts';
import { jsonIn, Outline, wholly } from './json-outline.ts';
import type { Line } from './lines.ts';

/*
 * Cuts a long text of JSON into texts that are each cheap to parse. The generators give, in between, how many characters they
 * walked over without coming to the next.
 */

/** Fields of the body beside `results`: what a page of logs has, so that it can be posted as it was read. */
const bodyFields: readonly string[] = ['results', 'cursor'];

/** A body that is an object, of which one field holds a long list. */
export type ListBody = {
  /** The name of that field. */
  readonly list: string;
  /** What its elements are called. */
  readonly of: string;
  readonly elementBytesMax: number;
  /** Hears of each other field, whose `text` is yet to be checked; may throw instead. */
  readonly other: (name: string, text: string) => void;
};

/**
 * Cuts the body `{"results": [ … ]}` into the texts of its records without parsing it as a whole: what a record costs
 * to parse stays bounded, however deep or wide the body is. Only its outline is checked here, and a 400 says where it
 * breaks; each record's own text may still not be JSON.
 */
export function recordTexts(body: string, elementBytesMax: number): Generator<Line | number> {
  const other = (name: string, text: string) => {
    if (!bodyFields.includes(name)) throw invalid(shownName(name), unknownName(name, bodyFields, 'field'));
    fieldValue(name, text, limits.webhookFrameCharsMax);
  };
  return elementTexts(body, { list: 'results', of: 'logs', elementBytesMax, other });
}

/** As `recordTexts`, of any such body. */
export function* elementTexts(body: string, { list, of, elementBytesMax, other }: ListBody): Generator<Line | number> {
  const outline = new Outline(body, 'body');
  let isGiven = false;
  for (const name of names(outline, 'body', `must be a JSON object with ${list}`)) {
    if (typeof name === 'number') yield name;
    else if (name === list) yield* elements(outline, name, of, elementBytesMax);
    else other(name, yield* wholly(() => outline.value()));
    isGiven ||= name === list;
  }
  if (!isGiven) throw invalid(list, 'is required');
}

/** The fields of a text that is an object, each with the text of its value. */
export function* fieldTexts(
  text: string,
  property = 'body',
): Generator<readonly [name: string, text: string] | number> {
  const outline = new Outline(text, property);
  for (const name of names(outline, property, 'must be a JSON object'))
    if (typeof name === 'number') yield name;
    else yield [name, yield* wholly(() => outline.value())];
}

/** The elements of a text that is a list, each as its text. */
export function* listTexts(text: string, property = 'body'): Generator<string | number> {
  const outline = new Outline(text, property);
  for (const element of elements(outline, property, 'values', Number.POSITIVE_INFINITY))
    yield typeof element === 'number' ? element : (element.text ?? '');
  yield* wholly(() => outline.expectEnd());
}

/** The names of an object's fields: after each, whoever asked steps over its value. */
function* names(outline: Outline, property: string, otherwise: string): Generator<string | number> {
  const given = new Set<string>();
  if (!(yield* wholly(() => outline.takes('{')))) throw invalid(property, otherwise);
  if (!(yield* wholly(() => outline.takes('}')))) {
    do {
      const name = yield* wholly(() => outline.name());
      yield* wholly(() => outline.expect(':', 'must have a colon'));
      // Otherwise a body could be a million of them, that nobody would have a turn between.
      if (given.has(name)) throw invalid(shownName(name), 'must be given only once');
      if (given.size >= limits.bodyFieldsMax)
        throw invalid(property, `must have at most ${limits.bodyFieldsMax} fields`);
      yield name;
      given.add(name);
    } while (yield* wholly(() => outline.takes(',')));
    yield* wholly(() => outline.expect('}', 'must have a comma or the end of the object'));
  }
  yield* wholly(() => outline.expectEnd());
}

function* elements(outline: Outline, name: string, of: string, bytesMax: number): Generator<Line | number> {
  if (!(yield* wholly(() => outline.takes('[')))) throw invalid(name, `must be an array of ${of}`);
  if (yield* wholly(() => outline.takes(']'))) return;
  const next = () => outline.value();
  const goesOn = () => outline.takes(',');
  do {
    // Nearly all are short, and this is asked of every record.
    const text = next() ?? (yield* wholly(next));
    const tooLong = text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax;
    yield tooLong ? { flaw: `is longer than ${bytesMax} bytes` } : { text };
  } while (goesOn() ?? (yield* wholly(goesOn)));
  yield* wholly(() => outline.expect(']', 'must have a comma or the end of the array'));
}

/** The value of a field beside the list. */
export function fieldValue(name: string, text: string, charsMax: number): unknown {
  if (text.length > charsMax) throw invalid(shownName(name), `is longer than ${charsMax} bytes`);
  const { value, flaw } = jsonIn(text);
  if (flaw !== undefined) throw invalid(shownName(name), flaw);
  return value;
}
