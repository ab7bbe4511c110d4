import { createHash } from 'node:crypto';
import type { EpochMs } from '../domain/message.ts';
import { statusGroupNames } from '../domain/registry.ts';
import { limits } from '../limits.ts';
import { withDoubtful, withoutDoubtful } from './doubtful.ts';
import { isCrowdedAt } from './looks.ts';
import {
  edgeMs,
  lessAllowed,
  limitedMs,
  moreAllowed,
  nextLook,
  olderShare,
  passes,
  pauseMs,
  refusedIdMs,
  type Terms,
  windowMs,
} from './pace.ts';
import { type Place, type Read, withGap } from './place.ts';
import { gone, type Step } from './plan.ts';
import type { Followed, Kept } from './rows.ts';
import { isBehind, looksAfter, type PageAnswer, type Seen, type ShownBy, shownBy } from './shown.ts';
import { writtenId } from './statuses.ts';

/** Why there is no answer. */
export type Failure =
  | { readonly kind: 'limited'; readonly retryAfterMs?: number }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'badQuestion'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string };

export type Asked = Exclude<Step, { kind: 'wait' }>;
export type Moved = Omit<Kept, 'place'> & { readonly place: Place };

/** Where an answer leads. `askedAt` and `now` are by our clock; the place must know the other side's already. */
export function advance(
  place: Place,
  step: Asked,
  answer: PageAnswer,
  askedAt: EpochMs,
  now: EpochMs,
  terms: Terms,
): Moved {
  const answered = answeredAt(place, now, terms);
  const theirNow = now + place.skewMs;
  const lane = laneOf(place, step);
  if (step.kind === 'list') {
    const { asked } = step.of;
    const idsMax = Math.min(limits.pageLogsMax, place.idsMax * 2);
    const lists = { idsMax, idsListed: idsIn(asked, idsMax), listedAt: askedAt };
    return {
      place: { ...answered, ...lane, ...lists, turn: place.turn + 1 },
      ...followedAfter([...answer.seen, ...missingOf(asked, answer)], theirNow, place, terms),
    };
  }
  // What is dated ahead of all clocks says nothing of how far the log is read.
  const newest = answer.seen
    .filter(({ sentAt }) => sentAt <= theirNow + limits.futureSkewMs)
    .reduce<EpochMs | undefined>((a, { sentAt }) => Math.max(a ?? sentAt, sentAt), place.newestSentAt);
  const asked = step.read ?? firstRead(place, askedAt, terms);
  const shown = shownBy(asked, answer, theirNow);
  const missing =
    shown === undefined || shown.isOfPending
      ? []
      : (step.of?.asked ?? []).filter(({ sentAt }) => sentAt >= shown.from && sentAt < shown.until);
  const looks = shown === undefined ? place.looks : looksAfter(place.looks ?? [], shown, askedAt, theirNow);
  const looked = { ...answered, ...(looks !== undefined && { looks }) };
  const noted = {
    ...looked,
    ...lane,
    ...(newest !== undefined && { newestSentAt: newest }),
    turn: place.turn + (step.isPatient ? 1 : 0),
  };
  const moved =
    step.read === undefined
      ? begun(noted, asked, answer, askedAt, terms)
      : read(noted, step, asked, answer, { askedAt, now });
  const pendingOf = shown === undefined ? undefined : pendingOfAll(place, looked, shown);
  return {
    place: moved,
    ...followedAfter([...answer.seen, ...missingOf(missing, answer)], theirNow, looked, terms),
    ...(pendingOf !== undefined && { pendingOf }),
  };
}

/**
 * Of which range all that are pending were shown. Once more of a millisecond turn out to be pending than a page shows, those
 * that it does not show are asked for by their ids, once at once and now and then from then on.
 */
function pendingOfAll(before: Place, after: Place, { from, until, isOfPending, parts }: ShownBy): Kept['pendingOf'] {
  if (isOfPending && from < until) return { from, until };
  const isCrowded = ({ looks = [] }: Place, at: EpochMs) => isCrowdedAt(looks, at);
  const found = parts.find(({ sentAt }) => isCrowded(after, sentAt) && !isCrowded(before, sentAt));
  return found === undefined ? undefined : { from: found.sentAt, until: found.sentAt + 1 };
}

