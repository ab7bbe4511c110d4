import { type BreakdownField, Parts } from '../../domain/breakdown.ts';
import { type Filter, restrict } from '../../domain/filter.ts';
import type { EpochMs } from '../../domain/message.ts';
import {
  completeSummary,
  minuteOf,
  type Summary,
  type SummaryRange,
  summaryRange,
  unfinishedSummary,
} from '../../domain/summary.ts';
import { SummaryCell } from '../../domain/summary-cell.ts';
import { daysBefore } from '../../domain/wall-clock.ts';
import { limits } from '../../limits.ts';
import { present } from '../../wire/present.ts';
import { type Comparison, parseSummaryQuery } from '../../wire/query/filter-query.ts';
import { summaryJson, type ToldSummary } from '../../wire/text/summary-text.ts';
import { whileThere } from '../caller.ts';
import type { ServerDeps } from '../deps.ts';
import { type Call, type Route, rawQuery, sound } from '../route.ts';

type Deps = Pick<ServerDeps, 'store' | 'clock' | 'retentionOf' | 'mirrors'>;

/** `GET /messenger/1/logs/summary` */
export function summaryRoute(deps: Deps): Route {
  return {
    method: 'GET',
    path: '/messenger/1/logs/summary',
    access: { scope: 'messenger:logs:read', budget: 'reads' },
    answer: (call: Call) => summary(call, deps),
  };
}

async function summary(call: Call, deps: Deps): Promise<string> {
  const { filter, buckets, compare, timeZone, by, first } = sound(parseSummaryQuery(rawQuery(call.request)));
  const now = deps.clock();
  const horizon = now - deps.retentionOf(call.principal.account.id);
  const range = summaryRange(filter, horizon, now, buckets, timeZone);
  const asked: Asked = { filter, range, by, horizon, now };
  const division = by && { by, first };
  const own = () => told({ ...asked, first }, call, deps);
  if (compare === undefined) return summaryJson(await own(), undefined, division);
  // Which rows come first now is not known yet when the others are counted: of those all are needed.
  const [figures, compared] = await Promise.all([
    own(),
    told(comparedWith({ compare, timeZone: timeZone ?? 'UTC' }, asked), call, deps),
  ]);
  return summaryJson(figures, compared, division);
}

type Asked = {
  readonly filter: Filter;
  readonly range: SummaryRange;
  readonly by: readonly BreakdownField[] | undefined;
  /** How many rows of the breakdown are told; all when absent. */
  readonly first?: number;
  /** Before it nothing is kept. */
  readonly horizon: EpochMs;
  /** The end of a range that nothing else ends. */
  readonly now: EpochMs;
};

const daysBack = { yesterday: 1, week: 7 } as const;

/**
 * The same of an earlier range, which is as long by the clock of the zone: where its clocks were changed meanwhile, an hour
 * or half of one longer or shorter. Its buckets are as long as those of the range, and may be more: so bars lie over bars.
 */
function comparedWith(
  { compare, timeZone }: { readonly compare: Comparison; readonly timeZone: string },
  { filter, range, by, horizon, now }: Asked,
): Asked {
  const [from, to] = [range.from, Math.max(range.from, range.to ?? now)];
  const earlier = (moment: EpochMs) =>
    compare === 'previous' ? moment - (to - from) : daysBefore(moment, daysBack[compare], timeZone);
  const sentSince = earlier(from);
  // What a clock shows twice or never turns round what is shorter than its change.
  const sentUntil = Math.max(sentSince, earlier(to));
  const { bucketMs } = range;
  const firstBucket = minuteOf(Math.min(sentSince, earlier(range.firstBucket)));
  const buckets = sentUntil > sentSince ? Math.ceil((sentUntil - firstBucket) / bucketMs) : 0;
  const earlierRange: SummaryRange = { from: sentSince, to: sentUntil, firstBucket, bucketMs, buckets };
  return { filter: { ...filter, sentSince, sentUntil }, range: earlierRange, by, horizon, now: sentUntil };
}

async function told({ filter, range, by, first, horizon, now }: Asked, call: Call, deps: Deps): Promise<ToldSummary> {
  const { account, binding } = call.principal;
  // Figures of a part would pass for those of the whole.
  if (range.from < horizon) return { summary: unfinishedSummary(range, [], range.buckets), now, gaps: [] };
  const restricted = restrict(filter, binding);
  const budgetMs = by === undefined ? limits.summaryBudgetMs : limits.breakdownBudgetMs;
  const query = { account: account.id, sentSince: horizon, range, budgetMs, ...present({ by, first: by && first }) };
  const figures: Summary =
    restricted === undefined
      ? completeSummary(range, [], new SummaryCell(), by && new Parts(by, first))
      : await whileThere(call.reply.raw, signal => deps.store.summarize({ ...query, filter: restricted }, signal));
  const until = range.to ?? Number.POSITIVE_INFINITY;
  const gaps = deps.mirrors?.gaps(account.id).filter(gap => gap.from < until && gap.until > range.from) ?? [];
  return { summary: { ...figures, complete: figures.complete && gaps.length === 0 }, now, gaps };
}
