import { keepPreviousData, type QueryClient, useQuery } from '@tanstack/react-query';
import type { BreakdownField, Summary } from '../../../src/client/index.ts';
import { nowMs } from '../api/server-clock.ts';
import { usePage } from '../page-context.ts';
import { isOpenEnded } from '../view/range.ts';
import { type BreakdownName, filterOf, only, type View } from '../view/view.ts';
import { askedByClock, comparisonOf } from './comparison.ts';

/** At most so many bars: the server makes them as long as a clock divides time, so there are fewer. */
const buckets = 80;
const breakdownRows = 50;
const refreshEveryMs = 5000;

const figures = ['summary', 'breakdown'] as const;

/** Asks for all figures on screen anew, also where some are on their way: they may be of before. */
export async function renewFigures(queries: QueryClient): Promise<void> {
  await Promise.all(figures.map(key => queries.invalidateQueries({ queryKey: [key] })));
}

/** Figures, and those of messages of any status: whoever chooses one still sees how many the others have. */
export type Figures = Summary & { readonly ofAny: Summary };

/** The view without what it asks of the status; `undefined` when it asks nothing. */
function ofAnyStatus(view: View): View | undefined {
  if (view.conditions.generalStatus === undefined && view.not.generalStatus === undefined) return undefined;
  return only(view, 'generalStatus', []);
}

/** Figures of what is asked for, and of the time that it is compared with; renewed while the view is live. */
export function useSummary() {
  const { api, view, asked, known } = usePage();
  const comparison = comparisonOf(view);
  return useQuery({
    queryKey: ['summary', asked.viewKey, comparison],
    queryFn: ({ signal }) =>
      askedByClock(comparison, async (asked): Promise<Figures> => {
        const atMs = nowMs();
        const any = ofAnyStatus(view);
        const [own, ofAny] = await Promise.all([
          api.client.summary(filterOf(view, atMs), { buckets, ...asked, signal }),
          any && api.client.summary(filterOf(any, atMs), { buckets: 1, ...asked, signal }),
        ]);
        known.seeFigures(own);
        return { ...own, ofAny: ofAny ?? own };
      }),
    placeholderData: keepPreviousData,
    refetchInterval: view.live && isOpenEnded(view.range) ? refreshEveryMs : false,
  });
}

/** The same, broken down. Apart, since it takes longer. */
export function useBreakdown(name: BreakdownName) {
  const { api, view, asked, known } = usePage();
  const comparison = comparisonOf(view);
  return useQuery({
    queryKey: ['breakdown', asked.viewKey, comparison, name],
    queryFn: ({ signal }) => {
      const by = fieldsOf(name);
      return askedByClock(comparison, async asked => {
        const terms = { buckets: 1, ...asked, by, first: breakdownRows, signal };
        const figures = await api.client.summary(filterOf(view, nowMs()), terms);
        known.seeFigures(figures);
        return figures;
      });
    },
    refetchInterval: view.live && isOpenEnded(view.range) ? refreshEveryMs : false,
  });
}

const breakdownFields = ['error', 'sender', 'campaignReferenceId', 'applicationId', 'entityId'] as const;

export function fieldsOf(name: BreakdownName): readonly BreakdownField[] {
  return name.split(',').flatMap(one => breakdownFields.filter(field => field === one));
}
