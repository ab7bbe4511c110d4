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
  return pages(place) > requestsPerMinute / 4;
}

const catchesUp = (place: Place) => place.reads.some(read => read.kind === 'catchUp');

/** So little comes that few requests follow it, and nearly all may go into catching up. */
const isQuiet = (place: Place) => catchesUp(place) && pages(place) < 1;

/** One of so many turns of what can wait is for what comes late; while it catches up, one of so many for statuses. */
export type Turns = { readonly late: number; readonly status: number };

export function turnsOf(place: Place, terms: Terms): Turns {
  // Where the newest takes most of the budget, all of it can hardly be read again: what is left is for statuses.
  if (isBusy(place, terms)) return { late: 8, status: 2 };
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
  if (isBusy(place, terms)) return { everyMs: 15 * second, delayMs: 30 * second, overlapMs: second };
  // A sixth of the budget where nothing happens; less where what is behind it needs all there is.
  const least = isQuiet(place) ? 30 * second : catchesUp(place) ? 15 * second : 5 * second;
  const everyMs = Math.max(least, Math.ceil((6 * minute) / terms.requestsPerMinute));
  return { everyMs, delayMs: 0, overlapMs: 10 * second };
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

/** Most messages are final within minutes; those younger than this are looked at often. */
export const youngMs = 3 * minute;
const youngLookMs = 30 * second;
/** Older ones as often as what is left of the budget allows, so that by polling alone an end is seen within 90 s. */
const oldLookMsMin = 45 * second;
/** Where there are too many for that, the older the later: from this age on half as often as the younger ones. */
const backOffMs = 12 * hour;
/** The last look at a message is at most so long before it leaves. */
const lastLookMs = 15 * minute;

/**
 * How often the older ones are asked for: looks at all of them, by time or by list, take half of what statuses have of the
 * budget, however many there are, so that they leave to the younger ones what these need.
 */
export function oldLookMs(place: Place, terms: Terms): number {
  const within = withinAllowed(place, terms);
  const { patient } = budgetOf(place, within);
  const ofStatuses = catchesUp(place) ? patient / turnsOf(place, within).status : patient;
  const pagesOfAll = Math.max(1, (terms.followed ?? 0) / limits.pageLogsMax);
  return Math.round((pagesOfAll * minute) / (ofStatuses / 2));
}

/** One of a group that is not known may well stay so: it takes no turn of those that are pending. */
const foreignLookMsMin = 2 * minute;
const foreignLookMsMax = hour;

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
  return Math.min(last, theirNow + (isForeign ? foreignLookMs(ageMs) : lookMs(ageMs, oldMs)));
}

function foreignLookMs(ageMs: number): number {
  return Math.min(foreignLookMsMax, Math.max(foreignLookMsMin, Math.round(ageMs / 8)));
}

function lookMs(ageMs: number, oldMs: number): number {
  if (ageMs < youngMs) return youngLookMs;
  return Math.max(oldLookMsMin, Math.round(oldMs * (1 + Math.min(1, ageMs / backOffMs))));
}

/** The pause after so many failures in a row; `random` in 0…1 keeps many programs from coming back at once. */
export function pauseMs(failures: number, random: number): number {
  return Math.round(Math.min(minute, second * 2 ** Math.min(failures - 1, 10)) * (0.5 + random / 2));
}

/** A pause when the other side asked for one, but did not say how long. */
export const limitedMs = 20 * second;
/** Until an id that the other side refuses is asked for again. */
export const refusedIdMs = hour;
