import type { Breakdown, Parts } from './breakdown.ts';
import { type DeliveryMs, deliveryTimes, type PriceSum, priceSums } from './figures.ts';
import type { Filter } from './filter.ts';
import type { EpochMs } from './message.ts';
import { deliveryErrorByKey, nameOf, type StatusGroupName, statusGroupNames } from './registry.ts';
import type { SummaryCell } from './summary-cell.ts';
import { clockOf, wallMs } from './wall-clock.ts';

/** What a summary counts by: the vendor's groups; a count of 0 is a count. */
export type GroupCounts = Readonly<Record<StatusGroupName, number>>;

/**
 * The time a summary covers, in buckets. `from` is inclusive, `to` exclusive and absent when nothing bounds it: then
 * the last bucket also holds what is dated ahead of it. The first bucket begins at `firstBucket`, a whole minute, at or
 * before `from`; each is `bucketMs` long, whole minutes.
 */
export type SummaryRange = {
  readonly from: EpochMs;
  readonly to?: EpochMs;
  readonly firstBucket: EpochMs;
  readonly bucketMs: number;
  readonly buckets: number;
};

/** How often a name stands in failed messages. */
export type FailureCount = { readonly name: string; readonly count: number };

/**
 * Figures of the messages that match, by their present state. With `complete` false, time ran out, or the log lost some
 * of what was sent in the range: what is absent is unknown, not 0, `buckets` has only those that were counted to their
 * end, and what is lost is in no figure.
 */
export type Summary = {
  readonly range: SummaryRange;
  readonly complete: boolean;
  readonly total?: number;
  readonly groups?: GroupCounts;
  /** In the order of time; those without messages too. */
  readonly buckets: readonly { readonly from: EpochMs; readonly groups: GroupCounts }[];
  readonly deliveryMs?: DeliveryMs;
  /** By currency. */
  readonly prices?: readonly PriceSum[];
  /** What stands most often in messages that are undeliverable, expired or rejected; a list is absent when unknown. */
  readonly failures?: {
    readonly errors?: readonly FailureCount[];
    readonly senders?: readonly FailureCount[];
    readonly campaigns?: readonly FailureCount[];
  };
  /** Where one is asked for. */
  readonly breakdown?: Breakdown;
};

export const minuteMs = 60_000;

/** Names listed of each kind of failure. */
const failuresListedMax = 10;

export const minuteOf = (sentAt: EpochMs): EpochMs => Math.floor(sentAt / minuteMs) * minuteMs;

const dayMs = 1440 * minuteMs;
/** Lengths of buckets by which a clock's day is divided evenly. */
const roundLengthsMs = [1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440].map(minutes => minutes * minuteMs);

/**
 * The range that a filter's times ask for, within what the log keeps, in at most `bucketsMax` buckets. `now` ends a
 * range that has no end of its own. By the clock of a time zone buckets begin on round times and are as long as somebody
 * would choose (ten minutes, an hour, a day); where clocks change within the range, those before it are off by the change.
 */
export function summaryRange(
  filter: Filter,
  horizon: EpochMs,
  now: EpochMs,
  bucketsMax: number,
  timeZone?: string,
): SummaryRange {
  const from = Math.max(horizon, filter.sentSince ?? horizon);
  const to = filter.sentUntil;
  if (to !== undefined && to <= from) return { from, to, firstBucket: minuteOf(from), bucketMs: minuteMs, buckets: 0 };
  const end = to ?? Math.max(now, from + 1);
  const shared = { from, ...(to !== undefined && { to }) };
  if (timeZone !== undefined) return { ...shared, ...roundBuckets(from, end, bucketsMax, timeZone) };
  const firstBucket = minuteOf(from);
  const bucketMs = Math.ceil((end - firstBucket) / bucketsMax / minuteMs) * minuteMs;
  return { ...shared, firstBucket, bucketMs, buckets: Math.ceil((end - firstBucket) / bucketMs) };
}

