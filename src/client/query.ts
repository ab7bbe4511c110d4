import { filterFields } from '../domain/filter-fields.ts';
import { listValue } from '../wire/query/list-text.ts';
import type { LogsFilter, LogsQuery } from './types.ts';

export { isCode } from '../domain/filter-fields.ts';
export { listValue, valuesIn } from '../wire/query/list-text.ts';

/** Parameters that are lists, where a comma would divide a value. */
const lists = new Set<string>(filterFields.filter(({ many }) => many).map(({ name }) => name));

/** The query string of a filter or query; parameters that are not given are left out. */
export function queryOf(query: LogsQuery): URLSearchParams {
  const parameters = new URLSearchParams();
  const { not = {}, ...others } = query;
  for (const [name, value] of Object.entries(others)) append(parameters, name, name, value);
  for (const [name, value] of Object.entries(not)) append(parameters, `${name}[not]`, name, value);
  return parameters;
}

function append(parameters: URLSearchParams, parameter: string, name: string, value: unknown): void {
  if (value === undefined) return;
  if (value instanceof Date) parameters.append(parameter, dateText(value));
  else if (lists.has(name)) for (const one of [value].flat()) parameters.append(parameter, listValue(String(one)));
  else parameters.append(parameter, String(value));
}

/** A list of none matches nothing, while the API would take its absence for "any". */
export function matchesNothing(filter: LogsFilter): boolean {
  return Object.values(filter).some(value => Array.isArray(value) && value.length === 0);
}

function dateText(date: Date): string {
  return date.toISOString().replace('Z', '+0000');
}
