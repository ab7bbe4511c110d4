import type { EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';
import { isLeaving, isOverfull, messagesBefore, shareChanged, shareLately } from './looks.ts';
import {
  byIdEveryMs,
  lastLookMs,
  listWaitMs,
  lookEveryMs,
  pageFill,
  servedYoungMs,
  statusWaitMs,
  type Terms,
  windowMs,
  youngMs,
} from './pace.ts';
import type { Look, Place, Read } from './place.ts';
import type { Followed } from './rows.ts';

/** What the next request for statuses is: the messages that are asked for by their ids, or `read` and those that are due in it. */
export type StatusStep = { readonly isOlder: boolean; readonly asked: readonly Followed[]; readonly read?: Read };

type Moment = { readonly now: EpochMs; readonly theirNow: EpochMs };
/** What was asked for within `waitMs` is left for later. */
type Waiting = Moment & { readonly waitMs: number };

/** The younger messages, or the older ones: those that are due by their ids, and the looks at what is pending of them. */
type Lane = {
  readonly isOlder: boolean;
  readonly due: readonly Followed[];
  readonly looks: readonly Look[];
};

/**
 * The next request for what is not final, if one is due. What is pending is found by time, a thousand a page: what does not
 * show there any more has changed. That, and what is of other groups, is found by lists of ids, or by reading the stretch
 * it lies in, whichever shows more of it. Younger messages come first; older ones have their share.
 */
export function statusStep(place: Place, due: readonly Followed[], at: Moment, terms: Terms): StatusStep | undefined {
  const { looks = [] } = place;
  const { true: older = [], false: younger = [] } = Object.groupBy(due, ({ sentAt }) =>
    String(at.theirNow - sentAt >= servedYoungMs),
  );
  // Those that were younger when they were looked at last are looked at once more with them.
  const { true: olderLooks = [], false: youngerLooks = [] } = Object.groupBy(looks, look =>
    String(ageMs(look, at) - Math.abs(at.now - look.at) >= youngMs),
  );
  const lanes: readonly Lane[] = [
    { isOlder: false, due: younger, looks: youngerLooks },
    { isOlder: true, due: older, looks: olderLooks },
  ];
  const firstToLast = (place.owedToOlder ?? 0) >= 1 ? lanes.toReversed() : lanes;
  // What has waited longer than it may is before all that might be looked at already, whichever lane it is of.
  for (const waitMs of [statusWaitMs, 0])
    for (const lane of firstToLast) {
      const step = laneStep(place, lane, due, { ...at, waitMs }, terms);
      if (step !== undefined) return step;
    }
  return undefined;
}

function laneStep(
  place: Place,
  lane: Lane,
  dueOfAll: readonly Followed[],
  at: Waiting,
  terms: Terms,
): StatusStep | undefined {
  const { isOlder } = lane;
  const hasWaitedLong = (one: Followed) =>
    at.theirNow - one.dueAt >= at.waitMs - byIdEveryMs(place, terms, at.theirNow - one.sentAt);
  const isUrgent = (one: Followed) => hasChanged(one) || isLast(one, at.theirNow) || hasWaitedLong(one);
  const named = inOrder(lane.due.filter(isUrgent), at.theirNow);
  const list = listOf(named, place.idsMax);
  const isFull = list.length < named.length;
  const hasWaited = Math.abs(at.now - (place.listedAt ?? 0)) >= listWaitMs;
  const [first, last] = [list.at(0), list.at(-1)];
  const isReady = first !== undefined && last !== undefined && (isFull || hasWaited);
  // What is known to have changed is sure to be news, so it is asked for before anything is looked for.
  const isNews = isReady && hasChanged(isFull ? last : first);
  const look = isNews ? undefined : bestLook(place, lane, at, terms);
  if (isReady && (look === undefined || worthOfList(place, lane, list, at, terms) >= look.worth)) {
    const stretch = isFull ? crowdedStretch(place, named) : undefined;
    if (stretch !== undefined && stretch.asked.length > list.length) return { isOlder, ...stretch };
    return { isOlder, asked: isFull ? list : filled(list, inOrder(dueOfAll, at.theirNow), place.idsMax) };
  }
  if (look === undefined) return undefined;
  const { from, until } = look.range;
  const asked = lane.due.filter(({ sentAt }) => sentAt >= from && sentAt < until);
  return { isOlder, asked, read: { kind: 'status', ...look.range } };
}

/** What did not show among what is pending is due since it was sent: see `MirrorRows.keep`. */
export const hasChanged = ({ sentAt, dueAt }: Followed) => dueAt <= sentAt;

const isLast = ({ sentAt }: Followed, theirNow: EpochMs) => theirNow >= sentAt + windowMs - lastLookMs;

/** What leaves first, then what has changed, then the longest overdue. */
function inOrder(due: readonly Followed[], theirNow: EpochMs): readonly Followed[] {
  const rank = (one: Followed) => (isLast(one, theirNow) ? 0 : hasChanged(one) ? 1 : 2);
  return due.toSorted((a, b) => rank(a) - rank(b) || a.dueAt - b.dueAt);
}

/** A list that has room takes others too. */
function filled(list: readonly Followed[], due: readonly Followed[], idsMax: number): readonly Followed[] {
  const listed = new Set(list);
  return listOf([...list, ...due.filter(one => !listed.has(one))], idsMax);
}

/** As many ids as one parameter takes. */
function listOf(due: readonly Followed[], idsMax: number): readonly Followed[] {
  const asked: Followed[] = [];
  let chars = 0;
  for (const one of due) {
    chars += writtenId(one.messageId).length + 1;
    if (asked.length > 0 && (chars - 1 > limits.idListCharsMax || asked.length >= idsMax)) break;
    asked.push(one);
  }
  return asked;
}

/** An id as it stands in a list. */
export function writtenId(messageId: string): string {
  return messageId.replaceAll(',', '\\,');
}

/** The page by time that shows the most of those that are asked for, by how many messages lie between them. */
function crowdedStretch(
  { looks = [] }: Place,
  named: readonly Followed[],
): { readonly asked: readonly Followed[]; readonly read: Read } | undefined {
  // A page that is cut inside of a millisecond shows the same of that each time: what else it has is left for lists.
  const overfull = new Set(looks.filter(isOverfull).map(look => look.from));
  const byTime = named.filter(one => !overfull.has(one.sentAt)).toSorted((a, b) => a.sentAt - b.sentAt);
  const before = messagesBefore(
    looks,
    byTime.map(({ sentAt }) => sentAt),
  );
  const upTo = messagesBefore(
    looks,
    byTime.map(({ sentAt }) => sentAt + 1),
  );
  let [low, best] = [0, { from: 0, count: 0 }];
  for (const [high, messages] of upTo.entries()) {
    while (low <= high && (messages - (before[low] ?? 0) > pageFill || high - low >= pageFill)) low++;
    if (high - low + 1 > best.count) best = { from: low, count: high - low + 1 };
  }
  const asked = byTime.slice(best.from, best.from + best.count);
  const [first, last] = [asked.at(0), asked.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  return { asked, read: { kind: 'status', from: first.sentAt, until: last.sentAt + 1 } };
}

/** Of younger messages by how long it is overdue, since all of them have to be seen in time; of older ones by what it shows. */
function worthOfList(place: Place, { isOlder }: Lane, list: readonly Followed[], { theirNow }: Moment, terms: Terms) {
  if (!isOlder) return Math.max(...list.map(one => theirNow - one.dueAt));
  const { looks = [] } = place;
  return list.reduce((sum, one) => {
    if (isLast(one, theirNow)) return Number.POSITIVE_INFINITY;
    const look = looks.find(({ until }) => one.sentAt < until);
    const ms = theirNow - one.dueAt + byIdEveryMs(place, terms, theirNow - one.sentAt);
    return sum + (look === undefined ? 1 : shareChanged(look, ms, theirNow));
  }, 0);
}

/**
 * The page that is worth most, of what is due to be looked at; `undefined` when nothing is. Where not all of the older can be
 * looked at in time, the most ends are seen in time where what changes fastest is, again and again, and all else has to
 * wait: by how much may have changed meanwhile, each would be late by turns. One look in so many goes to that after all, and
 * all of them where so many are pending that hardly any could be in time.
 */
function bestLook(place: Place, { isOlder, looks }: Lane, at: Waiting, terms: Terms) {
  let best: { readonly range: Range; readonly worth: number } | undefined;
  const pages = looks.reduce((sum, look) => sum + look.pending, 0) / pageFill;
  const areFew = pages <= terms.requestsPerMinute * fewShare;
  const share = isOlder && areFew && place.turn % longestTurn !== 0 ? shareLately : shareChanged;
  for (const look of looks.filter(one => one.pending > 0)) {
    if (isLeaving(look, at.now, at.theirNow)) return { range: leaving(look, at), worth: Number.POSITIVE_INFINITY };
    const everyMs = Math.max(at.waitMs, lookEveryMs(place, terms, ageMs(look, at)));
    const overdueMs = Math.abs(at.now - look.at) - everyMs;
    if (overdueMs < 0 || (!isOlder && overdueMs <= (best?.worth ?? -1))) continue;
    const { range, changed } = pageAround(place.looks ?? [], look, at, share);
    const worth = isOlder ? changed : overdueMs;
    if (worth > (best?.worth ?? -1)) best = { range, worth };
  }
  return best;
}

/** Prime, so that it falls in with none of the other turns. */
const longestTurn = 11;

/** Of the requests a minute, as many pages of what is pending can be looked at again and again. */
const fewShare = 0.25;

const ageMs = ({ until }: Look, { theirNow }: Moment) => Math.max(0, theirNow - until);

type Range = Pick<Read, 'from' | 'until' | 'group'>;

/** A page of what is due for the last time: what leaves first. */
function leaving({ from, until, pending }: Look, { theirNow }: Moment): Range {
  const page = from + Math.ceil(((until - from) * pageFill) / Math.max(pageFill, pending));
  return { from, until: Math.max(from + 1, Math.min(page, theirNow - windowMs + lastLookMs)), group: 'PENDING' };
}

/** What one page shows of what is pending: a range, and of those beside it what has changed the most. */
function pageAround(looks: readonly Look[], middle: Look, { now, theirNow }: Moment, share: typeof shareChanged) {
  let [low, high] = [looks.indexOf(middle), looks.indexOf(middle)];
  let { from, until, pending, messages } = middle;
  const shareOf = (look: Look) => share(look, Math.abs(now - look.at), theirNow);
  let changed = shareOf(middle) * Math.min(pending, pageFill);
  while (pending < pageFill) {
    const [older, younger] = [looks[low - 1], looks[high + 1]];
    const [next] = [older, younger].filter(one => one !== undefined).toSorted((a, b) => shareOf(b) - shareOf(a));
    if (next === undefined) break;
    const part = Math.min(1, (pageFill - pending) / Math.max(1, next.pending));
    // What is cut anew each time is only known by the share of it that was pending, and seems to change by that alone.
    if (part < 1 && pending > pageFill * fullShare) break;
    if (next === older) [low, from] = [low - 1, Math.ceil(next.until - part * (next.until - next.from))];
    else [high, until] = [high + 1, Math.floor(next.from + part * (next.until - next.from))];
    [pending, messages] = [pending + part * next.pending, messages + part * next.messages];
    changed += shareOf(next) * part * next.pending;
    if (part < 1) break;
  }
  // Where nearly all is pending, a page that shows all there is shows no fewer of them, and what has become of the others too.
  const isWhole = messages * wholeShare <= pending && !looks.slice(low, high + 1).some(isOverfull);
  return { range: { from, until, ...(!isWhole && { group: 'PENDING' }) }, changed };
}

const wholeShare = 0.9;
const fullShare = 0.6;
