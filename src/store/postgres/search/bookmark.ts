import { type Bookmark, InvalidBookmark } from '../../store.ts';
import type { Place } from '../rows/log-row.ts';
import type { Snapshot } from '../server/snapshot.ts';

/** Where a walk stands, and what was there when it began. */
export type Walk = { readonly place: Place; readonly snapshot: Snapshot };

/** Ends with a full stop, so that nothing more can be taken for a part of it. */
const number = '-?[0-9a-z]{1,11}';
const form = new RegExp(`^p1\\.(${number})\\.(${number})\\.(${number})\\.((?:${number}(?:_${number}){0,9999})?)\\.$`);

export function bookmarkOf({ place, snapshot }: Walk): Bookmark {
  const { end } = snapshot;
  // Counted from the end, since they are close to it and there may be one for every connection of the database.
  const running = snapshot.running.map(tx => (end - tx).toString(36)).join('_');
  return `p1.${place.sentAt.toString(36)}.${place.number.toString(36)}.${end.toString(36)}.${running}.`;
}

/** Throws `InvalidBookmark` for anything that `bookmarkOf` does not make. */
export function walkOf(bookmark: Bookmark): Walk {
  const [, sentAt = '', messageNumber = '', end = '', running = ''] = form.exec(bookmark) ?? [];
  const read = (text: string) => Number.parseInt(text, 36);
  const snapshotEnd = read(end);
  const walk = {
    place: { sentAt: read(sentAt), number: read(messageNumber) },
    snapshot: { end: snapshotEnd, running: running === '' ? [] : running.split('_').map(tx => snapshotEnd - read(tx)) },
  };
  const numbers = [walk.place.sentAt, walk.place.number, snapshotEnd, ...walk.snapshot.running];
  if (!numbers.every(Number.isSafeInteger) || bookmarkOf(walk) !== bookmark) throw new InvalidBookmark();
  return walk;
}
