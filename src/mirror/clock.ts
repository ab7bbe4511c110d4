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

/**
 * The place by the other side's clock, which it tells to the second with each answer, of a moment between `askedAt` and
 * `heardAt` by ours: that leaves a range for what it is ahead, and what is known of it stays while it may still be so.
 * Where that clock was put back, it may have been so right after the answer before: what it dated since then is still to
 * be read, however long that was ago, as far as it shows. Where ours was put forward it looks the same.
 *
 * A date that is far from what is known leaves a `doubt`, with which the newest messages are asked for: where those are of
 * that time, it is so. Else it is of another clock than theirs, which would tell what has left, and what is to be read.
 */
export function withClock(known: Place, { date, askedAt, heardAt, shownSentAt }: Dated): Place {
  const { doubt, isMisdated, ...before } = known;
  if (date === undefined) return before;
  const [least, most] = [date - heardAt, date + 1000 - askedAt];
  if (least > before.skewMs + farMs || most < before.skewMs - farMs) {
    const fitting = shownSentAt.filter(at => at > date - windowMs - hour && at < date + hour).length;
    if (isMisdated === true && fitting * 2 <= shownSentAt.length) return { ...before, isMisdated };
    if (doubt === undefined) return { ...before, doubt: { least, most } };
    const isToldAgain = least <= doubt.most + sameClockMs && most >= doubt.least - sameClockMs;
    if (!isToldAgain || fitting * 2 < shownSentAt.length) return { ...before, isMisdated: true };
  }
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
