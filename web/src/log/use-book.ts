import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import type { Log } from '../../../src/client/index.ts';
import { troubleOf } from '../api/trouble.ts';
import { type Asked, type Page, usePage } from '../page-context.ts';
import { isOpenEnded } from '../view/range.ts';
import { useInSight } from '../view/use-in-sight.ts';
import { countedAs, isOneOfErrors, unchanging } from '../view/view.ts';
import { LogBook } from './book.ts';
import { type FeedState, follow, type Place } from './feed.ts';
import { paced } from './paced.ts';
import { renewFigures } from './use-summary.ts';

/** The first page is on screen soon; whoever scrolls on should not have to wait, nor use up the limit of requests. */
const firstPageLogs = 200;
const pageLogs = 1000;
const streamWaitMs = 300;

/** Whether a message still has what is asked for of what reports change. */
function keepsOf({ conditions, not }: Asked): (log: Log) => boolean {
  return ({ status, error }) => {
    const group = countedAs(status);
    return (
      conditions.generalStatus?.includes(group) !== false &&
      not.generalStatus?.includes(group) !== true &&
      (conditions.error === undefined || isOneOfErrors(error, conditions.error)) &&
      not.error?.some(one => isOneOfErrors(error, [one])) !== true
    );
  };
}

function createBook({ api, decimals, known }: Page, asked: Asked, queries: QueryClient): LogBook {
  const fetchPage = async (cursor: string | undefined) => {
    const query = { ...asked.filter, limit: cursor === undefined ? firstPageLogs : pageLogs, useCursor: true, cursor };
    const page = await queries.fetchQuery({
      queryKey: ['page', asked.id, cursor ?? ''],
      queryFn: ({ signal }) => api.client.logs(query, { signal }),
      gcTime: 0,
    });
    for (const log of page.results) {
      decimals.see(log.price);
      known.see(log);
    }
    return page;
  };
  return new LogBook(fetchPage, keepsOf(asked));
}

/** The rows of what is asked for, and how the stream that brings more of them is doing. */
export function useBook(onSignedOut: () => void): { readonly book: LogBook; readonly feed: FeedState | 'off' } {
  const page = usePage();
  const { asked, reload } = page;
  const queries = useQueryClient();
  const pageRef = useRef(page);
  pageRef.current = page;
  const book = useMemo(() => createBook(pageRef.current, asked, queries), [asked, queries]);
  useSyncExternalStore(book.subscribe, book.version);
  useEffect(() => {
    return () => void queries.cancelQueries({ queryKey: ['page', asked.id] });
  }, [asked.id, queries]);
  const { stale } = book;
  useEffect(() => {
    if (stale) reload();
  }, [stale, reload]);
  return { book, feed: useFeed(book, onSignedOut) };
}

/** Follows the stream while the view is live; a message that changes is read anew where it stands open. */
function useFeed(book: LogBook, onSignedOut: () => void): FeedState | 'off' {
  const { api, view, asked, reload, decimals, known } = usePage();
  const queries = useQueryClient();
  const [state, setState] = useState<FeedState>('connecting');
  const live = view.live && isOpenEnded(view.range);
  const inSight = useInSight();
  // A browser opens six connections to one server for all its tabs together: a tab that nobody sees gives its stream up,
  // and goes on where it was when it is seen again.
  const place = useMemo<Place>(() => {
    void book;
    return { opened: false, lastEventId: undefined };
  }, [book]);
  const catchUp = useCatchUp(book);
  useEffect(() => {
    if (!live || !inSight) return book.begin();
    const ending = new AbortController();
    const wasPaused = book.begun;
    // What leaves the status asked for is news too: the row on screen has to say so.
    const filter = unchanging(asked.filter);
    // They stand above the rows, and are of the same messages.
    const figures = paced(() => renewFigures(queries));
    const listener = {
      onLog: (log: Log) => {
        decimals.see(log.price);
        known.see(log);
        book.take(log);
        void readAgain(queries, log.messageId);
        figures.ask();
      },
      onOpen: () => {
        if (wasPaused) reload();
        else if (book.begun) void catchUp(ending.signal).then(isNews => isNews && figures.ask());
        else book.begin();
      },
      onReset: reload,
      onState: (next: FeedState) => {
        setState(next);
        if (next !== 'live') book.begin();
      },
      onRefused: (error: unknown) => {
        if (troubleOf(error).kind === 'signed-out') onSignedOut();
      },
    };
    setState('connecting');
    void follow(api, filter, listener, place, ending.signal);
    // The rows are asked for once the stream runs, so that nothing falls between; a slow stream is not waited for.
    const timer = setTimeout(() => book.begin(), streamWaitMs);
    return () => {
      clearTimeout(timer);
      figures.end();
      ending.abort();
    };
  }, [live, inSight, api, asked, book, place, queries, reload, decimals, known, catchUp, onSignedOut]);
  return live ? state : 'off';
}

/** A first reading that is under way would be kept, though it may show the message as it was: it is given up. */
async function readAgain(queries: QueryClient, messageId: string): Promise<void> {
  const queryKey = ['message', messageId];
  await queries.cancelQueries({ queryKey });
  await queries.invalidateQueries({ queryKey });
}

const catchUpLogs = 100;

/** Takes in what was recorded after the walk began and before the stream did; tells whether there was any. */
function useCatchUp(book: LogBook): (signal: AbortSignal) => Promise<boolean> {
  const { api, asked, reload } = usePage();
  const queries = useQueryClient();
  return useCallback(
    async signal => {
      await started(book, signal);
      // As a walk, which begins with all there is at that moment; a single page may be of a moment before.
      const query = { ...asked.filter, limit: catchUpLogs, useCursor: true };
      const results = await queries
        .fetchQuery({
          queryKey: ['page', asked.id, 'catch-up'],
          queryFn: async () => (await api.client.logs(query, { signal })).results,
          gcTime: 0,
        })
        // What does not pass with time has been refused to the walk as well, which shows it.
        .catch(() => []);
      if (signal.aborted) return false;
      const fresh = results.toReversed().filter(log => book.take(log));
      if (fresh.length === catchUpLogs) reload();
      return fresh.length > 0;
    },
    [api, asked, book, queries, reload],
  );
}

function started(book: LogBook, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const check = () => {
      if (!book.walk.started && !signal.aborted) return;
      unsubscribe();
      resolve();
    };
    const unsubscribe = book.subscribe(check);
    signal.addEventListener('abort', check);
    check();
  });
}
