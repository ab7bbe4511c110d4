import type { EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';
import { unreadFirst, withEdge } from './edge.ts';
import { headPace, passes, passTurnsMax, servedYoungMs, type Terms, turnsOf, windowMs } from './pace.ts';
import { type Place, type Read, withGap } from './place.ts';
import type { Followed } from './rows.ts';

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
    }
  | {
      readonly kind: 'list';
      readonly question: Question;
      readonly asked: readonly Followed[];
      readonly isPatient: true;
    };

const idleMsMax = 5000;

/**
 * The next step from a place: what is newest first, then what can wait, in turns. Pure: `due` are the followed messages
 * whose time has come, the longest overdue first. The place must be `settled` for the same moment.
 */
export function plan(place: Place, due: readonly Followed[], now: EpochMs, terms: Terms): Step {
  if (now < place.notBefore) return { kind: 'wait', ms: Math.min(place.notBefore - now, idleMsMax) };
  if (place.head === undefined) return { kind: 'page', question: {}, begins: true, isPatient: false };
  const theirNow = now + place.skewMs;
  const pace = headPace(place, terms);
  const reading = place.reads.find(read => read.kind === 'head');
  // A head that takes very long is left to catching up, so that what is newest comes first.
  const everyMs = reading === undefined ? pace.everyMs : 4 * pace.everyMs;
  const sinceHeadMs = now - place.headReadAt;
  const until = theirNow - pace.delayMs;
  if ((sinceHeadMs >= everyMs || sinceHeadMs < 0) && until > place.head)
    return begin({
      kind: 'head',
      from: place.head - pace.overlapMs,
      until,
      ...(pace.delayMs === 0 && { isOpen: true }),
    });
  if (reading !== undefined) return pageOf(reading, false);
  const patient = patientStep(place, due, theirNow, terms);
  return patient ?? { kind: 'wait', ms: Math.min(idleMsMax, Math.max(50, place.headReadAt + everyMs - now)) };
}

function patientStep(place: Place, due: readonly Followed[], theirNow: EpochMs, terms: Terms): Step | undefined {
  const of = turnsOf(place, terms);
  // What comes late is looked for too, however much there is to be followed.
  const late = place.turn % of.late === of.late - 1 ? again(place, theirNow) : undefined;
  if (late !== undefined) return late;
  const status = statusStep(place, due, theirNow);
  const catchUp = unreadFirst(place, theirNow, terms);
  if (catchUp !== undefined && (status === undefined || place.turn % of.status !== 0)) return pageOf(catchUp, true);
  return status ?? again(place, theirNow);
}

/** Messages that are due are given so many at a time, younger and older ones; where there are as many, there are more. */
export const dueMax = 2000;
/** A list that is not full waits for more to ask for, but no longer than this, and for no more pages of a look. */
const listWaitMs = 10_000;
const listWaitPages = 8;

/**
 * By list of ids, or by time, whichever takes fewer requests. By time only what is still pending is asked for: those that
 * are due and do not show there have changed, and they are left for a list, as are those that are not pending. Lists and
 * looks take turns, younger messages before older ones.
 */
function statusStep(place: Place, due: readonly Followed[], theirNow: EpochMs): Step | undefined {
  const { named = [], pending = [] } = Object.groupBy(due, one =>
    one.isById || hasChanged(place, one) ? 'named' : 'pending',
  );
  // What has changed is sure to be news.
  const inOrder = named.toSorted((a, b) => Number(a.isById) - Number(b.isById));
  const isYoung = ({ sentAt }: Followed) => theirNow - sentAt < servedYoungMs;
  const ages = [inOrder.filter(isYoung), inOrder].map(wanted => ({ wanted, list: listStep(wanted, place.idsMax) }));
  const looks = [youngRead(place), place.reads.find(read => read.kind === 'status' && read !== youngRead(place))];
  const { lookedPages: looked = 0 } = place;
  for (const [i, { wanted, list }] of ages.entries()) {
    const isFull = list !== undefined && list.asked.length < wanted.length;
    if (list !== undefined && looked >= (isFull ? 1 : listWaitPages)) return list;
    const look = looks[i];
    if (look !== undefined) return pageOf(look, true);
    const begun = pendingStep(
      place,
      pending.filter(one => isYoung(one) === (i === 0)),
      inOrder,
      theirNow,
    );
    if (begun !== undefined) return begun;
    if (isFull) return list;
  }
  const isWaiting = inOrder.every(({ dueAt }) => theirNow - dueAt < listWaitMs);
  return isWaiting ? undefined : ages[1]?.list;
}

