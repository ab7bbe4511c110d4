import type { Violation } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { contentDepthMax } from '../content-text.ts';
import { fieldSources, type Source } from '../json-source.ts';
import { recordFields } from '../log-schemas.ts';
import { isPlainObject } from '../record-flaws.ts';

/** A record apart from the fields that this version does not know, which are kept as they are written. */
export type Parted = {
  /** What is left of it. */
  readonly known: Readonly<Record<string, unknown>>;
  /** The text of an object, in the form of `MessageState.extraJson`. */
  readonly extraJson?: string;
  /** Of `status` and `error`: texts of objects. */
  readonly status?: string;
  readonly error?: string;
};

/** Where further fields are looked for: all over the record, or in its `status` and `error` alone. */
type Where = 'anywhere' | 'codes';

/**
 * Parts a record, given as its text and what it parses to. What is too much to be kept joins `violations`. Further fields
 * in other places than are looked at stay among the known ones.
 */
export function parted(
  record: Readonly<Record<string, unknown>>,
  text: string,
  violations: Violation[],
  where: Where = 'anywhere',
): Parted {
  // Nearly always so, and asked of every message of every answer.
  if (!hasFurther(record, where)) return { known: record };
  // As entries: a field may be called __proto__.
  const known: [string, unknown][] = [];
  const ofCodes: { status?: string; error?: string } = {};
  const extra: string[] = [];
  const budget = new Budget(violations);
  for (const [name, source] of fieldSources(text)) {
    const value = record[name];
    const inside = recordFields.get(name);
    if (where === 'codes' && !isCode(name)) known.push([name, value]);
    else if (inside === undefined) extra.push(...budget.taken(name, name, source));
    else if (inside.size === 0 || !isPlainObject(value)) known.push([name, value]);
    else {
      known.push([name, Object.fromEntries(Object.entries(value).filter(([field]) => inside.has(field)))]);
      const further = [...fieldSources(source.text)]
        .filter(([field]) => !inside.has(field))
        .flatMap(([field, one]) => budget.taken(`${name}.${field}`, field, one));
      const object = `{${further.join()}}`;
      if (further.length === 0) continue;
      if (isCode(name)) ofCodes[name] = object;
      else extra.push(`"${name}":${object}`);
    }
  }
  return { known: Object.fromEntries(known), ...ofCodes, ...(extra.length > 0 && { extraJson: `{${extra.join()}}` }) };
}

const isCode = (name: string) => name === 'status' || name === 'error';

function hasFurther(record: Readonly<Record<string, unknown>>, where: Where): boolean {
  for (const name in record) {
    if (where === 'codes' && !isCode(name)) continue;
    const inside = recordFields.get(name);
    if (inside === undefined) return true;
    const value = record[name];
    if (inside.size === 0 || !isPlainObject(value)) continue;
    for (const field in value) if (!inside.has(field)) return true;
  }
  return false;
}

/** As much as a content may have is kept of a record, all in all. */
class Budget {
  readonly #violations: Violation[];
  #bytes = 0;

  constructor(violations: Violation[]) {
    this.#violations = violations;
  }

  /** The field as it stands in an object, or nothing: then it is told of, by its path. */
  taken(property: string, name: string, { text, depth }: Source): readonly string[] {
    const field = `${JSON.stringify(name)}:${text}`;
    const bytes = Buffer.byteLength(field);
    if (this.#bytes + bytes <= limits.contentBytesMax && depth <= contentDepthMax) {
      this.#bytes += bytes;
      return [field];
    }
    const most = `${limits.contentBytesMax / 1024} KiB, nested no deeper than ${contentDepthMax} levels`;
    this.#violations.push({ property, violation: `is more than is kept of further fields: ${most}` });
    return [];
  }
}
