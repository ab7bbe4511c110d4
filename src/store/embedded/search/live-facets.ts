import { type FacetField, facetFields } from '../segment/facet-columns.ts';
import type { MoreMeanings } from '../segment/facet-maker.ts';
import type { FacetMeanings, FacetOutcome, Facets } from '../segment/facets.ts';
import type { IndexFile } from '../segment/index-file.ts';
import { type Columns, messagesIn, type SharedSegment } from '../segment/shared-segment.ts';

/** The facets in a file. Throws `DamagedIndex` for one that does not have a number for each message and each report. */
export function facetsIn(file: IndexFile): Facets {
  const { messages, reports, lostMessages = 0 } = file.header;
  const meanings: FacetMeanings = JSON.parse(Buffer.from(file.uint8('facets.meanings')).toString('utf8'));
  const codes = (name: Parameters<Facets['codes']>[0] | 'account') => {
    const bytes = file.uint8(`facets.${name}`);
    const count = name === 'reportOutcome' ? reports : messages;
    if (bytes.byteLength === count) return bytes;
    if (bytes.byteLength !== count * 2)
      throw file.damage(`facets.${name} has ${bytes.byteLength} bytes for ${count} numbers`);
    return new Uint16Array(bytes.buffer);
  };
  return {
    messages,
    meanings,
    codes,
    owners(account) {
      const own = meanings.account.indexOf(account) + 1;
      if (own === 0) return undefined;
      const isOnly = meanings.account.length === 1 && lostMessages === 0;
      return { codes: isOnly ? undefined : codes('account'), own };
    },
  };
}

/** What the numbers of a segment that takes rows mean, as far as the writer told. */
export class LiveMeanings {
  readonly #outcome: FacetOutcome[] = [];
  readonly #fields: (string[] | undefined)[] = facetFields.map(() => []);
  #size = 0;
  #messages = 0;

  /** `messages`: how many were published, and so told of, at least. */
  take({ before, size, outcome, fields }: MoreMeanings, messages: number): void {
    if (before !== this.#size)
      throw new RangeError(`${before} meanings came before these, and ${this.#size} are known`);
    this.#outcome.push(...outcome);
    for (const [i, values] of fields.entries())
      if (values === undefined) this.#fields[i] = undefined;
      else this.#fields[i]?.push(...values);
    this.#size = size;
    this.#messages = messages;
  }

  facets(shared: SharedSegment, { account: accounts, facets }: Columns): Facets {
    // In this order: what was published then has no meaning that came since.
    const published = messagesIn(shared);
    const isAll = Atomics.load(facets.meanings, 0) === this.#size;
    const fields: { [name in FacetField]?: readonly string[] } = {};
    for (const [i, name] of facetFields.entries()) {
      const values = this.#fields[i];
      if (values !== undefined) fields[name] = values;
    }
    return {
      messages: isAll ? published : this.#messages,
      meanings: { outcome: this.#outcome, fields },
      owners: account => ({ codes: accounts, own: account }),
      codes(name) {
        if (name === 'outcome' || name === 'messageCount' || name === 'reportOutcome') return facets[name];
        return facets.fields[facetFields.indexOf(name)] ?? new Uint16Array(0);
      },
    };
  }
}