/** Those that are to be among what is pending: by time, where that takes fewer requests than lists would. */
function pendingStep(
  place: Place,
  alike: readonly Followed[],
  named: readonly Followed[],
  theirNow: EpochMs,
): Step | undefined {
  const [first] = alike;
  if (first === undefined) return undefined;
  const isYoung = theirNow - first.sentAt < servedYoungMs;
  const list = listStep([...named, ...alike], place.idsMax);
  const ids = list?.asked.length ?? 1;
  const lists = Math.ceil((named.length + alike.length) / ids) - Math.ceil(named.length / ids);
  if (alike.length < dueMax / 2 && (isYoung ? place.youngPages : place.oldPages) >= lists) return list;
  const sentAts = alike.map(one => one.sentAt);
  // Younger ones that are not due yet are looked at as well, and then are due with the others.
  const until = Math.max(...sentAts, ...(isYoung && place.head !== undefined ? [place.head] : [])) + 1;
  return { ...begin({ kind: 'status', from: Math.min(...sentAts), until, group: 'PENDING' }), isPatient: true };
}

/** The look at younger messages that is under way. */
export function youngRead({ reads, youngLook }: Place): Read | undefined {
  return reads.find(read => read.kind === 'status' && read.from === youngLook?.from);
}

/** What was due before a look by time, and was in what it has read, would have got another time if it were pending still. */
function hasChanged(place: Place, { sentAt, dueAt }: Followed): boolean {
  const young = youngRead(place);
  const old = place.reads.find(read => read.kind === 'status' && read !== young);
  return [
    { look: place.youngLook, underWay: young },
    { look: place.oldLook, underWay: old },
  ].some(
    ({ look, underWay }) =>
      look !== undefined && dueAt <= look.at && sentAt >= (underWay?.until ?? look.from) && sentAt < look.until,
  );
}

function listStep(wanted: readonly Followed[], idsMax: number): Extract<Step, { kind: 'list' }> | undefined {
  const asked = listOf(wanted, idsMax);
  if (asked.length === 0) return undefined;
  return { kind: 'list', question: { messageIds: asked.map(one => one.messageId) }, asked, isPatient: true };
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

function again(place: Place, theirNow: EpochMs): Step | undefined {
  const begun = place.reads.find(read => read.kind === 'again');
  if (begun !== undefined) return pageOf(begun, true);
  let next: { readonly step: Step; readonly turns: number } | undefined;
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
 * past retention here are over. What is about to leave is set apart, to be read first. Where the other side's clock was
 * put back, following goes back with it.
 */
export function settled(place: Place, now: EpochMs, terms: Terms): Place {
  if (place.head === undefined) return place;
  const theirNow = now + place.skewMs;
  const horizon = theirNow - windowMs;
  // Far enough that there is something to be read: a head that lies ahead would wait for the old time to come again.
  const head = place.head > theirNow + clockSlackMs ? theirNow - clockBackMs : place.head;
  let gaps = withGap(place.gaps, { from: head, until: horizon, reason: gone });
  const reads: Read[] = [];
  for (const read of place.reads) {
    const isUnread = read.kind === 'head' || read.kind === 'catchUp';
    if (isUnread && read.from < horizon)
      gaps = withGap(gaps, { from: read.from, until: Math.min(read.until, horizon), reason: gone });
    if (read.until > horizon) reads.push(read.from < horizon ? { ...read, from: horizon } : read);
  }
  const looked = (at: EpochMs, pass: number) => {
    const { ageMs = 0, everyMs = 0 } = passes[pass] ?? {};
    const until = theirNow - ageMs;
    // What is still to be read for the first time is not looked at again.
    const isUnread = reads.some(read => read.kind === 'catchUp' && read.from <= at && read.until >= until);
    return isUnread ? until : Math.min(until, Math.max(at, until - passTurnsMax * everyMs));
  };
  const left = {
    ...place,
    head: Math.max(head, horizon),
    reads,
    gaps: gaps.filter(gap => gap.until > now - terms.retentionMs),
    passes: place.passes.map(looked),
  };
  return { ...left, reads: [...withEdge(left, theirNow, terms)] };
}

/** A whole second of the other side's clock, and what an answer takes. */
const clockSlackMs = 5000;
/** More than what the newest is read behind; what was dated before it, since the clock was put back, is found as what is late. */
export const clockBackMs = 60_000;
