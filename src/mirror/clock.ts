import type { EpochMs } from '../domain/message.ts';
import { passes, windowMs } from './pace.ts';
import type { Place } from './place.ts';
import { clockBackMs } from './plan.ts';

/** When an answer was made, by its own word and between which moments by our clock; and when what it shows was sent. */
export type Dated = {
  readonly date: EpochMs | undefined;
  readonly askedAt: EpochMs;
  readonly heardAt: EpochMs;
  readonly shownSentAt: readonly EpochMs[];
};

/** What the other side's clock is ahead of ours, at least and at most. */
type Ahead = { readonly least: number; readonly most: number };

/**
 * The place by the other side's clock, which it tells to the second with each answer, of a moment between `askedAt` and
 * `heardAt` by ours. A date that is far from what is known is not gone by until it is believed (`unbelieved`).
 */
export function withClock(known: Place, dated: Dated): Place {
  const { doubt: _, isMisdated: __, ...before } = known;
  const { date, askedAt, heardAt } = dated;
  if (date === undefined) return before;
  const ahead = { least: date - heardAt, most: date + 1000 - askedAt };
  const isFar = ahead.least > before.skewMs + farMs || ahead.most < before.skewMs - farMs;
  const why = isFar ? unbelieved(known, ahead, date, dated.shownSentAt) : undefined;
  return why === undefined ? byDate(before, date, heardAt, ahead) : { ...before, ...why };
}

/**
 * Why a date that is far from what is known is not believed; `undefined` when it is. At first it leaves a `doubt`, with
 * which the newest messages are asked for: when the date comes again, and at least half of those are of that time, it is so.
 * Else it is of another clock than theirs, which would tell what has left, and what is to be read: from then on only a date
 * that more than half of an answer's messages are of is thought about at all.
 */
function unbelieved(
  { doubt, isMisdated }: Place,
  { least, most }: Ahead,
  date: EpochMs,
  shownSentAt: readonly EpochMs[],
): Pick<Place, 'doubt' | 'isMisdated'> | undefined {
  const fitting = shownSentAt.filter(at => at > date - windowMs - hour && at < date + hour).length;
  if (isMisdated === true && fitting * 2 <= shownSentAt.length) return { isMisdated };
  if (doubt === undefined) return { doubt: { least, most } };
  const isToldAgain = least <= doubt.most + sameClockMs && most >= doubt.least - sameClockMs;
  return isToldAgain && fitting * 2 >= shownSentAt.length ? undefined : { isMisdated: true };
}

/**
 * The place by a date that is believed: it leaves a range for what that clock is ahead, and what is known of it stays while
 * it may still be so. Where that clock was put back, it may have been so right after the answer before: what it dated since
 * then is still to be read, however long that was ago, as far as it shows. Where ours was put forward it looks the same.
 */
function byDate(before: Place, date: EpochMs, heardAt: EpochMs, { least, most }: Ahead): Place {
  const place = { ...before, toldAt: date };
  // Before the first answer nothing is known, and of a late one least: what is too little is made good by the next.
  const isFirst = place.head === undefined;
  const slackMs = isFirst ? 0 : sameClockMs;
  const isVague = isFirst && most - least > sameClockMs;
  const isAhead = least > place.skewMs + slackMs;
  if (!isVague && !isAhead && most >= place.skewMs - slackMs) return place;
  // Hardly ever above what it is: no answer, however late, then looks like a clock that was put back.
  const skewMs = least + 500;
  if (isAhead || place.head === undefined) return { ...place, skewMs };
  const readUntil = Math.max((place.answeredAt ?? heardAt) + skewMs - clockBackMs, date - clockBackMsMost);
  return {
    ...place,
    skewMs,
    head: Math.min(place.head, readUntil),
    passes: place.passes.map((at, i) => Math.min(at, readUntil - (passes[i]?.ageMs ?? 0))),
  };
}

const sameClockMs = 2000;
/** A clock that is set by hand, an answer out of a store of answers, or the clock of what stands before the other side. */
const farMs = 60_000;
const hour = 60 * 60_000;
/** What lies further back leaves before it could be read once more. */
const clockBackMsMost = windowMs - hour;
