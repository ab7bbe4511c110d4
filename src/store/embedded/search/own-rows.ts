import type { AccountId } from '../../../domain/message.ts';
import type { IndexFile } from '../segment/index-file.ts';
import { messagesIn, reportsIn } from '../segment/shared-segment.ts';
import type { ReadSegment, ReadSegments } from './read-segments.ts';
import { concerns, lowerBound, messagesOf, ordinalsOf } from './sealed-scan.ts';

/** Of a sealed segment of which an account has less than this part, its own messages are listed. */
const smallPart = 1 / 8;

/** Places in a segment, from one to before another; of more than are wanted, the first. */
export type Places = { readonly from: number; readonly to: number; readonly wanted: number };

/**
 * The ordinals of an account's own messages in a segment, in their order: from memory or the index, without a look at any
 * row. `undefined` where most of a sealed segment is the account's own, and its rows may as well be looked through.
 */
export function ownOrdinals(
  segments: ReadSegments,
  { shared, columns }: ReadSegment,
  account: AccountId,
  { from, to, wanted }: Places,
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
 * The places of reports on an account's own messages among the reports of a segment. `undefined` where neither memory nor
 * index tells: an older version sealed the segment, or more reports joined it at once than there was room for.
 */
export function ownReports(
  segments: ReadSegments,
  { shared, columns }: ReadSegment,
  account: AccountId,
  { from, to, wanted }: Places,
): ArrayLike<number> | undefined {
  if (columns !== undefined)
    return to > columns.reportAccount.length
      ? undefined
      : placesIn(columns.reportAccount, account, { from, to, wanted });
  return segments.withIndex(shared.id, index => {
    if (!tellsReports(index)) return concerns(index, account) ? undefined : [];
    const [first, end] = reportRun(index, account);
    const place = (at: number) => index.uint32('reportOrder', first + at, 1)[0] ?? 0;
    const at = lowerBound(end - first, where => place(where) - from);
    const own = index.uint32('reportOrder', first + at, Math.min(wanted, end - first - at));
    return own.filter(one => one < to);
  });
}

/** The greatest ordinal of an account's messages in a segment; `undefined` where it has none. */
export function lastOrdinal(
  segments: ReadSegments,
  { shared, columns }: ReadSegment,
  account: AccountId,
): number | undefined {
  if (columns !== undefined) return lastPlaceIn(columns.account, account, messagesIn(shared));
  return segments.withIndex(shared.id, index => {
    const own = ordinalsOf(index, account);
    return own.length === 0 ? undefined : own.at(-1);
  });
}

/**
 * The greatest place of a report on an account's messages among the reports of a segment; `undefined` where there is none,
 * and the last of all where only the rows could tell.
 */
export function lastReport(
  segments: ReadSegments,
  { shared, columns }: ReadSegment,
  account: AccountId,
): number | undefined {
  const count = reportsIn(shared);
  if (columns !== undefined)
    return count > columns.reportAccount.length ? count - 1 : lastPlaceIn(columns.reportAccount, account, count);
  return segments.withIndex(shared.id, index => {
    if (!tellsReports(index)) return count > 0 && concerns(index, account) ? count - 1 : undefined;
    const [first, end] = reportRun(index, account);
    return first === end ? undefined : index.uint32('reportOrder', end - 1, 1)[0];
  });
}

const tellsReports = (index: IndexFile) => index.bytesOf('reportStarts') > 0;

function reportRun(index: IndexFile, account: AccountId): readonly [first: number, end: number] {
  const count = index.bytesOf('reportAccounts') / 8;
  const at = lowerBound(count, place => (index.float64('reportAccounts', place, 1)[0] ?? 0) - account);
  if (at === count || index.float64('reportAccounts', at, 1)[0] !== account) return [0, 0];
  const [first = 0, end = 0] = index.uint32('reportStarts', at, 2);
  return [first, end];
}

function placesIn(accounts: Float64Array, account: AccountId, { from, to, wanted }: Places): readonly number[] {
  const published = accounts.subarray(0, to);
  const places: number[] = [];
  for (let at = published.indexOf(account, from); at >= 0; at = published.indexOf(account, at + 1))
    if (places.push(at) === wanted) break;
  return places;
}

function lastPlaceIn(accounts: Float64Array, account: AccountId, count: number): number | undefined {
  const at = count === 0 ? -1 : accounts.lastIndexOf(account, count - 1);
  return at < 0 ? undefined : at;
}
