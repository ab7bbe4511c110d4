import { type Bookmark, InvalidBookmark } from '../../store.ts';

/** Behind so many steps of a transaction, and behind every transaction before it. */
export type FeedPlace = { readonly tx: number; readonly steps: number };

const form = /^f1\.([0-9a-z]{1,11})\.([0-9a-z]{1,4})$/;

export function feedBookmark({ tx, steps }: FeedPlace): Bookmark {
  return `f1.${tx.toString(36)}.${steps.toString(36)}`;
}

/** Throws `InvalidBookmark` for anything that `feedBookmark` does not make. */
export function feedPlace(bookmark: Bookmark): FeedPlace {
  const [, tx = '', steps = ''] = form.exec(bookmark) ?? [];
  const place = { tx: Number.parseInt(tx, 36), steps: Number.parseInt(steps, 36) };
  if (!Number.isSafeInteger(place.tx) || feedBookmark(place) !== bookmark) throw new InvalidBookmark();
  return place;
}
