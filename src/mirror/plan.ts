import type { EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';
import { doubtfulDue, doubtfulFrom } from './doubtful.ts';
import { unreadFirst, withEdge } from './edge.ts';
import { looksFrom } from './looks.ts';
import { headPace, passes, passTurnsMax, type Terms, turnsOf, windowMs } from './pace.ts';
import { type Look, type Place, type Read, withGap } from './place.ts';
import type { Followed } from './rows.ts';
import { type StatusStep, statusStep } from './statuses.ts';

/** What is asked of `GET /messenger/1/logs`, a page at a time. */
export type Question = {
  readonly sentSince?: EpochMs;
  readonly sentUntil?: EpochMs;
  readonly generalStatus?: string;
  readonly messageIds?: readonly string[];
  readonly cursor?: string;
};

/** What a mirror does next. */
export type Step =
  | { readonly kind: 'wait'; readonly ms: number }
  | {
      readonly kind: 'page';
      readonly question: Question;
      /** Absent for the very first page, which has no bounds. */
      readonly read?: Read;
      /** A read that begins with this page: it is none of the place's yet. */
      readonly begins: boolean;
      /** The pass that it is the next look of. */
      readonly pass?: number;
      readonly isPatient: boolean;
      readonly of?: StatusStep;
    }
  | { readonly kind: 'list'; readonly question: Question; readonly isPatient: true; readonly of: StatusStep };

const idleMsMax = 5000;

/**
 * The next step from a place: what is newest first, then what can wait, in turns. Pure: `due` are the followed messages
 * whose time has come. The place must be `settled` for the same moment.
 */
export function plan(place: Place, due: readonly Followed[], now: EpochMs, terms: Terms): Step {
  if (isResting(place, now)) return { kind: 'wait', ms: Math.min(place.notBefore - now, idleMsMax) };
  if (place.head === undefined) return { kind: 'page', question: {}, begins: true, isPatient: false };
  const theirNow = now + place.skewMs;
  const pace = headPace(place, terms);
  const reading = place.reads.find(read => read.kind === 'head');
  // A head that takes very long is left to catching up, so that what is newest comes first.
  const everyMs = reading === undefined ? pace.everyMs : 4 * pace.everyMs;
  const sinceHeadMs = now - place.headReadAt;
  const until = theirNow - pace.delayMs;
  // A head that lies ahead was read before a clock was put back: the answer tells which one, and what is later than it.
  const isAhead = place.head > theirNow + clockSlackMs;
  if ((sinceHeadMs >= everyMs || sinceHeadMs < 0) && (until > place.head || isAhead))
    return begin({
      kind: 'head',
      from: place.head - pace.overlapMs,
      until: Math.max(until, place.head),
      ...((pace.delayMs === 0 || isAhead) && { isOpen: true }),
    });
  if (reading !== undefined) return pageOf(reading, false);
  const patient = patientStep(place, due, now, terms);
  return patient ?? { kind: 'wait', ms: Math.min(idleMsMax, Math.max(50, place.headReadAt + everyMs - now)) };
}

/** Whether nothing is asked yet. Where our clock was put back, what is to be waited for would come once more only after all of that. */
export function isResting({ notBefore, trouble }: Place, now: EpochMs): boolean {
  return now < notBefore && now >= (trouble?.at ?? now);
}

function patientStep(place: Place, due: readonly Followed[], now: EpochMs, terms: Terms): Step | undefined {
  const theirNow = now + place.skewMs;
  const of = turnsOf(place, terms);
  // What comes late is looked for too, however much there is to be followed.
  const late = place.turn % of.late === of.late - 1 ? again(place, now) : undefined;
  if (late !== undefined) return late;
  const status = statusStep(place, due, { now, theirNow }, terms);
  const catchUp = unreadFirst(place, theirNow, terms);
  if (catchUp !== undefined && (status === undefined || place.turn % of.status !== 0)) return pageOf(catchUp, true);
  return status === undefined ? again(place, now) : askedFor(status);
}

function askedFor(of: StatusStep): Step {
  if (of.read !== undefined) return { ...begin(of.read), isPatient: true, of };
  return { kind: 'list', question: { messageIds: of.asked.map(one => one.messageId) }, isPatient: true, of };
}

/** Messages that are due are given so many at a time, younger and older ones. */
export const dueMax = 2000;

function again(place: Place, now: EpochMs): Step | undefined {
  const begun = place.reads.find(read => read.kind === 'again');
  if (begun !== undefined) return pageOf(begun, true);
  const theirNow = now + place.skewMs;
  const doubtful = doubtfulDue(place, now);
  let next: { readonly step: Step; readonly turns: number } | undefined = doubtful && {
    step: { ...begin(doubtful.read), isPatient: true },
    turns: doubtful.turns,
  };
  for (const [pass, { ageMs, everyMs }] of passes.entries()) {
    const [from, until] = [place.passes[pass], theirNow - ageMs];
    const turns = from === undefined ? 0 : (until - from) / everyMs;
    // The longest overdue by its own turns; of those that are alike the last: after it none takes over.
    if (from !== undefined && turns >= Math.max(1, next?.turns ?? 0))
      next = { step: { ...begin({ kind: 'again', from, until }), pass, isPatient: true }, turns };
  }
  return next?.step;
}

type Page = Extract<Step, { kind: 'page' }>;

function begin(read: Read): Page {
  return { ...pageOf(read, false), begins: true };
}

function pageOf(read: Read, isPatient: boolean): Page {
  return { kind: 'page', question: questionOf(read), read, begins: false, isPatient };
}

function questionOf({ from, until, isOpen, walk, group }: Read): Question {
  const of = group !== undefined && { generalStatus: group };
  if (walk === undefined) return { sentSince: from, ...(isOpen !== true && { sentUntil: until }), ...of };
  const { cursor, since, until: walkUntil } = walk;
  return {
    cursor,
    ...(since !== undefined && { sentSince: since }),
    ...(walkUntil !== undefined && { sentUntil: walkUntil }),
    ...of,
  };
}

export const gone = 'it left the log of the other side before it could be read';

/**
 * The place as it is at a moment: what has left the other side's log and was never read becomes a gap, and gaps that are
 * past retention here are over. What is about to leave is set apart, to be read first. It goes by what the other side's
 * clock told last: by ours more would have left, where that was put forward.
 */
export function settled(place: Place, now: EpochMs, terms: Terms): Place {
  if (place.head === undefined) return place;
  const { head } = place;
  const theirNow = now + place.skewMs;
  const told = place.toldAt ?? theirNow;
  const horizon = told - windowMs;
  let gaps = withGap(place.gaps, { from: head, until: horizon, reason: gone });
  const reads: Read[] = [];
  for (const read of place.reads) {
    // A build from before walked through what it looked at.
    if (read.kind === 'status') continue;
    const isUnread = read.kind === 'head' || read.kind === 'catchUp';
    if (isUnread && read.from < horizon)
      gaps = withGap(gaps, { from: read.from, until: Math.min(read.until, horizon), reason: gone });
    if (read.until > horizon) reads.push(read.from < horizon ? { ...read, from: horizon } : read);
  }
  const looked = (at: EpochMs, pass: number) => {
    const { ageMs = 0, everyMs = 0 } = passes[pass] ?? {};
    const until = told - ageMs;
    // What is still to be read for the first time is not looked at again.
    const isUnread = reads.some(read => read.kind === 'catchUp' && read.from <= at && read.until >= until);
    return isUnread ? until : Math.min(until, Math.max(at, until - passTurnsMax * everyMs));
  };
  const { doubtful: _, ...others } = place;
  const left = {
    ...others,
    ...doubtfulFrom(place, horizon),
    head: Math.max(head, horizon),
    reads,
    looks: looksFrom(withUnknown(place.looks ?? [], place.head, place.headReadAt), horizon),
    gaps: gaps.filter(gap => gap.until > told - terms.retentionMs),
    passes: place.passes.map(looked),
  };
  return { ...left, reads: [...withEdge(left, theirNow, terms)] };
}

/** What a build from before read, all of it or since a build like this had its turn: that some are pending is known, and not where. */
function withUnknown(looks: readonly Look[], head: EpochMs, at: EpochMs): readonly Look[] {
  const from = looks.at(-1)?.until ?? head - windowMs;
  if (from >= head) return looks;
  const [pending, messages] = [limits.pageLogsMax, limits.pageLogsMax * 100];
  return [...looks, { from, until: head, at, pending, messages, changing: 0.01 }];
}

/** A whole second of the other side's clock, and what an answer takes. */
const clockSlackMs = 5000;
/** More than what the newest is read behind; what was dated before it, since the clock was put back, is found as what is late. */
export const clockBackMs = 60_000;
