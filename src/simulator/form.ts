import { isFields } from './refusals.ts';

/** Graph has nothing that lies deeper. */
const pathPartsMax = 16;
/** Graph takes no message whose fields come near to either: what is read in one piece stays short. */
const fieldsMax = 1000;
export const textBytesMax = 256 * 1024;

export type Fields = Readonly<Record<string, unknown>>;

/** Why the fields of a body or a query are not read, before any of them is: `undefined` where they may be. */
export function excessOf(body: string, contentType: string): string | undefined {
  const isInParts = isMultipart(contentType);
  // Files are left out, and all else of a body is counted again once they are.
  if (!isInParts && body.length > textBytesMax) return `The body has more than ${textBytesMax} bytes`;
  if (typeOf(contentType) === 'application/json') return undefined;
  const mark = isInParts ? /boundary="?([^";]+)/i.exec(contentType)?.[1] : '&';
  if (mark === undefined) return undefined;
  let fields = 0;
  for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, at + mark.length))
    if (++fields > fieldsMax) return `The body has more than ${fieldsMax} fields`;
  return undefined;
}

export function isMultipart(contentType: string): boolean {
  return typeOf(contentType) === 'multipart/form-data';
}

function typeOf(contentType: string): string {
  return contentType.split(';')[0]?.trim().toLowerCase() ?? '';
}

/**
 * The fields of a body or a query as Graph reads them: JSON; or a form whose values may be JSON (`recipient={"id":"1"}`)
 * and whose names may be paths (`recipient[id]=1`). `undefined` when it is neither.
 */
export function fieldsOf(body: string, contentType: string): Fields | undefined {
  const type = typeOf(contentType);
  if (type === 'application/json') return jsonFields(body);
  if (type === 'application/x-www-form-urlencoded' || type === '') return formFields(new URLSearchParams(body));
  return undefined;
}

/** As `fieldsOf`, of a form in parts, as `curl -F` sends it; files are left out. */
export async function partFields(body: string, contentType: string): Promise<Fields | undefined> {
  try {
    const form = await new Response(body, { headers: { 'content-type': contentType } }).formData();
    const parts = [...form].filter((part): part is [string, string] => typeof part[1] === 'string');
    return parts.reduce((length, [, text]) => length + text.length, 0) > textBytesMax ? undefined : formFields(parts);
  } catch {
    return undefined;
  }
}

function jsonFields(body: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(body === '' ? '{}' : body);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function formFields(form: Iterable<readonly [string, string]>): Fields {
  const pairs = [...form];
  if (pairs.every(isPlain)) return Object.fromEntries(pairs);
  const fields: Tree = new Map();
  for (const [name, value] of pairs) {
    const path = pathOf(name);
    put(
      fields,
      path.length === 0 || path.length > pathPartsMax ? [name] : path,
      path.length > 1 ? value : formValue(value),
    );
  }
  return objectOf(fields, 0);
}

/** A name that is no path, with a value that is no JSON: most queries have nothing else. */
function isPlain([name, value]: readonly [string, string]): boolean {
  return name !== '' && !/[[\]]/.test(name) && !beginsAsJson.test(value);
}

const beginsAsJson = /^\s*[[{]/;

function pathOf(name: string): readonly string[] {
  if (!name.includes('[') && !name.includes(']')) return [name];
  return [...name.matchAll(/^[^[\]]+|\[([^[\]]*)\]/g)].map(([whole, inner]) => inner ?? whole);
}

/** Only lists and objects: an id of digits must stay a text. Meta's own samples quote as Python does. */
function formValue(text: string): unknown {
  if (!beginsAsJson.test(text)) return text;
  return parsed(text) ?? parsed(text.replace(singleQuoted, (_, inner) => JSON.stringify(inner))) ?? text;
}

const singleQuoted = /'([^'"\\]*)'/g;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Fields by name while they are put together, so that another one costs the same however many there are. */
type Tree = Map<string, unknown>;

function put(fields: Tree, path: readonly string[], value: unknown): void {
  let tree = fields;
  for (const [i, name] of path.entries()) {
    const key = name === '' ? String(tree.size) : name;
    if (i === path.length - 1) {
      tree.set(key, value);
      return;
    }
    const inner = tree.get(key);
    const next: Tree = inner instanceof Map ? inner : new Map(isFields(inner) ? Object.entries(inner) : []);
    tree.set(key, next);
    tree = next;
  }
}

/** Objects whose names count up from 0 are lists; and a path that passed through is an object like any other. */
function objectOf(fields: Tree | Fields, depth: number): Fields {
  const entries = fields instanceof Map ? [...fields] : Object.entries(fields);
  return Object.fromEntries(entries.map(([name, value]) => [name, readValue(value, depth + 1)]));
}

function readValue(value: unknown, depth: number): unknown {
  // What lies deeper is none of Graph's, and is left as it is: JSON may go down further than calls can.
  if (!isFields(value) || (depth > pathPartsMax && !(value instanceof Map))) return value;
  const object = objectOf(value, depth);
  const names = Object.keys(object);
  const isList = names.length > 0 && names.every((name, index) => name === String(index));
  return isList ? Object.values(object) : object;
}
