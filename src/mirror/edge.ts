import type { EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';
import { budgetOf, type Terms, turnsOf, windowMs, withinAllowed } from './pace.ts';
import type { Place, Read } from './place.ts';

/** What leaves the other side's log sooner is looked at: whether it would be read before that, newest first. */
const soonMs = 10 * 60_000;
/** Of the time until it leaves, what reading it may take by what is known: messages lie closer in some hours than in others. */
const shareOfTime = 0.5;
/** Where catching up is hardly faster than what leaves, what is newest is worth more than a race at the edge. */
const speedMin = 1.2;

type Edge = {
  readonly oldest: Read;
  readonly leavesInMs: number;
  /** Of the other side's time, what is read in a millisecond, and what one page holds. */
  readonly speed: number;
  readonly pageMs: number;
};

/** What was never read and is the next to leave, where it would leave before its turn comes. */
function edgeOf(place: Place, theirNow: EpochMs, terms: Terms): Edge | undefined {
  const unread = unreadOf(place.reads);
  const [oldest] = unread.toSorted((a, b) => a.from - b.from);
  if (oldest === undefined) return undefined;
  const leavesInMs = oldest.from - (theirNow - windowMs);
  if (leavesInMs > soonMs) return undefined;
  const perMinute = Math.max(1, place.unreadPerMinute ?? place.messagesPerMinute);
  const pageMs = (limits.pageLogsMax * 60_000) / perMinute;
  const speed = (pageMs * pagesPerMinute(place, terms)) / 60_000;
  const allMs = unread.reduce((sum, { from, until }) => sum + until - from, 0) / speed;
  return speed < speedMin || allMs < leavesInMs * shareOfTime ? undefined : { oldest, leavesInMs, speed, pageMs };
}

const unreadOf = (reads: readonly Read[]) => reads.filter(read => read.kind === 'catchUp');

function pagesPerMinute(place: Place, terms: Terms): number {
  const within = withinAllowed(place, terms);
  const { late, status } = turnsOf(place, within);
  return budgetOf(place, within).patient * (1 - 1 / late) * (1 - 1 / status);
}

/** Without the cursor of a walk that was begun: it may have expired when its turn comes again. */
const rangeOf = (from: EpochMs, until: EpochMs): Read => ({
  kind: 'catchUp',
  from,
  until,
});

/** The reads with what is about to leave set apart, as much of it as can be read in time. */
export function withEdge(place: Place, theirNow: EpochMs, terms: Terms): readonly Read[] {
  const edge = edgeOf(place, theirNow, terms);
  if (edge === undefined) return place.reads;
  const { oldest, leavesInMs, speed, pageMs } = edge;
  const spanMs = oldest.until - oldest.from;
  if (spanMs <= leavesInMs * speed || spanMs < 2 * pageMs) return place.reads;
  const until = oldest.from + Math.ceil(Math.max(pageMs, leavesInMs * shareOfTime * speed));
  return place.reads.flatMap(read =>
    read === oldest ? [rangeOf(read.from, until), rangeOf(until, read.until)] : [read],
  );
}

/** The next to be read of what was never read: the newest, but for what would leave before its turn comes. */
export function unreadFirst(place: Place, theirNow: EpochMs, terms: Terms): Read | undefined {
  return (
    edgeOf(place, theirNow, terms)?.oldest ??
    unreadOf(place.reads).reduce<Read | undefined>((a, b) => (a === undefined || b.until > a.until ? b : a), undefined)
  );
}
