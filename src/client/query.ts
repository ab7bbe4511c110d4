import type { LogsFilter, LogsQuery } from './types.ts';

/** The query string of a filter or query; parameters that are not given are left out. */
export function queryOf(query: LogsQuery): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    if (value instanceof Date) parameters.append(name, dateText(value));
    else if (Array.isArray(value)) for (const one of value) parameters.append(name, String(one));
    else parameters.append(name, String(value));
  }
  return parameters;
}

/** A list of none matches nothing, while the API would take its absence for "any". */
export function matchesNothing(filter: LogsFilter): boolean {
  return Object.values(filter).some(value => Array.isArray(value) && value.length === 0);
}

function dateText(date: Date): string {
  return date.toISOString().replace('Z', '+0000');
}
