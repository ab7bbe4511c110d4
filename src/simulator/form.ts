import { isFields } from './refusals.ts';

/** Graph has nothing that lies deeper. */
const pathPartsMax = 16;

export type Fields = Readonly<Record<string, unknown>>;

/**
 * The fields of a body or a query as Graph reads them: JSON; or a form whose values may be JSON (`recipient={"id":"1"}`)
 * and whose names may be paths (`recipient[id]=1`). `undefined` when it is neither.
 */
export function fieldsOf(body: string, contentType: string): Fields | undefined {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === 'application/json') return jsonFields(body);
  if (type === 'application/x-www-form-urlencoded' || type === '') return formFields(new URLSearchParams(body));
  return undefined;
}

/** As `fieldsOf`, of a form in parts, as `curl -F` sends it; files are left out. */
export async function partFields(body: string, contentType: string): Promise<Fields | undefined> {
  try {
    const form = await new Response(body, { headers: { 'content-type': contentType } }).formData();
    return formFields([...form].filter((part): part is [string, string] => typeof part[1] === 'string'));
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
  const fields = Object.create(null);
  for (const [name, value] of pairs) {
    const path = pathOf(name);
    put(
      fields,
      path.length === 0 || path.length > pathPartsMax ? [name] : path,
      path.length > 1 ? value : formValue(value),
    );
  }
  return listed(fields);
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

function put(target: Record<string, unknown>, [name = '', ...rest]: readonly string[], value: unknown): void {
  const key = name === '' ? String(Object.keys(target).length) : name;
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const inner = target[key];
  const next: Record<string, unknown> = isFields(inner) ? { ...inner } : Object.create(null);
  put(next, rest, value);
  target[key] = next;
}

/** Objects whose names count up from 0 are lists; and a path that passed through is an object like any other. */
function listed(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, asList(value)]));
}

function asList(value: unknown): unknown {
  if (!isFields(value)) return value;
  const names = Object.keys(value);
  if (names.length > 0 && names.every((name, index) => name === String(index))) return Object.values(value).map(asList);
  return listed(value);
}
