import type { EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';
import { type ShownPart, withLook, withPart } from './looks.ts';
import { isLookedAt } from './pace.ts';
import type { Look, Read } from './place.ts';

/** What of a message in an answer the place goes by. */
export type Seen = {
  readonly messageId: string;
  readonly sentAt: EpochMs;
  readonly isFinal: boolean;
  /** Not among those that are pending: only its id finds it. */
  readonly isById?: boolean;
  /** Of a group that is not known here: whether anything comes after it nobody can tell. */
  readonly isForeign?: boolean;
};

/** An answer with messages. */
export type PageAnswer = {
  readonly seen: readonly Seen[];
  /** Messages in it, also those of which nothing can be made. */
  readonly count: number;
  /** Some of them were not taken. */
  readonly isFlawed?: boolean;
  /** The other side walks by cursor. */
  readonly hasCursor: boolean;
  readonly next?: string;
};

/** What an answer shows. */
export type ShownBy = {
  /** All of this range, which may be empty. */
  readonly from: EpochMs;
  readonly until: EpochMs;
  /** Of those that are pending alone. */
  readonly isOfPending: boolean;
  /** Messages in the answer, where it shows all there are: hardly more than the range has. */
  readonly messages?: number;
  /** When those that are pending were sent. */
  readonly pendingSentAt: readonly EpochMs[];
  /** The milliseconds that go on in another page. */
  readonly parts: readonly Omit<ShownPart, 'at' | 'lookedAt'>[];
  /** There is nothing but one such millisecond, and another look shows the same of it. */
  readonly isLookAtPart: boolean;
};

/**
 * What an answer shows of what was asked for: as far as the page goes. Of the last millisecond of a page that is not the last,
 * and of the first one of a page that goes on with a walk, it shows a part.
 */
export function shownBy(asked: Read, answer: PageAnswer, theirNow: EpochMs): ShownBy | undefined {
  const { group, isOpen, walk, kind } = asked;
  // One millisecond is read by groups, and of those only what is pending is looked for again.
  if (group !== undefined && group !== 'PENDING') return undefined;
  const moments = answer.seen.map(({ sentAt }) => sentAt).filter(at => at >= asked.from);
  const isPart = answer.next !== undefined || (!answer.hasCursor && answer.count >= limits.pageLogsMax);
  if (isPart && moments.length === 0) return undefined;
  const newest = moments.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const oldest = moments.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const isCut = isPart && !isBehind(asked, answer.seen);
  const end = isOpen === true ? Math.max(asked.until, newest + 1) : asked.until;
  const from = isCut ? oldest + 1 : asked.from;
  const until = walk === undefined ? end : end - 1;
  const pending = answer.seen.filter(one => isPending(one) && isLookedAt(one, theirNow)).map(({ sentAt }) => sentAt);
  const isOfPending = group !== undefined;
  const countIn = (all: readonly EpochMs[], at: EpochMs) => all.filter(one => one === at).length;
  const parts = [...new Set([...(isCut ? [oldest] : []), ...(walk === undefined ? [] : [end - 1])])].map(sentAt => ({
    sentAt,
    pending: countIn(pending, sentAt),
    messages: countIn(moments, sentAt),
  }));
  return {
    from,
    until,
    isOfPending,
    ...(!isOfPending && { messages: answer.count }),
    pendingSentAt: pending,
    parts,
    isLookAtPart: kind === 'status' && isCut && newest === oldest,
  };
}

/**
 * Whether a page has come to an end of what was asked for, since what it shows is older. A side that takes no notice of
 * `sentSince` shows much that is; where a few are, they are amiss, and what is to come is not.
 */
export function isBehind({ from }: Read, seen: readonly Seen[]): boolean {
  return 2 * seen.filter(({ sentAt }) => sentAt < from).length > seen.length;
}

/** It is found by time until it has changed. */
const isPending = ({ isFinal, isById = false }: Seen) => !isFinal && !isById;

/** The looks after an answer. */
export function looksAfter(looks: readonly Look[], shown: ShownBy, askedAt: EpochMs, theirNow: EpochMs): Look[] {
  const { parts, isLookAtPart, from, until, pendingSentAt, messages } = shown;
  const whole = { from, until, at: askedAt, pendingSentAt, ...(messages !== undefined && { messages }) };
  const lookedAt = isLookAtPart ? { lookedAt: askedAt } : {};
  return parts.reduce(
    (all, part) => withPart(all, { ...part, ...lookedAt, at: askedAt }, theirNow),
    withLook(looks, whole, theirNow),
  );
}
