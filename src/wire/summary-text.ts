import type { EpochMs } from '../domain/message.ts';
import type { Summary } from '../domain/summary.ts';
import { formatDateTime } from './date-time.ts';

/** A summary in JSON; `now` ends a range that nothing else ends. What is unknown is left out. */
export function summaryJson(summary: Summary, now: EpochMs): string {
  const { range, complete, total, groups, buckets, deliveryMs, prices, failures } = summary;
  return JSON.stringify({
    from: formatDateTime(range.from),
    to: formatDateTime(Math.max(range.from, range.to ?? now)),
    bucketMs: range.bucketMs,
    complete,
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
