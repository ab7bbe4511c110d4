import type { AccountId, EpochMs } from '../../../domain/message.ts';
import type { IndexFile } from '../segment/index-file.ts';
import { lowerBound, placeOfAccount } from '../segment/index-runs.ts';
import { ordinalOf, segmentIdOf } from '../segment/position.ts';
import { maxSentAt, messagesIn, reportedUntil, reportsIn } from '../segment/shared-segment.ts';
import type { Steps } from './jobs.ts';
import type { ReadSegment, ReadSegments } from './read-segments.ts';
import { concerns, messagesOf, ordinalsOf, ownRun } from './sealed-scan.ts';

/** Of a sealed segment of which an account has less than this part, its own messages are listed. */
const smallPart = 1 / 8;

/** Places in a segment, from one to before another; of more than are wanted, the first. */
export type Stretch = { readonly from: number; readonly to: number; readonly wanted: number };

/**
 * The ordinals of an account's own messages in a segment, in their order: from memory or the index, without a look at any
 * row. `undefined` where most of a sealed segment is the account's own, and its rows may as well be looked through.
 */
export function ownOrdinals(
  segments: ReadSegments,
  { shared, columns }: ReadSegment,
  account: AccountId,
  { from, to, wanted }: Stretch,
): ArrayLike<number> | undefined {
  if (columns !== undefined) return placesIn(columns.account, account, { from, to, wanted });
  return segments.withIndex(shared.id, index => {
    if (messagesOf(index, account) > messagesIn(shared) * smallPart) return undefined;
    return ordinalsOf(index, account)
      .filter(ordinal => ordinal >= from && ordinal < to)
      .slice(0, wanted);
  });
}

/**
 * The places of reports on an account's own messages among the reports of a segment. `undefined` where an older
 * version sealed it, whose index does not tell.
 */
export function ownReports(
  segments: ReadSegments,
  { shared, columns }: ReadSegment,
  account: AccountId,
  { from, to, wanted }: Stretch,
): ArrayLike<number> | undefined {
  if (columns !== undefined) return placesIn(columns.reportAccount, account, { from, to, wanted });
  return segments.withIndex(shared.id, index => {
    if (!tellsReports(index)) return concerns(index, account) ? undefined : [];
    const [first, end] = reportRun(index, account);
    const place = (at: number) => index.uint32('reportOrder', first + at, 1)[0] ?? 0;
    const at = lowerBound(end - first, where => place(where) - from);
    const own = index.uint32('reportOrder', first + at, Math.min(wanted, end - first - at));
    return own.filter(one => one < to);
  });
}

/** Before a place in its segment, and on a message that was not sent before a moment. */
type Sought = { readonly before: number; readonly sentSince: EpochMs };

/** A place in a segment, and when the message there, or the one that is reported on there, was sent. */
type Last = { readonly at: number; readonly sentAt: EpochMs };

/** The last of an account's messages in a segment that is sought; `undefined` where it has none. */
export function lastMessage(
  segments: ReadSegments,
  { shared, columns }: ReadSegment,
  account: AccountId,
  { before, sentSince }: Sought,
): Last | undefined {
  if (maxSentAt(shared) < sentSince) return undefined;
  if (columns === undefined)
    return segments.withIndex(shared.id, index => lastIndexed(index, account, { before, sentSince }));
  const count = Math.min(before, messagesIn(shared));
  for (let at = lastPlaceIn(columns.account, account, count); at >= 0; at = lastPlaceIn(columns.account, account, at)) {
    const sentAt = columns.sentAt[at] ?? 0;
    if (sentAt >= sentSince) return { at, sentAt };
  }
  return undefined;
}

/** The index has them by the time they were sent: those that are sought are its last. */
function lastIndexed(index: IndexFile, account: AccountId, { before, sentSince }: Sought): Last | undefined {
  const [from, to] = ownRun(index, account);
  const sentAt = (ordinal: number) => index.times(ordinal, 1)[0] ?? 0;
  const first = lowerBound(to - from, place => sentAt(index.uint32('order', from + place, 1)[0] ?? 0) - sentSince);
  let at = -1;
  for (const ordinal of index.uint32('order', from + first, to - from - first))
    if (ordinal < before && ordinal > at) at = ordinal;
  return at < 0 ? undefined : { at, sentAt: sentAt(at) };
}

