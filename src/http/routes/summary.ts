import { type BreakdownField, Parts } from '../../domain/breakdown.ts';
import { type Filter, restrict } from '../../domain/filter.ts';
import type { EpochMs } from '../../domain/message.ts';
import {
  completeSummary,
  type Summary,
  type SummaryRange,
  summaryRange,
  unfinishedSummary,
} from '../../domain/summary.ts';
import { SummaryCell } from '../../domain/summary-cell.ts';
import { limits } from '../../limits.ts';
import { type Comparison, parseSummaryQuery } from '../../wire/filter-query.ts';
import { summaryJson, type ToldSummary } from '../../wire/summary-text.ts';
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
  const { filter, buckets, compare, by, first } = sound(parseSummaryQuery(rawQuery(call.request)));
  const now = deps.clock();
  const horizon = now - deps.retentionOf(call.principal.account.id);
  const range = summaryRange(filter, horizon, now, buckets);
  const asked: Asked = { filter, range, by, horizon, now };
  const division = by && { by, first };
  if (compare === undefined) return summaryJson(await told(asked, call, deps), undefined, division);
  const [own, compared] = await Promise.all([
    told(asked, call, deps),
    told(comparedWith(compare, asked, buckets), call, deps),
  ]);
  return summaryJson(own, compared, division);
}

type Asked = {
  readonly filter: Filter;
  readonly range: SummaryRange;
  readonly by: readonly BreakdownField[] | undefined;
  /** Before it nothing is kept. */
  readonly horizon: EpochMs;
  /** The end of a range that nothing else ends. */
  readonly now: EpochMs;
};

const dayMs = 86_400_000;

/** The same of an earlier range, which is as long. */
function comparedWith(compare: Comparison, { filter, range, by, horizon, now }: Asked, buckets: number): Asked {
  const [from, to] = [range.from, Math.max(range.from, range.to ?? now)];
  const backMs = { previous: to - from, yesterday: dayMs, week: 7 * dayMs }[compare];
  const shifted: Filter = { ...filter, sentSince: from - backMs, sentUntil: to - backMs };
  return { filter: shifted, range: summaryRange(shifted, -Infinity, now, buckets), by, horizon, now: to - backMs };
}

async function told({ filter, range, by, horizon, now }: Asked, call: Call, deps: Deps): Promise<ToldSummary> {
  const { account, binding } = call.principal;
  // Figures of a part would pass for those of the whole.
  if (range.from < horizon) return { summary: unfinishedSummary(range, [], range.buckets), now, gaps: [] };
  const restricted = restrict(filter, binding);
  const budgetMs = by === undefined ? limits.summaryBudgetMs : limits.breakdownBudgetMs;
  const query = { account: account.id, sentSince: horizon, range, budgetMs, ...(by !== undefined && { by }) };
  const figures: Summary =
    restricted === undefined
      ? completeSummary(range, [], new SummaryCell(), by && new Parts(by))
      : await whileThere(call.reply.raw, signal => deps.store.summarize({ ...query, filter: restricted }, signal));
  const until = range.to ?? Number.POSITIVE_INFINITY;
  const gaps = deps.mirrors?.gaps(account.id).filter(gap => gap.from < until && gap.until > range.from) ?? [];
  return { summary: { ...figures, complete: figures.complete && gaps.length === 0 }, now, gaps };
}
