import { createHash } from 'node:crypto';
import { parseDateTime } from '../../wire/date-time.ts';
import { isPlainObject } from '../../wire/record-flaws.ts';
import type { AnsweredLog } from './log-client.ts';

/** A field that two logs have otherwise: `undefined` where a side lacks it. */
export type FieldDifference = { readonly field: string; readonly theirs: unknown; readonly ours: unknown };

/** Field by field, `status.name` for one inside another. What is `null`, or an empty text, is as what is not there. */
export function differencesOf(theirs: unknown, ours: unknown, field = ''): readonly FieldDifference[] {
  const [a, b] = [present(theirs), present(ours)];
  if (isPlainObject(a) && isPlainObject(b)) {
    const names = new Set([...Object.keys(a), ...Object.keys(b)]);
    const under = field === '' ? '' : `${field}.`;
    return [...names].flatMap(name => differencesOf(a[name], b[name], under + name));
  }
  if (Array.isArray(a) && Array.isArray(b) && a.length === b.length)
    return a.flatMap((one, i) => differencesOf(one, b[i], `${field}[${i}]`));
  return a === b || isSameMoment(field, a, b) ? [] : [{ field, theirs: a, ours: b }];
}

function present(value: unknown): unknown {
  return value === null || value === '' ? undefined : value;
}

/** A date is the moment it tells, in whatever zone. */
function isSameMoment(field: string, a: unknown, b: unknown): boolean {
  if (!/At$/.test(field) || typeof a !== 'string' || typeof b !== 'string') return false;
  const moment = parseDateTime(a);
  return moment !== undefined && moment === parseDateTime(b);
}

/** Alike for two messages that have no difference, and for no others. */
export function digestOf(log: AnsweredLog): string {
  return createHash('sha256').update(canonical(log, '')).digest('base64');
}

function canonical(value: unknown, field: string): string {
  const there = present(value);
  if (isPlainObject(there)) {
    const fields = Object.keys(there)
      .filter(name => present(there[name]) !== undefined)
      .sort()
      .map(name => `${JSON.stringify(name)}:${canonical(there[name], name)}`);
    return `{${fields.join(',')}}`;
  }
  if (Array.isArray(there)) return `[${there.map(one => canonical(one, '')).join(',')}]`;
  const moment = /At$/.test(field) && typeof there === 'string' ? parseDateTime(there) : undefined;
  return moment === undefined ? (JSON.stringify(there) ?? 'null') : `@${moment}`;
}
