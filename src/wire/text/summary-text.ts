import { type Breakdown, type BreakdownField, type BreakdownRow, emptyRow } from '../../domain/breakdown.ts';
import type { DeliveryMs } from '../../domain/figures.ts';
import type { EpochMs } from '../../domain/message.ts';
import type { Summary } from '../../domain/summary.ts';
import { formatDateTime } from '../date-time.ts';

/** A range of time of which messages are missing: exclusive `until`. */
export type MissingRange = { readonly from: EpochMs; readonly until: EpochMs; readonly reason: string };

/** A summary, the moment that ends its range where nothing else does, and what is missing in it. */
export type ToldSummary = { readonly summary: Summary; readonly now: EpochMs; readonly gaps: readonly MissingRange[] };

/** What figures are broken down by, and how many rows are told. */
export type ToldBreakdown = { readonly by: readonly BreakdownField[]; readonly first: number };

/**
 * A summary in JSON, with the one it is compared with, if any, which has all of its rows. What is unknown is left out.
 * Both are broken down into the same rows: those that come first now.
 */
export function summaryJson(told: ToldSummary, compared?: ToldSummary, division?: ToldBreakdown): string {
  const leading = told.summary.breakdown ?? compared?.summary.breakdown;
  const figures = (one: ToldSummary) => ({
    ...figuresOf(one),
    breakdown: division && leading && breakdownOf(one.summary.breakdown, leading, division),
  });
  return JSON.stringify({ ...figures(told), compared: compared && figures(compared) });
}

function breakdownOf(own: Breakdown | undefined, leading: Breakdown, { by, first }: ToldBreakdown): object | undefined {
  if (own === undefined) return undefined;
  const keyOf = ({ values }: BreakdownRow) => JSON.stringify(values);
  const byKey = new Map(own.rows.map(row => [keyOf(row), row]));
  const shown = leading.rows.slice(0, first).map(row => byKey.get(keyOf(row)) ?? emptyRow(row.values));
  return {
    by,
    rows: shown.map(({ values, messages, failed, deliveryMs, prices }) => ({
      ...Object.fromEntries(by.map((field, i) => [field, values[i]])),
      messages,
      failed,
      deliveryMs: deliveryText(deliveryMs),
      prices,
    })),
    more: leading.rows.length + leading.more - shown.length,
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
