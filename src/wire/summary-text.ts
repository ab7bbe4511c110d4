import type { EpochMs } from '../domain/message.ts';
import type { Summary } from '../domain/summary.ts';
import { formatDateTime } from './date-time.ts';

/** A range of time of which messages are missing: exclusive `until`. */
export type MissingRange = { readonly from: EpochMs; readonly until: EpochMs; readonly reason: string };

/** A summary, the moment that ends its range where nothing else does, and what is missing in it. */
export type ToldSummary = { readonly summary: Summary; readonly now: EpochMs; readonly gaps: readonly MissingRange[] };

/** A summary in JSON, with the one it is compared with, if any. What is unknown is left out. */
export function summaryJson(told: ToldSummary, compared?: ToldSummary): string {
  return JSON.stringify({ ...figuresOf(told), compared: compared && figuresOf(compared) });
}

function figuresOf({ summary, now, gaps }: ToldSummary): object {
  const { range, complete, total, groups, buckets, deliveryMs, prices, failures } = summary;
  return {
    from: formatDateTime(range.from),
    to: formatDateTime(Math.max(range.from, range.to ?? now)),
    bucketMs: range.bucketMs,
    complete,
    gaps:
      gaps.length === 0
        ? undefined
        : gaps.map(gap => ({ from: formatDateTime(gap.from), to: formatDateTime(gap.until), reason: gap.reason })),
    total,
    groups,
    buckets: buckets.map(bucket => ({ from: formatDateTime(bucket.from), groups: bucket.groups })),
    deliveryMs: deliveryMs && { p50: deliveryMs.p50, p95: deliveryMs.p95, count: deliveryMs.count },
    prices,
    failures: failures && {
      errors: failures.errors,
      senders: failures.senders?.map(({ name, count }) => ({ sender: name, count })),
      campaigns: failures.campaigns?.map(({ name, count }) => ({ campaignReferenceId: name, count })),
    },
  };
}