/** What the younger owe to the older after a request for one of them; what the older had beyond their share counts. */
function laneOf({ owedToOlder = 0 }: Place, { of }: Asked): Pick<Place, 'owedToOlder'> {
  if (of === undefined) return {};
  const owed = owedToOlder + (of.isOlder ? olderShare - 1 : olderShare);
  return { owedToOlder: Math.max(-owedMax, Math.min(owedMax, owed)) };
}

const owedMax = 3;

/** Those that the other side does not show any more. */
function missingOf(asked: readonly Followed[], { seen }: PageAnswer): readonly Seen[] {
  const shown = new Set(seen.map(one => one.messageId));
  return asked.filter(one => !shown.has(one.messageId)).map(one => ({ ...one, isById: true, isFinal: false }));
}

/** How many ids of such a length a list has. */
function idsIn(asked: readonly Followed[], idsMax: number): number {
  const chars = asked.reduce((sum, { messageId }) => sum + writtenId(messageId).length + 1, 0);
  return Math.max(1, Math.min(idsMax, Math.floor(((limits.idListCharsMax + 1) * asked.length) / Math.max(1, chars))));
}

function answeredAt({ trouble: _, ...before }: Place, now: EpochMs, terms: Terms): Place {
  const { allowed: __, ...place } = before;
  const allowed = moreAllowed(before, terms);
  return {
    ...place,
    ...(allowed !== undefined && { allowed }),
    answeredAt: now,
    notBefore: 0,
    failures: 0,
    requests: place.requests + 1,
  };
}

/** The very first page has no bounds: it tells the other side's clock, and what is behind it is caught up with. */
function firstRead(place: Place, askedAt: EpochMs, terms: Terms): Read {
  const theirNow = askedAt + place.skewMs;
  const from = theirNow - Math.min(terms.sinceMs, windowMs - edgeMs(terms));
  return { kind: 'catchUp', from, until: theirNow, isOpen: true };
}

function begun(place: Place, whole: Read, answer: PageAnswer, askedAt: EpochMs, { sinceMs }: Terms): Place {
  const theirNow = whole.until;
  const { reads, gaps } = rest(whole, answer, {});
  return {
    ...withDoubtful(place, whole, answer, reads, { askedAt, theirNow }),
    begunAt: theirNow,
    head: theirNow,
    headReadAt: askedAt,
    passes: passes.map(({ ageMs }) => theirNow - Math.min(ageMs, sinceMs)),
    messagesPerMinute: rateOf(whole, answer),
    reads: [...reads],
    gaps: [...place.gaps, ...gaps],
  };
}

function read(
  place: Place,
  step: Extract<Asked, { kind: 'page' }>,
  asked: Read,
  answer: PageAnswer,
  { askedAt, now }: { readonly askedAt: EpochMs; readonly now: EpochMs },
): Place {
  // A look by time is a page, and what it left out is still to be looked at.
  if (asked.kind === 'status') return place;
  const { reads, gaps } = rest(asked, answer);
  const others = place.reads.filter(one => !isSame(one, asked));
  const theirNow = now + place.skewMs;
  const lost = reads.length > 0 ? [] : leftMeanwhile(asked, answer, theirNow);
  const known = step.begins && asked.doubts !== undefined ? withoutDoubtful(place, asked) : place;
  const moved = {
    ...withDoubtful(known, asked, answer, reads, { askedAt, theirNow }),
    reads: bounded([...reads, ...others]),
    gaps: [...gaps, ...lost].reduce(withGap, place.gaps),
  };
  if (asked.kind === 'catchUp') moved.unreadPerMinute = rateOf(asked, answer);
  if (asked.kind === 'head') moved.messagesPerMinute = 0.7 * place.messagesPerMinute + 0.3 * rateOf(asked, answer);
  if (!step.begins) return moved;
  // Asked for by a clock that this answer told was put back: what is before it is not read by that.
  const until = (at: EpochMs | undefined) => (at !== undefined && at < asked.from ? at : asked.until);
  if (step.pass !== undefined)
    return { ...moved, passes: place.passes.map((at, i) => (i === step.pass ? until(at) : at)) };
  if (asked.kind !== 'head') return moved;
  // What was left of the head before is behind this one now.
  const behind = others.map(one => (one.kind === 'head' ? { ...one, kind: 'catchUp' as const } : one));
  return { ...moved, head: until(place.head), headReadAt: askedAt, reads: bounded([...reads, ...behind]) };
}

