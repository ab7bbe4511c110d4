import { type Filtered, type FilterField, type FilterName, filterFields } from './filter-fields.ts';
import type { Binding, EpochMs, LogRecord, MessageIdentity } from './message.ts';
import { statusGroupNames } from './registry.ts';
import { textMatcher } from './text-search.ts';

/** Of each field the value asked for, or several of which a log has one; never an empty list. */
export type Conditions = { readonly [name in FilterName]?: string | readonly string[] };

/** Which messages are asked for; all given conditions must hold, an empty filter means every message. */
export type Filter = Conditions & {
  /** None of these values; a log that has none of a field has none of these. */
  readonly not?: Conditions;
  /** Inclusive lower bound on `sentAt`. */
  readonly sentSince?: EpochMs;
  /** Exclusive upper bound on `sentAt`, so that consecutive ranges tile. */
  readonly sentUntil?: EpochMs;
};

/** Whether a log is among those that somebody asks for. */
export type Matches = (log: LogRecord) => boolean;

/** The values asked for of a field, each once; `undefined` when it is not asked for. */
export function valuesOf(conditions: Conditions, name: FilterName): readonly string[] | undefined {
  const asked = conditions[name];
  return asked === undefined ? undefined : [...new Set(typeof asked === 'string' ? [asked] : asked)];
}

/** How many values a filter names. */
export function valueCountOf(filter: Filter): number {
  const count = (asked: string | readonly string[] = []) => (typeof asked === 'string' ? 1 : asked.length);
  return filterFields.reduce((sum, { name }) => sum + count(filter[name]) + count(filter.not?.[name]), 0);
}

/** The groups of statuses that are asked for, by their numbers; `undefined` when any will do. */
export function groupIdsOf(filter: Filter): readonly number[] | undefined {
  const asked = valuesOf(filter, 'generalStatus');
  const excluded = valuesOf(filter.not ?? {}, 'generalStatus');
  if (asked === undefined && excluded === undefined) return undefined;
  return [...statusGroupNames.entries()]
    .filter(([, name]) => asked?.includes(name) !== false && excluded?.includes(name) !== true)
    .map(([id]) => id);
}

/** Whether nothing but a time is asked for. */
export function asksForTimeOnly(filter: Filter): boolean {
  return filterFields.every(({ name }) => !asksFor(filter, name));
}

/** Whether words are asked for or left out: then messages have to be looked through. */
export function asksForText(filter: Filter): boolean {
  return asksFor(filter, 'text');
}

/** What a filter asks beside words, for engines that look messages through themselves. */
export function withoutText({ text: _, not, ...others }: Filter): Filter {
  const { text: __, ...excluded } = not ?? {};
  return { ...others, ...(Object.keys(excluded).length > 0 && { not: excluded }) };
}

/** What a filter asks of the words of messages alone. */
export function textOf({ text, not }: Filter): Filter {
  return { ...(text !== undefined && { text }), ...(not?.text !== undefined && { not: { text: not.text } }) };
}

/** Whether a value is asked for that reports change: what matches now may not have matched when a walk began. */
export function asksForState(filter: Filter): boolean {
  return filterFields.some(({ name, changes }) => changes && asksFor(filter, name));
}

function asksFor(filter: Filter, name: FilterName): boolean {
  return filter[name] !== undefined || filter.not?.[name] !== undefined;
}

/** Narrows a filter to what a bound key may see; `undefined` when nothing can match both. */
export function restrict(filter: Filter, binding: Binding): Filter | undefined {
  for (const name of ['applicationId', 'entityId'] as const) {
    const bound = binding[name];
    if (bound !== undefined && valuesOf(filter, name)?.includes(bound) === false) return undefined;
  }
  return { ...filter, ...binding };
}

/** Whether a bound key may see and change a message. */
export function isWithin(message: MessageIdentity, { applicationId, entityId }: Binding): boolean {
  return (
    (applicationId === undefined || message.applicationId === applicationId) &&
    (entityId === undefined || message.entityId === entityId)
  );
}

/** Whether a log is among those asked for, as it is given. */
export function matches(log: LogRecord, filter: Filter): boolean {
  return matcher(filter)(log);
}

/** As `matches`, for many logs: a long list of values costs each of them no more than a short one. */
export function matcher(filter: Filter): Matches {
  const isInTime = timeMatcher(filter);
  const hasValues = conditionMatcher(filter);
  return log => isInTime(log) && hasValues(log);
}

function timeMatcher({ sentSince = -Infinity, sentUntil = Infinity }: Filter): Matches {
  return ({ sentAt }) => sentAt >= sentSince && sentAt < sentUntil;
}

/** Whether a log has what is asked for beside its time; only of what reports change, or never do, where that is said. */
export function conditionMatcher(
  filter: Filter,
  { changes }: { readonly changes?: boolean } = {},
): (log: Filtered) => boolean {
  const fields = filterFields.filter(field => changes === undefined || changes === field.changes);
  const testsOf = (conditions: Conditions, isExclusion: boolean) =>
    fields.flatMap(field => {
      const values = valuesOf(conditions, field.name);
      if (values === undefined) return [];
      const has = testOf(field, values);
      return [(log: Filtered) => has(log) !== isExclusion];
    });
  const tests = [...testsOf(filter, false), ...testsOf(filter.not ?? {}, true)];
  return log => tests.every(test => test(log));
}

/** Whether a log has one of some values of a field. */
function testOf(field: FilterField, values: readonly string[]): (log: Filtered) => boolean {
  if (field.kind === 'words') {
    const all = values.map(textMatcher);
    return log => all.some(hasText => hasText(log));
  }
  const { valueIn } = field;
  const named = new Set(values);
  return log => {
    const value = valueIn(log);
    return value !== undefined && named.has(value);
  };
}
