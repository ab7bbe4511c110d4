import { IsArray, IsObject, type TSchema } from 'typebox';
import { limits } from '../../limits.ts';
import { hasMoreValuesThan } from '../../wire/json-source.ts';
import { shownName } from '../../wire/nearest.ts';
import { invalid } from '../errors.ts';
import { jsonIn } from './json-outline.ts';
import { fieldTexts, listTexts } from './json-records.ts';

/**
 * What a text of JSON says, in steps of so many characters: what is long is taken apart as its schema has it, so that no piece
 * takes long to parse. Whether it fits the schema is yet to be looked at. An `ApiError` 400 for what is no JSON, and for what
 * is far longer than anything that fits.
 */
export function* readJson(text: string, schema: TSchema | undefined, property: string): Generator<number, unknown> {
  if (text.length <= limits.sendPieceCharsMax) {
    yield text.length;
    return piece(text, property);
  }
  if (schema !== undefined && IsObject(schema) && text.startsWith('{'))
    return yield* readFields(text, schema.properties, property);
  if (schema !== undefined && IsArray(schema) && text.startsWith('['))
    return yield* readList(text, schema.items, property);
  throw invalid(property, `is longer than ${limits.sendPieceCharsMax} characters as JSON`);
}

function piece(text: string, property: string): unknown {
  if (hasMoreValuesThan(limits.sendValuesMax, text))
    throw invalid(property, `has more than ${limits.sendValuesMax} values`);
  const { value, flaw } = jsonIn(text);
  if (flaw !== undefined) throw invalid(property, flaw);
  return value;
}

function* readFields(
  text: string,
  properties: Readonly<Record<string, TSchema>>,
  property: string,
): Generator<number, unknown> {
  const fields: [name: string, value: unknown][] = [];
  for (const part of fieldTexts(text, property)) {
    if (typeof part === 'number') {
      yield part;
      continue;
    }
    const [name, value] = part;
    const field = Object.hasOwn(properties, name) ? properties[name] : undefined;
    fields.push([name, yield* readJson(value, field, `${property}.${shownName(name)}`)]);
  }
  return Object.fromEntries(fields);
}

function* readList(text: string, items: TSchema, property: string): Generator<number, unknown> {
  const list: unknown[] = [];
  for (const part of listTexts(text, property)) {
    if (typeof part === 'number') {
      yield part;
      continue;
    }
    if (list.length >= limits.sendMessagesMax)
      throw invalid(property, `must have at most ${limits.sendMessagesMax} values`);
    list.push(yield* readJson(part, items, `${property}[${list.length}]`));
  }
  return list;
}
