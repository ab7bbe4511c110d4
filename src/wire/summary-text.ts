import { type BreakdownField, type BreakdownRow, emptyRow, type PartValues } from '../domain/breakdown.ts';
import type { EpochMs } from '../domain/message.ts';
import type { DeliveryMs, Summary } from '../domain/summary.ts';
import { formatDateTime } from './date-time.ts';

/** A range of time of which messages are missing: exclusive `until`. */
export type MissingRange = { readonly from: EpochMs; readonly until: EpochMs; readonly reason: string };

/** A summary, the moment that ends its range where nothing else does, and what is missing in it. */
export type ToldSummary = { readonly summary: Summary; readonly now: EpochMs; readonly gaps: readonly MissingRange[] };

/** What figures are broken down by, and how many rows are told. */
export type ToldBreakdown = { readonly by: readonly BreakdownField[]; readonly first: number };

/**
 * A summary in JSON, with the one it is compared with, if any. What is unknown is left out. Both are broken down into the
 * same rows: those that come first now.
 */
export function summaryJson(told: ToldSummary, compared?: ToldSummary, division?: ToldBreakdown): string {
  const values = (told.summary.breakdown ?? compared?.summary.breakdown)?.map(row => row.values);
  const figures = (one: ToldSummary) => ({
    ...figuresOf(one),
    breakdown: division && values && breakdownOf(one.summary.breakdown, values, division),
  });
  return JSON.stringify({ ...figures(told), compared: compared && figures(compared) });
}

function breakdownOf(
  rows: readonly BreakdownRow[] | undefined,
  all: readonly PartValues[],
  { by, first }: ToldBreakdown,
): object | undefined {
  if (rows === undefined) return undefined;
  const keyOf = (values: PartValues) => JSON.stringify(values);
  const byKey = new Map(rows.map(row => [keyOf(row.values), row]));
  const shown = all.slice(0, first).map(values => byKey.get(keyOf(values)) ?? emptyRow(values));
  return {
    by,
    rows: shown.map(({ values, messages, failed, deliveryMs, prices }) => ({
      ...Object.fromEntries(by.map((field, i) => [field, values[i]])),
      messages,
      failed,
      deliveryMs: deliveryText(deliveryMs),
      prices,
    })),
    more: all.length - shown.length,
  };
}

const deliveryText = ({ p50, p95, count }: DeliveryMs) => ({ p50, p95, count });

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
    deliveryMs: deliveryMs && deliveryText(deliveryMs),
    prices,
    failures: failures && {
      errors: failures.errors,
      senders: failures.senders?.map(({ name, count }) => ({ sender: name, count })),
      campaigns: failures.campaigns?.map(({ name, count }) => ({ campaignReferenceId: name, count })),
    },
  };
}
