import type { Api } from '../api/api.ts';
import { nowMs } from '../api/server-clock.ts';
import { filterOf } from '../view/view.ts';
import { type SearchField, searchFields, valuesOf, waysToWrite } from '../view/written.ts';
import { localZone } from '../view/zone.ts';

/** What the log knows a text as: the values that its messages have. */
export type Found = { readonly field: SearchField; readonly values: readonly string[] };

/** As what the log knows a pasted text. Only the log can tell: the ids of messages and bulks look alike. */
export async function recognise(api: Api, text: string, signal: AbortSignal): Promise<readonly Found[]> {
  if (valuesOf(text).length === 0) return [];
  const has = async (field: SearchField, values: readonly string[]) => {
    const filter = filterOf(
      { conditions: { [field]: values }, not: {}, range: { last: 'all' }, zone: localZone },
      nowMs(),
    );
    return (await api.client.logs({ ...filter, limit: 1 }, { signal })).results.length > 0;
  };
  const found = await Promise.all(
    searchFields.map(async field => {
      const written = waysToWrite(field, text);
      const known = await Promise.all(written.map(values => has(field, values)));
      const values = written.find((_, index) => known[index]);
      return values === undefined ? [] : [{ field, values }];
    }),
  );
  return found.flat();
}
