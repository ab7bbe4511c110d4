import { isCode, listValue, valuesIn } from '../../../src/client/query.ts';
import { isPreset, type Range, rangeDefault } from './range.ts';
import {
  breakdowns,
  type Conditions,
  comparisons,
  type Field,
  fields,
  groupNames,
  isList,
  listFields,
  rooms,
  type View,
} from './view.ts';
import { isWords } from './written.ts';
import { isZone, localZone, utcZone, type Zone } from './zone.ts';

/** What is left out is asked for by names of these endings. */
type Ending = '' | '[not]';

const listNames: readonly string[] = [...listFields, 'errorName', 'errorId'].flatMap(name => [name, `${name}[not]`]);

/**
 * The parameters of an address, each value by itself. Lists are written in every form that the API takes: repeated, with
 * commas between, and as `name[0]`. What nobody takes is left: it is told, and never dropped without a word.
 */
class Parameters {
  #left: readonly (readonly [name: string, value: string])[];
  /** Lists of nothing but blanks and commas. */
  readonly #unread: string[] = [];

  constructor(search: string) {
    this.#left = [...new URLSearchParams(search)].flatMap(([name, text]) => {
      const list = listNames.find(one => one === name.replace(/\[\d{0,9}\]$/, ''));
      if (text === '') return [];
      const values = list === undefined ? [text] : valuesIn(text);
      if (values.length === 0) this.#unread.push(`${name}=${text}`);
      return values.map(value => [list ?? name, value] as const);
    });
  }

  /** What the first value means that means anything. */
  one<T>(name: string, read: (text: string) => T | undefined): T | undefined {
    for (const entry of this.#left) {
      const found = entry[0] === name ? read(entry[1]) : undefined;
      if (found === undefined) continue;
      this.#left = this.#left.filter(one => one !== entry);
      return found;
    }
    return undefined;
  }

  /** Every value that is one of the field's. */
  all(name: string, isValue: (text: string) => boolean = () => true): readonly string[] {
    const isTaken = ([of, value]: readonly [string, string]) => of === name && isValue(value);
    const taken = this.#left.filter(isTaken).map(([, value]) => value);
    this.#left = this.#left.filter(entry => !isTaken(entry));
    return [...new Set(taken)];
  }

  left(): readonly string[] {
    return [...this.#left.map(([name, value]) => `${name}=${value}`), ...this.#unread];
  }
}

const amongst =
  <T extends string>(values: readonly T[]) =>
  (text: string) =>
    values.find(value => value === text);

/** A date as the API takes it, or any other that the browser knows. */
function momentOf(text: string): number | undefined {
  const [, local = '', sign, hours = '', minutes = '00'] =
    /^([\d-]+T[\d:.]+)(?:Z|([-+ ])(\d\d):?(\d\d)?)$/.exec(text.toUpperCase()) ?? [];
  const offset = sign === undefined ? 'Z' : `${sign === ' ' ? '+' : sign}${hours}:${minutes}`;
  const ms = Date.parse(local === '' ? text : local + offset);
  return Number.isNaN(ms) ? undefined : ms;
}

/** One that this browser does not know is its own. */
function zoneOf(name: string): Zone | undefined {
  return name.toLowerCase() === 'utc' ? utcZone : isZone(name) ? name : undefined;
}

function rangeOf(parameters: Parameters): Range {
  const sinceMs = parameters.one('sentSince', momentOf);
  const untilMs = parameters.one('sentUntil', momentOf) ?? parameters.one('sentBefore', momentOf);
  if (sinceMs !== undefined || untilMs !== undefined) return { sinceMs, untilMs };
  return { last: parameters.one('last', text => (isPreset(text) ? text : undefined)) ?? rangeDefault };
}

/** Names and numbers are one list here. The API finds what has one of the names and, of them, one of the numbers. */
function errorsOf(parameters: Parameters, ending: Ending): readonly string[] {
  const named = [...parameters.all(`error${ending}`), ...parameters.all(`errorName${ending}`, value => !isCode(value))];
  const isOneList = ending === '[not]' || named.every(isCode);
  return isOneList ? [...named, ...parameters.all(`errorId${ending}`, isCode)] : named;
}

/** What the API could not be asked for is no condition: the page must not name a filter that narrows nothing. */
function valuesOf(parameters: Parameters, field: Field, ending: Ending): readonly string[] {
  if (field === 'error') return errorsOf(parameters, ending);
  if (field === 'generalStatus')
    return parameters.all(field + ending, value => groupNames.some(group => group === value));
  if (isList(field)) return parameters.all(field + ending);
  const value = parameters.one(field + ending, text => (field !== 'text' || isWords(text) ? text : undefined));
  return value === undefined ? [] : [value];
}

function conditionsOf(parameters: Parameters, ending: Ending): Conditions {
  const conditions: Partial<Record<Field, readonly string[]>> = {};
  for (const field of fields) {
    const values = valuesOf(parameters, field, ending);
    if (values.length > 0) conditions[field] = values;
  }
  return conditions;
}

export function viewOf(search: string): View {
  const parameters = new Parameters(search);
  const open = parameters.one('open', text => text);
  const room = parameters.one('room', amongst(rooms));
  const compare = parameters.one('compare', amongst(comparisons));
  const by = parameters.one('by', amongst(breakdowns));
  const view = {
    conditions: conditionsOf(parameters, ''),
    not: conditionsOf(parameters, '[not]'),
    range: rangeOf(parameters),
    zone: parameters.one('tz', zoneOf) ?? localZone,
    live: parameters.one('live', amongst(['on', 'off'])) !== 'off',
    ...(room !== undefined && { room }),
    ...(open !== undefined && { open }),
    ...(compare !== undefined && { compare }),
    ...(by !== undefined && { by }),
  };
  const ignored = parameters.left();
  return { ...view, ...(ignored.length > 0 && { ignored }) };
}

/** So that `viewOf` gives the view back. */
export function searchOf({ conditions, not, range, zone, live, room, open, compare, by }: View): string {
  const parameters = new URLSearchParams();
  const written = (field: Field, value: string) => (isList(field) ? listValue(value) : value);
  for (const field of fields) {
    for (const value of conditions[field] ?? []) parameters.append(field, written(field, value));
    for (const value of not[field] ?? []) parameters.append(`${field}[not]`, written(field, value));
  }
  if ('last' in range) {
    if (range.last !== rangeDefault) parameters.set('last', range.last);
  } else {
    if (range.sinceMs !== undefined) parameters.set('sentSince', new Date(range.sinceMs).toISOString());
    if (range.untilMs !== undefined) parameters.set('sentUntil', new Date(range.untilMs).toISOString());
  }
  if (zone !== localZone) parameters.set('tz', zone === utcZone ? 'utc' : zone);
  if (!live) parameters.set('live', 'off');
  if (compare !== undefined) parameters.set('compare', compare);
  if (by !== undefined) parameters.set('by', by);
  if (room !== undefined) parameters.set('room', room);
  if (open !== undefined) parameters.set('open', open);
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}
