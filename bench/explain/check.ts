import { type Catalog, spanOf } from './catalog.ts';
import type { Asked } from './explain.ts';
import { type Plan, readsOf, rowsRead, rowsReturned } from './plan.ts';
import { pageLogs } from './questions.ts';

/** A page of so many rows may read so many times as many, and one more wherever it looks. */
const rowsReadPerRow = 2;
/** To find its first row an index is read from its root down, and the row itself. */
const buffersPerSearch = 6;
const buffersPerRow = 3;

/**
 * What is wrong with the plans of a question: a partition read from end to end, an index that was not claimed, a
 * partition that cannot hold what is asked for, or more rows and pages than lead to the answer.
 */
export function faultsOf({ question, plans, firstPlans, logs }: Asked, catalog: Catalog): readonly string[] {
  return [...firstPlans, ...plans].flatMap(plan => {
    const ofPage =
      question.claims === undefined
        ? []
        : [
            ...unclaimed(plan, question.claims, catalog),
            ...excess(plan),
            ...(question.readsOlder ? [] : unneeded(plan, logs)),
          ];
    return [...sequential(plan, catalog), ...ofPage].map(fault => `${question.title}: ${fault}`);
  });
}

function sequential({ steps }: Plan, catalog: Catalog): readonly string[] {
  return steps
    .filter(({ kind, relation = '', loops }) => /Seq Scan/.test(kind) && loops > 0 && catalog.isPart(relation))
    .map(({ relation }) => `reads ${relation} from end to end`);
}

function unclaimed(plan: Plan, claims: readonly string[], catalog: Catalog): readonly string[] {
  const used = plan.steps.flatMap(({ index, loops }) =>
    index === undefined || loops === 0 ? [] : catalog.wholeOf(index),
  );
  return [...new Set(used)].filter(index => !claims.includes(index)).map(index => `reads ${index}`);
}

function excess(plan: Plan): readonly string[] {
  const searches = readsOf(plan).reduce((sum, { loops }) => sum + loops, 0);
  const [read, returned] = [rowsRead(plan), rowsReturned(plan)];
  const rowsMax = rowsReadPerRow * returned + searches;
  const buffersMax = buffersPerSearch * searches + buffersPerRow * rowsMax;
  return [
    ...(read > rowsMax ? [`reads ${read} rows for ${returned}`] : []),
    ...(plan.buffers > buffersMax
      ? [`looks at ${plan.buffers} pages, with ${searches} searches for ${returned} rows`]
      : []),
  ];
}

/** A full page needs no partition older than its last row, and the one after it that tells of a next page. */
function unneeded(plan: Plan, logs: Asked['logs']): readonly string[] {
  const oldest = logs.at(-1)?.sentAt;
  if (oldest === undefined || logs.length < pageLogs) return [];
  const ran = new Set(
    readsOf(plan).flatMap(({ relation, loops }) => (relation === undefined || loops === 0 ? [] : relation)),
  );
  const older = [...ran].filter(relation => (spanOf(relation)?.to ?? Infinity) <= oldest);
  return older.length > 1 ? [`reads ${older.length} partitions older than the page`] : [];
}
