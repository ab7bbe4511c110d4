import { type Conditions, type Filter, groupIdsOf, valuesOf } from '../../../domain/filter.ts';
import { type ExactName, exactFields } from '../../../domain/filter-fields.ts';
import { deliveryErrors, noError, unregisteredErrors } from '../../../domain/registry.ts';
import { texts } from '../../../postgres/arrays.ts';
import type { Value } from '../../../postgres/session.ts';
import { errorBegins, errorMarks, foreignGroupMark, ownErrorMarks } from '../../words.ts';
import { placesOfIds } from '../log/folded-keys.ts';

/** The fields that a column of `message` holds as it is asked for. */
export const columns: readonly (readonly [name: ExactName, column: string])[] = exactFields
  // Ids are found by their keys, groups and errors by their numbers.
  .filter(({ name, changes }) => name !== 'messageId' && !changes)
  .map(({ name }) => [name, columnOf(name)]);

function columnOf(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
}

/** Takes a value into a statement, and gives what stands for it. */
export type TakeValue = (value: Value) => string;

/**
 * What a filter asks of the message `m` apart from its time, for a statement that is planned for its values. `account` is
 * what stands for the account.
 */
export function conditions(
  filter: Filter,
  account: string,
  value: TakeValue,
  keysMayBeFolded: boolean,
): readonly string[] {
  const all: string[] = [];
  for (const [name, column] of columns) {
    const [asked, ...others] = valuesOf(filter, name) ?? [];
    if (asked === undefined) continue;
    if (others.length === 0) all.push(`m.${column} = ${value(asked)}`);
    else all.push(`m.${column} = ANY (${value(texts([asked, ...others]))}::text[])`);
  }
  const groups = groupIdsOf(filter);
  if (groups !== undefined) all.push(isOneOf('m.group_id', groups));
  const messageIds = valuesOf(filter, 'messageId');
  if (messageIds !== undefined) {
    const ids = `${value(texts(messageIds))}::text[]`;
    all.push(`(m.message_id, m.sent_at, m.number) IN (${placesOfIds(account, ids, keysMayBeFolded)})`);
  }
  return [
    ...all,
    ...exclusions(filter, value),
    ...errorKeyConditions(filter, value),
    ...errorConditions(filter, value),
  ];
}

/** What a filter leaves out of messages `m` by what identifies them. No index helps with it. */
export function exclusions({ not = {} }: Filter, value: TakeValue): readonly string[] {
  return exactFields.flatMap(({ name, changes }) => {
    const values = changes ? undefined : valuesOf(not, name);
    return values === undefined ? [] : [`(m.${columnOf(name)} = ANY (${value(texts(values))}::text[])) IS NOT TRUE`];
  });
}

/** What a filter asks of the present error of messages `m`, and leaves out by it. */
export function errorConditions(filter: Filter, value: TakeValue): readonly string[] {
  const all = (asked: Conditions) =>
    errorFields.flatMap(name => {
      const values = valuesOf(asked, name);
      return values === undefined ? [] : [hasError(name, values, value)];
    });
  return [...all(filter), ...all(filter.not ?? {}).map(condition => `(${condition}) IS NOT TRUE`)];
}

const unregisteredKeys = unregisteredErrors.map(({ key }) => key);

/** The fields that are asked of the error. */
const errorFields = ['errorName', 'errorId'] as const;

/** What a message of any asked error meets, in the form that the index of errors has. */
export const hasAnError = `m.error_key <> ${noError.key}`;

/**
 * One of these the key of a message's error is when it matches; `undefined` when no error is asked for, or to have none
 * is, which nearly all messages do and the index of errors leaves out.
 */
export function errorKeysOf(filter: Filter): readonly number[] | undefined {
  const asked = errorFields.flatMap(name => {
    const values = valuesOf(filter, name);
    return values === undefined ? [] : [keysOf(name, values)];
  });
  const [first, ...others] = asked;
  if (first === undefined) return undefined;
  const keys = first.filter(key => others.every(other => other.includes(key)));
  return keys.includes(noError.key) ? undefined : [...keys, ...unregisteredKeys];
}

/** Whether what has no error is left out: then all that is asked for is in the index of errors. */
export function asksForAnyError({ not = {} }: Filter): boolean {
  return errorFields.some(name => keysOf(name, valuesOf(not, name) ?? []).includes(noError.key));
}

/** So that the index of errors comes into question, for a statement that is planned for its values. */
export function errorKeyConditions(filter: Filter, value: TakeValue): readonly string[] {
  const keys = errorKeysOf(filter);
  if (keys === undefined) return asksForAnyError(filter) ? [hasAnError] : [];
  return [`m.error_key = ANY (${value(`{${keys.join()}}`)}::integer[])`, hasAnError];
}

/** The keys of registered errors that are called so, or have this number. */
function keysOf(name: (typeof errorFields)[number], values: readonly string[]): readonly number[] {
  const named = (error: (typeof deliveryErrors)[number]) => (name === 'errorName' ? error.name : String(error.id));
  return deliveryErrors.filter(error => values.includes(named(error))).map(({ key }) => key);
}

const ownWords = `coalesce(split_part(m.words, '${errorBegins}', 2), '')`;
const isUnregistered = `m.error_key IN (${unregisteredKeys.join()})`;

/**
 * A registered error is known by its key; one that is not, by what stands in the words beside it, or by its group where
 * it has neither name nor number.
 */
function hasError(name: (typeof errorFields)[number], values: readonly string[], value: TakeValue): string {
  const marked = (marks: readonly string[]) =>
    `EXISTS (SELECT FROM unnest(${value(texts(marks))}::text[]) e (mark) WHERE strpos(${ownWords}, e.mark) > 0)`;
  const keyIn = (keys: readonly number[]) => `m.error_key = ANY (${value(`{${keys.join()}}`)}::integer[])`;
  const [has, own] = [keyIn(keysOf(name, values)), marked(values.flatMap(one => errorMarks(name, one)))];
  if (name === 'errorId') return `(${has} OR (${isUnregistered} AND ${own}))`;
  const hasNoOther = ownErrorMarks.map(mark => `strpos(${ownWords}, '${mark}') = 0`).join(' AND ');
  const groups = unregisteredErrors.filter(({ groupName }) => values.includes(groupName)).map(({ key }) => key);
  const ofGroup = `${keyIn(groups)} AND strpos(${ownWords}, '${foreignGroupMark()}') = 0`;
  const ofForeignGroup = marked(values.map(foreignGroupMark));
  return `(${has} OR (${isUnregistered} AND (${own} OR (${hasNoOther} AND ((${ofGroup}) OR ${ofForeignGroup})))))`;
}

/** Whether a number is one of some that stand in the text of the statement; of none it never is. */
export function isOneOf(expression: string, numbers: readonly number[]): string {
  if (numbers.length === 0) return 'false';
  return numbers.length === 1 ? `${expression} = ${numbers[0]}` : `${expression} IN (${numbers.join()})`;
}