/** What may have left the other side's log before it answered with the last of a range: what it shows had not. */
function leftMeanwhile({ kind, from, until }: Read, { seen }: PageAnswer, theirNow: EpochMs): Place['gaps'] {
  if (kind !== 'head' && kind !== 'catchUp') return [];
  const shownFrom = seen.reduce((oldest, { sentAt }) => Math.min(oldest, sentAt), until);
  const left = Math.min(shownFrom, theirNow + clockDoubtMs - windowMs);
  return left > from ? [{ from, until: left, reason: gone }] : [];
}

/** What their clock may be ahead of what is known of it, once it was heard. */
const clockDoubtMs = 1000;

function isSame(a: Read, b: Read): boolean {
  return a.kind === b.kind && a.until === b.until && a.group === b.group && a.walk?.cursor === b.walk?.cursor;
}

/** What is still to be read of a range after a page of it, newest first. */
function rest(
  asked: Read,
  { seen, count, hasCursor, next }: PageAnswer,
  bounds: WalkBounds = boundsOf(asked),
): { readonly reads: readonly Read[]; readonly gaps: Place['gaps'] } {
  const none = { reads: [], gaps: [] };
  if (count === 0 || isBehind(asked, seen)) return none;
  const within = seen.filter(({ sentAt }) => sentAt >= asked.from);
  const oldest = within.reduce((a, { sentAt }) => Math.min(a, sentAt), Number.POSITIVE_INFINITY);
  const { walk, isOpen, isRefused, ...range } = asked;
  const newest = seen.reduce((a, { sentAt }) => Math.max(a, sentAt), Number.NEGATIVE_INFINITY);
  const shown = newest === oldest ? digestOf(seen) : undefined;
  // The page before once more: the cursor was taken no notice of, and each further one would lead here again.
  if (walk !== undefined && oldest + 1 >= asked.until) {
    if (newest > oldest) return { reads: [range], gaps: [] };
    if (shown !== undefined && shown === walk.shown) return crowded(range, count);
  }
  const isRepeated = next !== undefined && (next === walk?.cursor || (isRefused === true && oldest + 1 >= asked.until));
  if (next !== undefined && !isRepeated) {
    return {
      reads: [
        {
          ...range,
          until: Math.max(asked.from + 1, Math.min(asked.until, oldest + 1)),
          walk: { ...bounds, cursor: next, ...(shown !== undefined && { shown }) },
        },
      ],
      gaps: [],
    };
  }
  if (count < limits.pageLogsMax ? next === undefined || isRefused === true : next === undefined && hasCursor)
    return none;
  if (isOpen === true || oldest + 1 < asked.until) return { reads: [{ ...range, until: oldest + 1 }], gaps: [] };
  return crowded(range, count);
}

type WalkBounds = Omit<NonNullable<Read['walk']>, 'cursor' | 'shown'>;

function boundsOf({ walk, from, until, isOpen }: Read): WalkBounds {
  if (walk === undefined) return { since: from, ...(isOpen !== true && { until }) };
  const { cursor: _, shown: __, ...bounds } = walk;
  return bounds;
}

/** Tells pages of one millisecond apart, in whatever order they show what they do. */
function digestOf(seen: readonly Seen[]): string {
  const ids = seen.map(({ messageId }) => messageId).toSorted();
  return createHash('sha256').update(JSON.stringify(ids)).digest('base64url');
}

/** A page full of one millisecond says nothing of what else that has: it is read by status group. What is not full has all. */
function crowded(range: Read, count: number): { readonly reads: readonly Read[]; readonly gaps: Place['gaps'] } {
  const at = range.until - 1;
  const below = at > range.from ? [{ ...range, until: at }] : [];
  const isUnread = range.kind === 'head' || range.kind === 'catchUp';
  if (!isUnread || count < limits.pageLogsMax) return { reads: below, gaps: [] };
  if (range.group !== undefined)
    return {
      reads: below,
      gaps: [{ from: at, until: at + 1, reason: 'more messages share this millisecond than can be told apart' }],
    };
  // Pending ones first: what becomes final meanwhile is still to come.
  const groups = statusGroupNames.map(group => ({ ...range, from: at, group }));
  return { reads: [...groups, ...below], gaps: [] };
}

