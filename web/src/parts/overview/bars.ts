import type { GroupCounts, Summary } from '../../../../src/client/index.ts';
import { msOf } from '../../view/format.ts';
import type { Comparison } from '../../view/view.ts';
import { momentOf, wallMs, type Zone } from '../../view/zone.ts';

/** A bar of the chart; without `groups` its messages could not be counted in time. */
export type Bar = { readonly fromMs: number; readonly groups: GroupCounts | undefined };

/**
 * The bars of a summary's whole time. Counting goes from new to old, so what is missing when time ran out lies before the
 * first bucket that is there.
 */
export function barsOf({ from, to, bucketMs, buckets }: Omit<Summary, 'compared'>): readonly Bar[] {
  const counted = buckets.map(bucket => ({ fromMs: msOf(bucket.from), groups: bucket.groups }));
  const [first, second] = counted;
  // The first one may begin with the range, in the middle of its bucket; the bars stand evenly all the same.
  if (first !== undefined && second !== undefined) first.fromMs = second.fromMs - bucketMs;
  const missing: Bar[] = [];
  const endMs = first?.fromMs ?? msOf(to);
  for (let fromMs = endMs - bucketMs; fromMs + bucketMs > msOf(from); fromMs -= bucketMs)
    missing.unshift({ fromMs, groups: undefined });
  return [...missing, ...counted];
}

/**
 * For each bar, all messages of its part of the time that it is compared with; `null` where that is not known. `later` is
 * the moment that a moment of then is compared with, where that is not as long after it as the one range after the other.
 */
export function beforeOf(
  bars: readonly Bar[],
  summary: Summary | undefined,
  later?: (ms: number) => number,
): readonly (number | null)[] {
  const { compared } = summary ?? {};
  const [first] = bars;
  if (summary === undefined || compared === undefined || first === undefined) return [];
  const apartMs = msOf(summary.from) - msOf(compared.from);
  const laterOf = later ?? ((ms: number) => ms + apartMs);
  const counts: (number | null)[] = bars.map(() => null);
  for (const { fromMs, groups } of barsOf(compared)) {
    if (groups === undefined) continue;
    // Its buckets need not begin where those of the bars do, and may be one more: none is left out.
    const index = Math.round((laterOf(fromMs) - first.fromMs) / summary.bucketMs);
    const place = Math.min(Math.max(index, 0), bars.length - 1);
    counts[place] = (counts[place] ?? 0) + Object.values(groups).reduce((sum, count) => sum + count, 0);
  }
  return counts;
}

/**
 * What a drag over bars means: each of them that was touched, whole. Nobody can aim at a part of a bar, and whoever began or
 * ended within one saw something in it; rounded to the nearest edge, half a bar would be left out that was dragged over.
 */
export function stretchOf(
  starts: readonly number[],
  bucketMs: number,
  fromMs: number,
  untilMs: number,
): readonly [sinceMs: number, untilMs: number] | undefined {
  const first =
    starts[
      Math.max(
        starts.findLastIndex(start => start <= fromMs),
        0,
      )
    ];
  const last =
    starts[
      Math.max(
        starts.findLastIndex(start => start < untilMs),
        0,
      )
    ];
  return first === undefined || last === undefined ? undefined : [first, last + bucketMs];
}

/** A day or a week is one by the clock of a zone, whether it has 23 hours or 25. */
export function laterBy(compare: Comparison | undefined, zone: Zone): ((ms: number) => number) | undefined {
  if (compare === undefined || compare === 'previous') return undefined;
  const days = { yesterday: 1, week: 7 }[compare];
  return ms => momentOf(wallMs(ms, zone) + days * 86_400_000, zone);
}
