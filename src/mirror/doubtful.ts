import type { EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';
import { windowMs } from './pace.ts';
import type { Place, Read } from './place.ts';
import { isBehind, type PageAnswer } from './shown.ts';

type Doubtful = NonNullable<Place['doubtful']>[number];

/** When what was read with something amiss is read again, after the first time, the second, and so on. */
const againAfterMs = [60_000, 5 * 60_000, 25 * 60_000] as const;
/** Of these the newest are kept: where so much is amiss that the other side means it, all is not read four times. */
const doubtfulMax = 20;

/**
 * Whether an answer that reads a range for the first time may not be what the other side has of it: there is nothing in it at
 * all, or messages that cannot be taken, or a few that were not asked for. Such a thing can pass.
 */
function isAmiss(asked: Read, answer: PageAnswer, theirNow: EpochMs): boolean {
  const { seen, count, isFlawed = false } = answer;
  if (count === 0 || isFlawed || seen.length < count) return true;
  const since = asked.isOpen === true ? Math.min(asked.from, theirNow - windowMs) : asked.from;
  const isStray = seen.some(({ sentAt }) => sentAt < since || sentAt > theirNow + limits.futureSkewMs);
  return isStray && !isBehind(asked, seen);
}

/** The place after an answer, with what of the range is to be read once more: all before what is still to be read of it. */
export function withDoubtful(
  place: Place,
  asked: Read,
  answer: PageAnswer,
  left: readonly Read[],
  { askedAt, theirNow }: { readonly askedAt: EpochMs; readonly theirNow: EpochMs },
): Place {
  const { kind, from, until, doubts = 0 } = asked;
  const isFirst = kind === 'catchUp' || doubts > 0;
  if (!isFirst || doubts >= againAfterMs.length || !isAmiss(asked, answer, theirNow)) return place;
  const readFrom = left.reduce((newest, one) => Math.max(newest, one.until), from);
  if (readFrom >= until) return place;
  const one = { from: readFrom, until, readAt: askedAt, doubts: doubts + 1 };
  return { ...place, doubtful: [...(place.doubtful ?? []), one].slice(-doubtfulMax) };
}

/** What is to be read once more now, and by how many of its turns it is overdue; the longest overdue. */
export function doubtfulDue(place: Place, now: EpochMs): { readonly read: Read; readonly turns: number } | undefined {
  const due = (place.doubtful ?? []).map(one => ({ one, turns: turnsOf(one, now) })).filter(({ turns }) => turns >= 1);
  const [first] = due.toSorted((a, b) => b.turns - a.turns);
  if (first === undefined) return undefined;
  const { from, until, doubts } = first.one;
  return { read: { kind: 'again', from, until, doubts }, turns: first.turns };
}

function turnsOf({ readAt, doubts }: Doubtful, now: EpochMs): number {
  return Math.abs(now - readAt) / (againAfterMs[doubts - 1] ?? Number.POSITIVE_INFINITY);
}

/** The place once that read has begun. */
export function withoutDoubtful(place: Place, { from, until, doubts }: Read): Place {
  const { doubtful = [], ...others } = place;
  const left = doubtful.filter(one => one.from !== from || one.until !== until || one.doubts !== doubts);
  return { ...others, ...(left.length > 0 && { doubtful: left }) };
}

/** What has not left. */
export function doubtfulFrom(place: Place, horizon: EpochMs): Pick<Place, 'doubtful'> {
  const doubtful = (place.doubtful ?? []).filter(({ until }) => until > horizon);
  return doubtful.length > 0 ? { doubtful } : {};
}
