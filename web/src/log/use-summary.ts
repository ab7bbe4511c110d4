import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { usePage } from '../page-context.ts';
import { filterOf, isOpenEnded } from '../view/view.ts';

const buckets = 60;
const refreshEveryMs = 5000;

/** Figures of what is asked for; renewed while the view is live. */
export function useSummary() {
  const { api, view, asked } = usePage();
  return useQuery({
    queryKey: ['summary', asked.viewKey],
    queryFn: ({ signal }) => api.client.summary(filterOf(view, Date.now()), { buckets, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: view.live && isOpenEnded(view.range) ? refreshEveryMs : false,
  });
}