/** Reports that are looked at in one step. */
const reportsAtATime = 64;

/**
 * The last report on an account's messages in a segment that is sought; `undefined` where there is none, and the last of
 * all where an older version's index does not tell whose they are.
 */
export function* lastReport(
  segments: ReadSegments,
  segment: ReadSegment,
  account: AccountId,
  { before, sentSince }: Sought,
): Steps<Last | undefined> {
  const { shared, columns } = segment;
  const count = Math.min(before, reportsIn(shared));
  if (count === 0 || reportedUntil(shared) < sentSince) return undefined;
  const isTold = columns !== undefined || segments.withIndex(shared.id, tellsReports);
  if (!isTold)
    return segments.withIndex(shared.id, index => concerns(index, account))
      ? { at: count - 1, sentAt: reportedUntil(shared) }
      : undefined;
  for (let end = count; end > 0; yield 0) {
    const places = reportsBefore(segments, segment, account, end);
    const last = moments(segments, segment, account, places).findLast(({ sentAt }) => sentAt >= sentSince);
    if (last !== undefined) return last;
    end = places[0] ?? 0;
  }
  return undefined;
}

/** The places of some reports before one that are the account's, or may be, in their order. */
function reportsBefore(
  segments: ReadSegments,
  { shared, columns }: ReadSegment,
  account: AccountId,
  end: number,
): ArrayLike<number> {
  if (columns === undefined)
    return segments.withIndex(shared.id, index => {
      const [first, last] = reportRun(index, account);
      const own = lowerBound(last - first, at => (index.uint32('reportOrder', first + at, 1)[0] ?? 0) - end);
      const wanted = Math.min(own, reportsAtATime);
      return index.uint32('reportOrder', first + own - wanted, wanted);
    });
  const places: number[] = [];
  let at = lastPlaceIn(columns.reportAccount, account, end);
  for (; at >= 0 && places.length < reportsAtATime; at = lastPlaceIn(columns.reportAccount, account, at))
    places.push(at);
  return places.reverse();
}

/** When the messages that these reports are on were sent, of those that are the account's and there. */
function moments(
  segments: ReadSegments,
  { shared, columns }: ReadSegment,
  account: AccountId,
  places: ArrayLike<number>,
): readonly Last[] {
  if (columns === undefined) {
    const messages = segments.withIndex(shared.id, index =>
      Array.from(places, at => index.float64('reportMessages', at, 1)[0] ?? 0),
    );
    return messages.flatMap((message, i) => {
      const segmentId = segmentIdOf(message);
      if (segments.get(segmentId) === undefined) return [];
      return { at: places[i] ?? 0, sentAt: segments.sentAt(segmentId, ordinalOf(message)) };
    });
  }
  const rows = segments.reports(
    shared,
    Array.from(places, at => shared.firstSequence + at),
  );
  const own = rows.filter(row => row.account === account).sort((a, b) => a.sequence - b.sequence);
  return own.map(row => ({ at: row.sequence - shared.firstSequence, sentAt: row.sentAt }));
}

const tellsReports = (index: IndexFile) => index.bytesOf('reportStarts') > 0;

function reportRun(index: IndexFile, account: AccountId): readonly [first: number, end: number] {
  const at = placeOfAccount(index, 'reportAccounts', account);
  const [first = 0, end = 0] = at === undefined ? [] : index.uint32('reportStarts', at, 2);
  return [first, end];
}

function placesIn(accounts: Float64Array, account: AccountId, { from, to, wanted }: Stretch): readonly number[] {
  const published = accounts.subarray(0, to);
  const places: number[] = [];
  for (let at = published.indexOf(account, from); at >= 0; at = published.indexOf(account, at + 1))
    if (places.push(at) === wanted) break;
  return places;
}

/** -1 where there is none before. */
function lastPlaceIn(accounts: Float64Array, account: AccountId, before: number): number {
  return before === 0 ? -1 : accounts.lastIndexOf(account, before - 1);
}