/** The oldest ranges become one, and what lies between them is read again, before there are too many. */
function bounded(reads: readonly Read[]): Read[] {
  const behind = reads.filter(one => one.kind === 'catchUp' && one.group === undefined).sort((a, b) => a.from - b.from);
  const [first, second] = behind;
  if (reads.length <= readsMax || first === undefined || second === undefined) return [...reads];
  const merged: Read = { kind: 'catchUp', from: first.from, until: Math.max(first.until, second.until) };
  return bounded([...reads.filter(one => one !== first && one !== second), merged]);
}

const readsMax = 100;
const rateSpanMsMin = 1000;

/** Messages a minute in the part of a range that a page covers. */
function rateOf({ from, until, isOpen }: Read, { seen, count }: PageAnswer): number {
  const oldest = seen.reduce((a, { sentAt }) => Math.min(a, sentAt), until);
  const newest = seen.reduce((a, { sentAt }) => Math.max(a, sentAt), from);
  const begins = count < limits.pageLogsMax ? Math.min(from, oldest) : oldest;
  return (count * 60_000) / Math.max(rateSpanMsMin, (isOpen === true ? Math.max(until, newest) : until) - begins);
}

/** Whether each message is followed from now on, and when its id is asked for. */
function followedAfter(seen: readonly Seen[], theirNow: EpochMs, place: Place, terms: Terms): Omit<Kept, 'place'> {
  const follow: Followed[] = [];
  const unfollow: string[] = [];
  const crowded = new Set((place.looks ?? []).filter(look => look.isCrowded).map(look => look.from));
  for (const { messageId, sentAt, isFinal, isById = false, isForeign = false } of seen) {
    const isCrowded = !isById && crowded.has(sentAt);
    const dueAt = isFinal ? undefined : nextLook({ sentAt, isById, isForeign, isCrowded }, theirNow, place, terms);
    if (dueAt === undefined) unfollow.push(messageId);
    else follow.push({ messageId, sentAt, dueAt, isById });
  }
  return { follow, unfollow };
}

/** Where a failure leads: what was asked is asked again, later or in another way. */
export function afterFailure(
  place: Place,
  step: Asked,
  failure: Failure,
  now: EpochMs,
  random: number,
  terms: Terms,
): Moved {
  const counted = { ...place, requests: place.requests + 1 };
  const still = { follow: [], unfollow: [] };
  switch (failure.kind) {
    case 'limited': {
      const { retryAfterMs = limitedMs } = failure;
      const trouble = { reason: 'the other side asks for fewer requests (429)', at: now };
      const allowed = lessAllowed(place, terms);
      return { place: { ...counted, allowed, trouble, notBefore: now + Math.max(1000, retryAfterMs) }, ...still };
    }
    case 'badQuestion':
      if (step.kind === 'page' && step.read?.walk !== undefined)
        return { place: withoutWalk(counted, step.read), ...still };
      if (step.kind === 'list') return afterBadList(counted, step.of.asked, now);
      break;
    default:
  }
  const failures = place.failures + 1;
  const trouble = { reason: failure.reason, at: now };
  return { place: { ...counted, failures, trouble, notBefore: now + pauseMs(failures, random) }, ...still };
}

/** The cursor has expired, say: the rest of the range is read from where the walk was. */
function withoutWalk(place: Place, { walk, ...range }: Read): Place {
  const refused = { ...range, isRefused: true };
  return {
    ...place,
    reads: place.reads.map(one => (isSame(one, { ...range, ...(walk && { walk }) }) ? refused : one)),
  };
}

/** A list that is refused is asked in halves; an id that is refused alone waits. */
function afterBadList(place: Place, asked: readonly Followed[], now: EpochMs): Moved {
  const idsMax = Math.max(1, Math.floor(asked.length / 2));
  const later = now + place.skewMs + refusedIdMs;
  const follow = asked.length > 1 ? [] : asked.map(one => ({ ...one, dueAt: later }));
  return { place: { ...place, idsMax, turn: place.turn + 1 }, follow, unfollow: [] };
}
