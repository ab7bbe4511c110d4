import { SentlogError } from '../../../src/client/index.ts';
import type { Api } from '../api/api.ts';
import { nowMs } from '../api/server-clock.ts';
import { filterOf } from '../view/view.ts';
import { type SearchField, searchFields, waysToWrite } from '../view/written.ts';
import { localZone } from '../view/zone.ts';

/** What the log knows a text as: the values that its messages have. */
export type Found = { readonly field: SearchField; readonly values: readonly string[] };

/** As what the log knows a pasted text. Only the log can tell: the ids of messages and bulks look alike. */
export async function recognise(api: Api, text: string, signal: AbortSignal): Promise<readonly Found[]> {
  const has = async (field: SearchField, values: readonly string[]) => {
    const filter = filterOf(
      { conditions: { [field]: values }, not: {}, range: { last: 'all' }, zone: localZone },
      nowMs(),
    );
    try {
      return (await api.client.logs({ ...filter, limit: 1 }, { signal })).results.length > 0;
    } catch (error) {
      // What the field may not hold, no message has; the others are asked all the same.
      if (error instanceof SentlogError && error.status === 400) return false;
      throw error;
    }
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