/** The shortest that are few enough. */
function roundBuckets(from: EpochMs, end: EpochMs, bucketsMax: number, timeZone: string) {
  // Of the end of the range: what is newest is looked at most.
  const aheadMs = minuteOf(wallMs(end, clockOf(timeZone)) - end);
  const divided = (bucketMs: number) => {
    const roundMs = Math.min(bucketMs, dayMs);
    const firstBucket = Math.floor((from + aheadMs) / roundMs) * roundMs - aheadMs;
    return { firstBucket, bucketMs, buckets: Math.ceil((end - firstBucket) / bucketMs) };
  };
  // The first of whole days begins less than a day before the range.
  const daysMs = Math.ceil((end - from + dayMs) / bucketsMax / dayMs) * dayMs;
  return divided(roundLengthsMs.find(bucketMs => divided(bucketMs).buckets <= bucketsMax) ?? daysMs);
}

/** The bucket a message of the range is counted in. */
export function bucketOf({ firstBucket, bucketMs, buckets }: SummaryRange, sentAt: EpochMs): number {
  return Math.min(buckets - 1, Math.floor((sentAt - firstBucket) / bucketMs));
}

/**
 * The summary of a range from the cells of its buckets, one for each, in order; `undefined` for a bucket without
 * messages. `total` is the sum of them all, `parts` what they are broken down into, if that is asked for.
 */
export function completeSummary(
  range: SummaryRange,
  buckets: readonly (SummaryCell | undefined)[],
  total: SummaryCell,
  parts?: Parts,
): Summary {
  const prices = priceSums(total);
  const breakdown = parts?.told();
  const { senders, campaigns, overflowed, errorsOverflowed } = total;
  const errors = [
    ...[...total.errors].map(([key, count]) => ({ name: nameOf(deliveryErrorByKey(key)), count })),
    ...[...total.errorNames].map(([name, count]) => ({ name, count })),
  ];
  return {
    range,
    complete:
      !overflowed &&
      !errorsOverflowed &&
      prices.every(({ sum }) => sum !== undefined) &&
      (parts === undefined || breakdown !== undefined),
    total: total.groups.reduce((sum, count) => sum + count, 0),
    groups: groupCounts(total),
    buckets: finishedBuckets(range, buckets, 0),
    deliveryMs: deliveryTimes(total),
    prices,
    failures: {
      ...(!errorsOverflowed && { errors: most(errors) }),
      ...(!overflowed && {
        senders: most([...senders].map(([name, count]) => ({ name, count }))),
        campaigns: most([...campaigns].map(([name, count]) => ({ name, count }))),
      }),
    },
    ...(breakdown !== undefined && { breakdown }),
  };
}

/** What is known when the time ran out: the buckets from `firstFinished` on, since counting goes from new to old. */
export function unfinishedSummary(
  range: SummaryRange,
  buckets: readonly (SummaryCell | undefined)[],
  firstFinished: number,
): Summary {
  return { range, complete: false, buckets: finishedBuckets(range, buckets, firstFinished) };
}

function finishedBuckets(
  { from, firstBucket, bucketMs, buckets: count }: SummaryRange,
  cells: readonly (SummaryCell | undefined)[],
  firstFinished: number,
): Summary['buckets'] {
  const buckets: { from: EpochMs; groups: GroupCounts }[] = [];
  for (let i = firstFinished; i < count; i++)
    buckets.push({ from: Math.max(from, firstBucket + i * bucketMs), groups: groupCounts(cells[i]) });
  return buckets;
}

function groupCounts(cell: SummaryCell | undefined): GroupCounts {
  const count = (name: StatusGroupName) => cell?.groups[statusGroupNames.indexOf(name)] ?? 0;
  return {
    ACCEPTED: count('ACCEPTED'),
    PENDING: count('PENDING'),
    UNDELIVERABLE: count('UNDELIVERABLE'),
    DELIVERED: count('DELIVERED'),
    EXPIRED: count('EXPIRED'),
    REJECTED: count('REJECTED'),
  };
}

/** The greatest counts first; of equal ones by name, so that the same data give the same list. */
function most(counts: readonly FailureCount[]): readonly FailureCount[] {
  const byName = new Map<string, number>();
  for (const { name, count } of counts) byName.set(name, (byName.get(name) ?? 0) + count);
  return [...byName]
    .map(([name, count]) => ({ name, count }))
    .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
    .slice(0, failuresListedMax);
}
