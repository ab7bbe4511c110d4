import type { EpochMs } from '../../../domain/message.ts';
import { type Bookmark, InvalidBookmark } from '../../store.ts';
import type { LogEnd, Position } from '../segment/position.ts';

/** Where a walk stands, and what was there when it began. */
export type Place = {
  /** The last message given. */
  readonly sentAt: EpochMs;
  readonly position: Position;
  /** Messages recorded from here on are newer than the walk. */
  readonly positionEnd: Position;
  /** The newest report when the walk began. */
  readonly asOf: number;
};

/** Where a walk begins: before everything, and to see what is there up to the given end. */
export function beginningAt({ position, sequence }: LogEnd): Place {
  return { sentAt: Infinity, position: Infinity, positionEnd: position, asOf: sequence - 1 };
}

const form = /^s1\.(-?[0-9a-z]{1,11})\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})$/;

export function bookmarkOf(place: Place): Bookmark {
  return `s1.${[place.sentAt, place.position, place.positionEnd, place.asOf].map(part => part.toString(36)).join('.')}`;
}

/** Throws `InvalidBookmark` for anything that `bookmarkOf` does not make. */
export function placeOf(bookmark: Bookmark): Place {
  const parts = form
    .exec(bookmark)
    ?.slice(1)
    .map(part => Number.parseInt(part, 36));
  const [sentAt, position, positionEnd, asOf] = parts ?? [];
  if (sentAt === undefined || position === undefined || positionEnd === undefined || asOf === undefined)
    throw new InvalidBookmark();
  const place = { sentAt, position, positionEnd, asOf };
  if (!parts?.every(Number.isSafeInteger) || bookmarkOf(place) !== bookmark) throw new InvalidBookmark();
  return place;
}

/** Where somebody stands who follows the log: what comes before is given (see feed.ts). */
export type FeedPlace = { readonly era: number; readonly position: Position; readonly sequence: number };

const feedForm = /^c1\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})$/;

export function feedBookmarkOf({ era, position, sequence }: FeedPlace): Bookmark {
  return `c1.${[era, position, sequence].map(part => part.toString(36)).join('.')}`;
}

/** Throws `InvalidBookmark` for anything that `feedBookmarkOf` does not make. */
export function feedPlaceOf(bookmark: Bookmark): FeedPlace {
  const parts = feedForm.exec(bookmark)?.slice(1);
  const [era, position, sequence] = (parts ?? []).map(part => Number.parseInt(part, 36));
  if (era === undefined || position === undefined || sequence === undefined) throw new InvalidBookmark();
  const place = { era, position, sequence };
  if (![era, position, sequence].every(Number.isSafeInteger) || feedBookmarkOf(place) !== bookmark)
    throw new InvalidBookmark();
  return place;
}
