import type { EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';
import type { Place } from './place.ts';
import type { Budget, Following, Mirror } from './rows.ts';

/** What a mirror was told, and what it goes by. */
export type Terms = Pick<Mirror, 'requestsPerMinute' | 'sinceMs'> & {
  /** How far back the log here goes. */
  readonly retentionMs: number;
  /** As of a moment ago. */
  readonly followed?: Following;
};

/** Of a page, so that what came meanwhile has room in it. */
export const pageFill = Math.floor(limits.pageLogsMax * 0.95);

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** How far back the other side shows its log. */
export const windowMs = 48 * hour;
/** At first, what is about to leave is left out: it goes before the next few requests could read it. */
export const edgeMs = ({ requestsPerMinute }: Terms) => Math.max(minute, Math.ceil((3 * minute) / requestsPerMinute));

/**
 * When everything is looked at again, by its age, for what appeared late: as often as `everyMs` where there is room, and
 * the last time before it leaves. What one look had no room for, the next one takes over.
 */
export const passes: readonly { readonly ageMs: number; readonly everyMs: number }[] = [
  { ageMs: minute, everyMs: 30 * second },
  { ageMs: 10 * minute, everyMs: 5 * minute },
  { ageMs: 2 * hour, everyMs: 30 * minute },
  { ageMs: windowMs - hour, everyMs: 30 * minute },
];
/** A look that is behind by more than so many of its turns leaves the rest to the next one. */
export const passTurnsMax = 10;

/**
 * The terms within what the other side allows: others may use its account too. To spread fewer requests over following
 * and catching up alike, their number must be known, and a 429 tells it.
 */
export function withinAllowed({ allowed }: Place, terms: Terms): Terms {
  if (allowed === undefined) return terms;
  return { ...terms, requestsPerMinute: Math.max(1, Math.min(terms.requestsPerMinute, Math.floor(allowed))) };
}

/** What is allowed after a 429, and after an answer. */
export const lessAllowed = (place: Place, terms: Terms) =>
  Math.max(1, withinAllowed(place, terms).requestsPerMinute * 0.7);
export function moreAllowed({ allowed }: Place, { requestsPerMinute }: Terms): number | undefined {
  return allowed === undefined || allowed + 0.05 >= requestsPerMinute ? undefined : allowed + 0.05;
}

const pages = (place: Place) => place.messagesPerMinute / limits.pageLogsMax;

/**
 * Whether following alone takes a good part of the budget. Then the newest is read later, when most of it is final
 * already, and in fewer and fuller pages; otherwise it is read as it comes.
 */
function isBusy(place: Place, { requestsPerMinute }: Terms): boolean {
  return pages(place) > requestsPerMinute / 6;
}

const catchesUp = (place: Place) => place.reads.some(read => read.kind === 'catchUp');

/** So little comes that few requests follow it, and nearly all may go into catching up. */
const isQuiet = (place: Place) => catchesUp(place) && pages(place) < 1;

/** One of so many turns of what can wait is for what comes late; while it catches up, one of so many for statuses. */
export type Turns = { readonly late: number; readonly status: number };

/** Pages a minute that the looks at what is pending of the younger messages take. */
function youngLooks({ looks = [], head = 0 }: Place): number {
  const pending = looks.reduce((sum, look) => sum + (look.until > head - youngMs ? look.pending : 0), 0);
  return ((pending / limits.pageLogsMax) * minute) / youngLookMs;
}

export function turnsOf(place: Place, terms: Terms): Turns {
  // Where the newest takes most of the budget, all of it can hardly be read again: what is left is for statuses.
  if (isBusy(place, terms) || youngLooks(place) > terms.requestsPerMinute / 4) return { late: 16, status: 2 };
  return isQuiet(place) ? { late: 48, status: 32 } : { late: 4, status: 8 };
}

export type HeadPace = {
  readonly everyMs: number;
  /** How old the newest is that is read. */
  readonly delayMs: number;
  /** What is read once more each time: messages of one moment do not all appear at one moment. */
  readonly overlapMs: number;
};

export function headPace(place: Place, terms: Terms): HeadPace {
  if (isBusy(place, terms)) return { everyMs: 20 * second, delayMs: 25 * second, overlapMs: second };
  // A sixth of the budget where nothing happens; less where what is behind it needs all there is.
  const isSparse = pages(place) < terms.requestsPerMinute / 12;
  const least = isQuiet(place) ? 30 * second : catchesUp(place) || !isSparse ? 15 * second : 5 * second;
  const everyMs = Math.max(least, Math.ceil((6 * minute) / terms.requestsPerMinute));
  return { everyMs, delayMs: 0, overlapMs: isSparse ? overlapMsMost : overlapInPages(place, everyMs) };
}

const overlapMsMost = 10 * second;

/** As far back as the pages have room that are needed anyway. */
function overlapInPages({ messagesPerMinute }: Place, everyMs: number): number {
  const perMs = messagesPerMinute / minute;
  const pages = Math.ceil(((everyMs + second) * perMs) / pageFill);
  return Math.min(overlapMsMost, Math.max(second, Math.floor((pages * pageFill) / perMs) - everyMs));
}

/** What is needed to follow the newest is kept free of everything that can wait. */
export function budgetOf(place: Place, terms: Terms): Budget {
  const { requestsPerMinute: all } = terms;
  const { everyMs, overlapMs } = headPace(place, terms);
  const heads = minute / everyMs;
  // Half a page more for each time that it is read: what the last one has is anything up to a whole one.
  const following = Math.ceil(Math.max(heads, pages(place) * (1 + overlapMs / everyMs) + heads / 2));
  return { all, patient: Math.max(Math.ceil(all / 5), all - following) };
}

/** Most messages are final within minutes; those younger than this come first. */
export const youngMs = 4 * minute;
/** By then the look that was due while they were younger is made. */
export const servedYoungMs = youngMs + minute + 20 * second;
/** The last look at a message is at most so long before it leaves. */
export const lastLookMs = 15 * minute;
/** One whose id alone finds it takes many times the requests of one that is found by time, so it waits longer, where either must. */
export const byIdPatience = 4;
/** Those that others of their millisecond may hide are many at once, and most of them are seen to change by time after all. */
const crowdedEveryMs = 3 * minute;
/** Of 36 characters, as the vendor's are. */
const idsListedUsually = 55;
/** A list that is not full waits for more to ask for, but no longer than this after the last one. */
export const listWaitMs = 10 * second;
/** Of the requests for statuses what older messages have, whatever the younger need. */
export const olderShare = 0.25;

export const youngLookMs = 45 * second;
/**
 * What waits longer for a look comes first, of whatever age: with the list that asks for what has changed by then, its end is
 * seen within 90 s.
 */
export const statusWaitMs = 57 * second;

/** How often what is pending is looked at, where there is room for it, so that an end is seen within 90 s by polling alone. */
export function lookEveryMs(place: Place, terms: Terms, ageMs: number): number {
  return ageMs < youngMs && !isBusy(place, terms) ? 30 * second : youngLookMs;
}

/** By how much longer than the younger ones what is older waits, where not all can be looked at. */
export const backOff = (ageMs: number) => Math.max(1, ageMs / youngMs);

/** One of a group that is not known may well stay so: it takes no turn of those that are pending. */
const foreignLookMsMin = 2 * minute;
const foreignLookMsMax = hour;

type Looked = {
  readonly sentAt: EpochMs;
  readonly isById: boolean;
  readonly isForeign: boolean;
  /** More of its millisecond are pending than a page shows. */
  readonly isCrowded: boolean;
};

/** Whether a message is looked at any more. */
export const isLookedAt = ({ sentAt }: Pick<Looked, 'sentAt'>, theirNow: EpochMs) =>
  theirNow < sentAt + windowMs - lastLookMs;

/**
 * When a message that is not final is asked for by its id; `undefined` after the last time. One that is pending is found by
 * time until it has changed, and by its id only where others of its millisecond may hide it.
 */
export function nextLook(one: Looked, theirNow: EpochMs, place: Place, terms: Terms): EpochMs | undefined {
  if (!isLookedAt(one, theirNow)) return undefined;
  const last = one.sentAt + windowMs - lastLookMs;
  const ageMs = theirNow - one.sentAt;
  if (one.isForeign)
    return Math.min(last, theirNow + Math.min(foreignLookMsMax, Math.max(foreignLookMsMin, Math.round(ageMs / 8))));
  if (one.isCrowded) return Math.min(last, theirNow + Math.round(crowdedEveryMs * backOff(ageMs)));
  return one.isById ? Math.min(last, theirNow + byIdEveryMs(place, terms, ageMs)) : one.sentAt + windowMs + 1;
}

/** How often one is asked for that only its id finds: less often the older it is, where there are many. */
export function byIdEveryMs(place: Place, terms: Terms, ageMs: number): number {
  const within = withinAllowed(place, terms);
  if (ageMs < youngMs) return isBusy(place, within) ? minute : 30 * second;
  const lists = (terms.followed?.byId ?? 0) / (place.idsListed ?? idsListedUsually);
  const areMany = lists > budgetOf(place, within).patient / byIdPatience;
  return Math.round(45 * second * (areMany ? byIdPatience * backOff(ageMs) : 1));
}

/** The pause after so many failures in a row; `random` in 0…1 keeps many programs from coming back at once. */
export function pauseMs(failures: number, random: number): number {
  return Math.round(Math.min(minute, second * 2 ** Math.min(failures - 1, 10)) * (0.5 + random / 2));
}

/** A pause when the other side asked for one, but did not say how long. */
export const limitedMs = 20 * second;
/** Until an id that the other side refuses is asked for again. */
export const refusedIdMs = hour;
