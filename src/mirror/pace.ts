import type { EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';
import type { Place } from './place.ts';
import type { Budget, Mirror } from './rows.ts';

/** What a mirror was told, and what it goes by. */
export type Terms = Pick<Mirror, 'requestsPerMinute' | 'sinceMs'> & {
  /** How far back the log here goes. */
  readonly retentionMs: number;
  /** Messages that are followed, as of a moment ago. */
  readonly followed?: number;
};

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** How far back the other side shows its log. */
export const windowMs = 48 * hour;
/** At first, what is about to leave is not waited for: it could not be read for sure. */
export const edgeMs = 5 * minute;

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
export function isBusy(place: Place, { requestsPerMinute }: Terms): boolean {
  return pages(place) > requestsPerMinute / 4;
}

export type HeadPace = {
  readonly everyMs: number;
  /** How old the newest is that is read. */
  readonly delayMs: number;
  /** What is read once more each time: messages of one moment do not all appear at one moment. */
  readonly overlapMs: number;
};

export function headPace(place: Place, terms: Terms): HeadPace {
  if (isBusy(place, terms)) return { everyMs: 15 * second, delayMs: 30 * second, overlapMs: second };
  // A sixth of the budget where nothing happens; less where what is behind it needs all there is.
  const least = place.reads.some(read => read.kind === 'catchUp') ? 15 * second : 5 * second;
  const everyMs = Math.max(least, Math.ceil((6 * minute) / terms.requestsPerMinute));
  return { everyMs, delayMs: 0, overlapMs: 10 * second };
}

/** What is needed to follow the newest is kept free of everything that can wait. */
export function budgetOf(place: Place, terms: Terms): Budget {
  const { requestsPerMinute: all } = terms;
  // A page more for each time that it is read: the last one is hardly ever full.
  const following = Math.ceil(pages(place) * 1.1) + Math.ceil(minute / headPace(place, terms).everyMs);
  return { all, patient: Math.max(Math.ceil(all / 5), all - following) };
}

/** Most messages are final within hours; those younger than this are looked at often. */
export const youngMs = 2 * hour;
const youngLookMs = 30 * second;
/** Older ones as often as what is left of the budget allows, so that by polling alone an end is seen within 90 s. */
const oldLookMsMin = 45 * second;
const lookMsMax = hour;
/** The last look at a message is at most so long before it leaves. */
const lastLookMs = 15 * minute;

/**
 * How often the older ones are asked for: looks at all of them, by time or by list, take half of what can wait. What is
 * due comes up in its turn, so that a look is never behind by many of its kind.
 */
export function oldLookMs(place: Place, terms: Terms): number {
  const { patient } = budgetOf(place, withinAllowed(place, terms));
  const pagesOfAll = Math.max(1, (terms.followed ?? 0) / limits.pageLogsMax);
  return Math.max(oldLookMsMin, Math.round((pagesOfAll * minute) / Math.max(1, patient / 2)));
}

/** One of a group that is not known may well stay so: it takes no turn of those that are pending. */
const foreignLookMsMin = 2 * minute;

/** When a message that is not final is asked for again; `undefined` after the last time. */
export function nextLook(
  sentAt: EpochMs,
  theirNow: EpochMs,
  oldMs: number,
  isForeign: boolean = false,
): EpochMs | undefined {
  const last = sentAt + windowMs - lastLookMs;
  if (theirNow >= last) return undefined;
  const ageMs = theirNow - sentAt;
  // Where there are too many for that, the older the later.
  const backOffMs = Math.min(lookMsMax, Math.round(ageMs / 8));
  if (isForeign) return Math.min(last, theirNow + Math.max(foreignLookMsMin, backOffMs));
  return Math.min(last, theirNow + (ageMs < youngMs ? youngLookMs : Math.min(backOffMs, oldMs)));
}

/** The pause after so many failures in a row; `random` in 0…1 keeps many programs from coming back at once. */
export function pauseMs(failures: number, random: number): number {
  return Math.round(Math.min(minute, second * 2 ** Math.min(failures - 1, 10)) * (0.5 + random / 2));
}

/** A pause when the other side asked for one, but did not say how long. */
export const limitedMs = 20 * second;
/** Until an id that the other side refuses is asked for again. */
export const refusedIdMs = hour;
