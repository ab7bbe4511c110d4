import type { EpochMs } from '../domain/message.ts';
import { youngLookMs } from './pace.ts';
import type { Look, Place } from './place.ts';
import type { Followed } from './rows.ts';
import { hasChanged } from './statuses.ts';

/** An end is seen within so long where all that is followed can be asked for in time. */
export const lateMs = 90_000;

/**
 * Since when, by our clock, all that is followed was asked for, by its id or by time, and how many messages were not within
 * `lateMs`. What is asked for less often because it is old, and its id alone finds it, counts once it is due. Of those that
 * are due as many are counted as are given.
 */
export function askedOf(
  { looks = [], skewMs }: Pick<Place, 'looks' | 'skewMs'>,
  due: readonly Followed[],
  now: EpochMs,
): NonNullable<Place['asked']> {
  let [since, late] = [now, 0];
  const count = (at: EpochMs, messages: number) => {
    since = Math.min(since, at);
    if (now - at > lateMs) late += messages;
  };
  for (const look of looks) if (look.pending > 0) count(look.at, look.pending);
  // What has changed did so before its stretch was looked at.
  for (const one of due)
    count(hasChanged(one) ? (lookOf(looks, one.sentAt)?.at ?? now) : one.dueAt - skewMs - youngLookMs, 1);
  return { since, late };
}

function lookOf(looks: readonly Look[], sentAt: EpochMs): Look | undefined {
  let [low, high] = [0, looks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((looks[middle]?.until ?? 0) <= sentAt) low = middle + 1;
    else high = middle;
  }
  const look = looks[low];
  return look !== undefined && look.from <= sentAt ? look : undefined;
}
