import type { EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';
import { lastLookMs, pageFill, windowMs } from './pace.ts';
import type { Look } from './place.ts';

/** What an answer by time showed of a range: when those that are pending were sent, and how many there are of all, where it told. */
export type Shown = Pick<Look, 'from' | 'until' | 'at'> & {
  readonly pendingSentAt: readonly EpochMs[];
  readonly messages?: number;
};

/** A millisecond of which an answer showed a part, since it goes on in another page: how many of that are pending, and of all. */
export type ShownPart = {
  readonly sentAt: EpochMs;
  /** When all that a look could show of it was shown. */
  readonly lookedAt?: EpochMs;
  readonly at: EpochMs;
  readonly pending: number;
  readonly messages: number;
};

const minute = 60_000;

/**
 * The looks with one more: what it went over is no longer as old as it was. Ranges never overlap, oldest first. Those that
 * touch and were looked at at about one time become one, so that there are few: more finely the younger they are.
 */
export function withLook(looks: readonly Look[], shown: Shown, theirNow: EpochMs): Look[] {
  if (shown.until <= shown.from) return [...looks];
  const apart: Look[] = [];
  const before: Look[] = [];
  for (const look of looks) {
    const sides = [partOf(look, look.from, shown.from), partOf(look, shown.until, look.until)];
    apart.push(...sides.filter(side => side !== undefined));
    const within = partOf(look, shown.from, shown.until);
    if (within !== undefined) before.push(within);
  }
  return fewOf([...apart, ...lookedAgain(before, shown, theirNow)], shown.at, theirNow);
}

/** The looks with a part of one millisecond: what was known of it stays, since nothing is shown of the others that it has. */
export function withPart(looks: readonly Look[], part: ShownPart, theirNow: EpochMs): Look[] {
  const { sentAt, at, lookedAt } = part;
  const range = { from: sentAt, until: sentAt + 1 };
  const around = looks.find(look => look.from <= sentAt && look.until > sentAt);
  const isOrdinary = part.messages < limits.pageLogsMax && lookedAt === undefined;
  // Nothing new, so it stays in its stretch.
  if (isOrdinary && around !== undefined && (around.pending > 0 || part.pending === 0)) return [...looks];
  const known = around && partOf(around, range.from, range.until);
  const pending = Math.max(part.pending, known?.pending ?? 0);
  const messages = Math.max(part.messages, known?.messages ?? 0, pending);
  const shown = { ...range, at: lookedAt ?? known?.at ?? at, pending, messages };
  const look: Look = {
    ...changingOf([], shown, theirNow),
    ...known,
    ...shown,
    ...((known?.isCrowded === true || part.pending >= limits.pageLogsMax) && { isCrowded: true }),
  };
  const apart = looks
    .flatMap(one => [partOf(one, one.from, range.from), partOf(one, range.until, one.until)])
    .filter(side => side !== undefined);
  return fewOf([...apart, look], at, theirNow);
}

/** Whether more of the millisecond are pending than a page has. */
export function isCrowdedAt(looks: readonly Look[], sentAt: EpochMs): boolean {
  return looks.some(look => look.isCrowded === true && look.from === sentAt);
}

/** One millisecond that has more than a page: a page of it shows the same of them each time. */
export const isOverfull = ({ from, until, messages }: Look) => until - from === 1 && messages >= limits.pageLogsMax;

function fewOf(looks: readonly Look[], now: EpochMs, theirNow: EpochMs): Look[] {
  const all = looks.toSorted((a, b) => a.from - b.from);
  for (let share = togetherShare; ; share *= 2) {
    const few = joinedAlike(all, (a, b) => areAlike(a, b, { now, theirNow, share }));
    if (few.length <= looksMax || share > shareMax) return few;
  }
}

/** There are some dozens of them: one for each twice as long ago that they were sent, and looked at. */
const looksMax = 300;
const shareMax = 1000;

function joinedAlike(looks: readonly Look[], areToBeOne: (a: Look, b: Look) => boolean): Look[] {
  const merged: Look[] = [];
  for (const look of looks) {
    const last = merged.at(-1);
    if (last !== undefined && areToBeOne(last, look)) merged[merged.length - 1] = joined(last, look);
    else merged.push(look);
  }
  return merged;
}

/** A page of all there is tells how many messages a range has; one of what is pending leaves that as it was known of each part. */
function lookedAgain(before: readonly Look[], shown: Shown, theirNow: EpochMs): Look[] {
  const { from, until, at, pendingSentAt, messages } = shown;
  const pendingIn = (start: EpochMs, end: EpochMs) => pendingSentAt.filter(one => one >= start && one < end).length;
  if (messages !== undefined) {
    const look = { from, until, at, pending: pendingSentAt.length, messages };
    return [{ ...look, ...changingOf(before, look, theirNow) }];
  }
  // What lies between them was never looked at as a whole, and is as far as it is known to be pending.
  const starts = before.map((look, i) => (i === 0 ? from : look.from));
  return before.map((part, i) => {
    const [start, end] = [starts[i] ?? from, starts[i + 1] ?? until];
    const pending = pendingIn(start, end);
    const look = { from: start, until: end, at, pending, messages: Math.max(part.messages, pending) };
    return { ...look, ...changingOf([part], look, theirNow) };
  });
}

const sumOf = (looks: readonly Look[], of: (look: Look) => number) => looks.reduce((sum, look) => sum + of(look), 0);

/**
 * How fast what is pending changes, by how much of it did since it was looked at before; at first, as in all the time before.
 * What was seen earlier counts for as much as was watched, but no longer than for some minutes, and less the younger it was.
 */
function changingOf(before: readonly Look[], shown: Counts, theirNow: EpochMs): Pick<Look, 'changing' | 'watched'> {
  const ageMs = Math.max(minute / 4, theirNow - (shown.from + shown.until) / 2);
  const pending = sumOf(before, look => look.pending);
  if (sumOf(before, look => look.messages) < shown.messages / 2 || pending === 0)
    return { changing: rounded(minute / ageMs), watched: watchedLeast };
  const sinceMs = sumOf(before, look => look.pending * Math.abs(shown.at - look.at)) / pending;
  const watched = (pending * sinceMs) / minute;
  const known = sumOf(before, look => look.pending * look.changing) / pending;
  const wasYoung = Math.max(0, 1 - sinceMs / ageMs) ** 3;
  const knownFor = Math.max(
    watchedLeast,
    wasYoung *
      Math.min(
        pending * watchedMinutes,
        sumOf(before, look => look.watched ?? 0),
      ),
  );
  const changing = (knownFor * known + Math.max(0, pending - shown.pending)) / (knownFor + watched);
  return { changing: rounded(changing), watched: Math.round(knownFor + watched) };
}

type Counts = Omit<Look, 'changing' | 'watched'>;

/** What was seen counts as long as all of them were watched for so many minutes. */
const watchedMinutes = 5;
/** What is known of all messages counts as much as one of them that was watched for so many minutes. */
const watchedLeast = 50;
const rounded = (share: number) => Number(share.toPrecision(3));

/** The looks without what lies before a moment. */
export function looksFrom(looks: readonly Look[], from: EpochMs): Look[] {
  return looks.flatMap(look => partOf(look, from, look.until) ?? []);
}

/** What of a look lies in a range, its counts in proportion. */
function partOf(look: Look, from: EpochMs, until: EpochMs): Look | undefined {
  const within = { from: Math.max(from, look.from), until: Math.min(until, look.until) };
  if (within.until <= within.from) return undefined;
  const share = (within.until - within.from) / (look.until - look.from);
  if (share === 1) return look;
  const part = { pending: Math.ceil(look.pending * share), messages: Math.ceil(look.messages * share) };
  return { ...look, ...within, ...part, watched: Math.ceil((look.watched ?? 0) * share) };
}

type Likeness = { readonly now: EpochMs; readonly theirNow: EpochMs; readonly share: number };

/**
 * Of one age, within a factor of two, and looked at together, within a share of how long ago that is. What does not fit into
 * a page stays apart: among others it would look as if it did.
 */
function areAlike(a: Look, b: Look, { now, theirNow, share }: Likeness): boolean {
  if (isOverfull(a) || isOverfull(b)) return false;
  const isOneAge = b.until - a.from <= narrowMs || theirNow - a.from <= 2 * Math.max(0, theirNow - b.until);
  const isTogether = Math.abs(a.at - b.at) <= Math.max(togetherMs, (now - Math.max(a.at, b.at)) * share);
  // What does not fit into one page is cut each time that it is looked at.
  const isOnePage = share > togetherShare || a.pending + b.pending <= pageFill;
  return a.until === b.from && isOneAge && isTogether && isOnePage;
}

const narrowMs = 15_000;
const togetherMs = 5000;
const togetherShare = 0.1;

function joined(a: Look, b: Look): Look {
  const [pending, messages] = [a.pending + b.pending, a.messages + b.messages];
  const changing = pending === 0 ? a.changing : rounded((a.pending * a.changing + b.pending * b.changing) / pending);
  const watched = (a.watched ?? 0) + (b.watched ?? 0);
  return { from: a.from, until: b.until, at: Math.min(a.at, b.at), pending, messages, changing, watched };
}

/** How many messages were sent before each of some moments, by what was looked at; the moments in order. */
export function messagesBefore(looks: readonly Look[], moments: readonly EpochMs[]): number[] {
  let [i, whole] = [0, 0];
  return moments.map(at => {
    for (let look = looks[i]; look !== undefined && look.until <= at; look = looks[++i]) whole += look.messages;
    const look = looks[i];
    const part = look === undefined || at <= look.from ? 0 : (at - look.from) / (look.until - look.from);
    return whole + part * (look?.messages ?? 0);
  });
}

/** What leaves within minutes, and was not looked at since it was due for the last time. */
export function isLeaving(look: Look, now: EpochMs, theirNow: EpochMs): boolean {
  const horizon = theirNow - windowMs;
  return look.from < horizon + leavingMs && look.from + windowMs - lastLookMs > theirNow - (now - look.at);
}

/** Of what is due for the last time, so that many are asked for at once. */
const leavingMs = lastLookMs / 3;

/** What share of what is pending of a range changes in some time, as far as can be told; never none, however long none did. */
export function shareChanged({ changing, until }: Look, ms: number, theirNow: EpochMs): number {
  const least = (leastShare * minute) / Math.max(minute, theirNow - until);
  return Math.min(1, (Math.max(changing, least) * ms) / minute);
}

/** The same by what is seen alone, and of a minute at most: what waits longer is worth no more for that. */
export function shareLately({ changing }: Look, ms: number): number {
  return Math.min(1, (changing * Math.min(ms, minute)) / minute);
}

/** Of those that are pending, so many change while they get twice as old, even where none did lately. */
const leastShare = 0.05;
