import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { GroupCounts } from '../../../src/client/index.ts';
import { apartMs, nowMs } from '../api/server-clock.ts';
import { usePage } from '../page-context.ts';
import { countText, msOf } from '../view/format.ts';
import { isOpenEnded } from '../view/range.ts';
import { useInSight } from '../view/use-in-sight.ts';
import { failedGroups, filterOf } from '../view/view.ts';
import type { LogBook } from './book.ts';

const refreshEveryMs = 5000;

/** What came while nobody saw the tab stands in its title: how much, and how much of it failed. */
export function useNews(book: LogBook): void {
  const { api, view, asked } = usePage();
  const inSight = useInSight();
  const [sinceMs, setSinceMs] = useState<number>();
  useEffect(() => {
    const newest = book.row(0)?.sentAt;
    const newestMs = newest === undefined ? undefined : msOf(newest);
    const atMs = nowMs();
    // Some are dated well ahead of now: they are not to hide what comes before them.
    const isSeen = newestMs !== undefined && newestMs < atMs + apartMs;
    setSinceMs(inSight ? undefined : isSeen ? newestMs + 1 : atMs);
  }, [book, inSight]);
  const { data } = useQuery({
    queryKey: ['news', asked.viewKey, sinceMs],
    queryFn: ({ signal }) => {
      const filter = { ...filterOf(view, nowMs()), sentSince: new Date(sinceMs ?? nowMs()) };
      return api.client.summary(filter, { buckets: 1, signal });
    },
    enabled: sinceMs !== undefined && view.live && isOpenEnded(view.range),
    gcTime: 0,
    refetchInterval: refreshEveryMs,
    refetchIntervalInBackground: true,
  });
  const news = sinceMs === undefined ? undefined : newsText(data?.total, data?.groups);
  useEffect(() => {
    document.title = news === undefined ? 'sentlog' : `(${news}) sentlog`;
    return () => {
      document.title = 'sentlog';
    };
  }, [news]);
}

function newsText(total = 0, groups?: GroupCounts): string | undefined {
  if (total === 0) return undefined;
  const failed = failedGroups.reduce((sum, name) => sum + (groups?.[name] ?? 0), 0);
  return `${countText(total)} new${failed === 0 ? '' : `, ${countText(failed)} failed`}`;
}
