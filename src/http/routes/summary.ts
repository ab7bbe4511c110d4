import { restrict } from '../../domain/filter.ts';
import { completeSummary, type Summary, summaryRange } from '../../domain/summary.ts';
import { SummaryCell } from '../../domain/summary-cell.ts';
import { limits } from '../../limits.ts';
import { parseSummaryQuery } from '../../wire/filter-query.ts';
import { summaryJson } from '../../wire/summary-text.ts';
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

async function summary(
  { principal, request, reply }: Call,
  { store, clock, retentionOf, mirrors }: Deps,
): Promise<string> {
  const { filter, buckets } = sound(parseSummaryQuery(rawQuery(request)));
  const now = clock();
  const sentSince = now - retentionOf(principal.account.id);
  const range = summaryRange(filter, sentSince, now, buckets);
  const restricted = restrict(filter, principal.binding);
  const figures: Summary =
    restricted === undefined
      ? completeSummary(range, [], new SummaryCell())
      : await whileThere(reply.raw, signal =>
          store.summarize(
            { account: principal.account.id, filter: restricted, sentSince, range, budgetMs: limits.summaryBudgetMs },
            signal,
          ),
        );
  const until = range.to ?? Number.POSITIVE_INFINITY;
  const gaps = mirrors?.gaps(principal.account.id).filter(gap => gap.from < until && gap.until > range.from) ?? [];
  return summaryJson({ ...figures, complete: figures.complete && gaps.length === 0 }, now, gaps);
}
