import type { EpochMs } from '../domain/message.ts';
import type { Summary } from '../domain/summary.ts';
import { formatDateTime } from './date-time.ts';

/** A range of time of which messages are missing: exclusive `until`. */
export type MissingRange = { readonly from: EpochMs; readonly until: EpochMs; readonly reason: string };

/** A summary in JSON; `now` ends a range that nothing else ends. What is unknown is left out. */
export function summaryJson(summary: Summary, now: EpochMs, gaps: readonly MissingRange[] = []): string {
  const { range, complete, total, groups, buckets, deliveryMs, prices, failures } = summary;
  return JSON.stringify({
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
  });
}
