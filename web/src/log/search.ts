import type { Api } from '../api/api.ts';
import type { Field } from '../view/view.ts';

export const searchFields = [
  'messageId',
  'bulkId',
  'destination',
  'sender',
  'campaignReferenceId',
  'applicationId',
  'entityId',
] as const;
export type SearchField = (typeof searchFields)[number] & Field;

/** The values in a pasted text: ids hold neither blanks nor commas, and come in lists as often as alone. */
export function valuesOf(text: string): readonly string[] {
  return [...new Set(text.split(/[\s,;"']+/).filter(value => value !== ''))].slice(0, 50);
}

/** As what the log knows a pasted text. Only the log can tell: the ids of messages and bulks look alike. */
export async function recognise(api: Api, text: string, signal: AbortSignal): Promise<readonly SearchField[]> {
  const values = valuesOf(text);
  const [first] = values;
  if (first === undefined) return [];
  const whole = text.trim();
  const known = await Promise.all(
    searchFields.map(async field => {
      const list = field === 'messageId' || field === 'bulkId';
      // The bound of these two lists at the API.
      if (list && values.join(',').length > 2048) return false;
      const filter = { [field]: list ? values : whole };
      const { results } = await api.client.logs({ ...filter, limit: 1 }, { signal });
      return results.length > 0;
    }),
  );
  return searchFields.filter((_, index) => known[index]);
}

/** What a choice of the search sets the filter to. */
export function searchedValues(field: SearchField, text: string): readonly string[] {
  return field === 'messageId' || field === 'bulkId' ? valuesOf(text) : [text.trim()];
}
