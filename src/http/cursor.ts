import type { Filter } from '../domain/filter.ts';
import type { AccountId, Binding } from '../domain/message.ts';
import type { Bookmark } from '../store/store.ts';
import { asWritten } from '../wire/query/filter-query.ts';
import { Seal } from './seal.ts';

/** What a walk is bound to: the account and key binding that ask, and the filter as it was asked. */
export type Walk = { readonly account: AccountId; readonly binding: Binding; readonly filter: Filter };

const version = 1;

/**
 * Turns the store's bookmarks into cursors and back. A cursor is sealed, not only signed: a bookmark may tell how much
 * the store holds of everybody. One page always has the same bytes.
 */
export class Cursors {
  readonly #seal: Seal;

  /** `secret` must outlive the process for cursors to do so. */
  constructor(secret: Uint8Array) {
    this.#seal = new Seal(secret, 'cursor');
  }

  seal(bookmark: Bookmark, walk: Walk): string {
    return this.#seal.seal(bookmark, fingerprint(walk));
  }

  /** `undefined` for anything but a cursor that was sealed for this very walk. */
  open(cursor: string, walk: Walk): Bookmark | undefined {
    return this.#seal.open(cursor, fingerprint(walk));
  }
}

export const cursorFlaw = 'is damaged, or belongs to another request: use it with the filters it was given for';

/** Equal for equal walks, whatever the order in which their parameters came. */
function fingerprint({ account, binding, filter }: Walk): string {
  const bound = [binding.applicationId ?? null, binding.entityId ?? null];
  return JSON.stringify([version, account, ...bound, conditionsOf(asWritten(filter))]);
}

/** The same for equal filters, whatever the order of their conditions and values. */
export function conditionsOf(filter: Filter): readonly (readonly unknown[])[] {
  const { not = {}, ...others } = filter;
  return [...Object.entries(others), ...Object.entries(not).map(([name, value]) => [`not ${name}`, value] as const)]
    .map(([name, value]) => [name, typeof value === 'object' ? value.toSorted() : value])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
}
