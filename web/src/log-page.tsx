import { useQueryClient } from '@tanstack/react-query';
import { Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { Api } from './api/api.ts';
import { nowMs } from './api/server-clock.ts';
import { useBook } from './log/use-book.ts';
import { useNews } from './log/use-news.ts';
import { renewFigures } from './log/use-summary.ts';
import { type Asked, type Page, PageContext, usePage } from './page-context.ts';
import { later } from './parts/forms/later.tsx';
import { Banner } from './parts/frame/banner.tsx';
import { Header } from './parts/frame/header.tsx';
import { Drawer } from './parts/message/drawer.tsx';
import { Overview } from './parts/overview/overview.tsx';
import { FilterBar } from './parts/search/filter-bar.tsx';
import { LogTable } from './parts/table/log-table.tsx';
import { TableBar } from './parts/table/table-bar.tsx';
import { useColumns } from './parts/table/use-columns.ts';
import { useSteadyClicks } from './parts/table/use-steady-clicks.ts';
import { searchOf } from './view/address.ts';
import { KnownValues } from './view/known-values.ts';
import { Decimals } from './view/money.ts';
import { isOver } from './view/range.ts';
import { useView } from './view/use-view.ts';
import { filterOf } from './view/view.ts';
import { localZone } from './view/zone.ts';

const Sources = later(async () => (await import('./parts/sources/sources.tsx')).Sources);
const Access = later(async () => (await import('./parts/access/access.tsx')).Access);
const Help = later(async () => (await import('./parts/frame/help.tsx')).Help);

const overCheckEveryMs = 5000;

function useAsked(): Omit<Page, 'api' | 'decimals' | 'known'> {
  const [view, change] = useView();
  const [epoch, setEpoch] = useState(0);
  const { conditions, not, range, zone } = view;
  // Only a day depends on whose clock it is read by.
  const asOf = 'last' in range && range.last === 'today' ? zone : localZone;
  const viewKey = searchOf({ conditions, not, range, zone: asOf, live: true });
  const queries = useQueryClient();
  const reload = useCallback(() => {
    setEpoch(last => last + 1);
    void renewFigures(queries);
  }, [queries]);
  const latest = useRef(view);
  latest.current = view;
  const asked = useMemo<Asked>(() => {
    const { conditions, not, range, zone } = latest.current;
    const atMs = nowMs();
    return {
      id: `${epoch} ${viewKey}`,
      atMs,
      viewKey,
      filter: filterOf({ conditions, not, range, zone }, atMs),
      conditions,
      not,
    };
  }, [epoch, viewKey]);
  useEffect(() => {
    if (!view.live) return;
    // Figures move on with the time: rows of yesterday are not to stay beside those of a new day.
    const timer = setInterval(() => {
      if (isOver(latest.current, asked.atMs, nowMs())) reload();
    }, overCheckEveryMs);
    return () => clearInterval(timer);
  }, [view.live, asked, reload]);
  return { view, change, asked, reload };
}

export function LogPage({ api, onEnd }: { readonly api: Api; readonly onEnd: (notice?: string) => void }) {
  const asked = useAsked();
  const [{ decimals, known }] = useState(() => ({ decimals: new Decimals(), known: new KnownValues() }));
  const page = useMemo<Page>(
    () => ({ api, decimals, known, view: asked.view, change: asked.change, asked: asked.asked, reload: asked.reload }),
    [api, decimals, known, asked.view, asked.change, asked.asked, asked.reload],
  );
  return (
    <PageContext value={page}>
      <Rooms onEnd={onEnd} />
    </PageContext>
  );
}

function Rooms({ onEnd }: { readonly onEnd: (notice?: string) => void }) {
  const { api, view } = usePage();
  const signedOut = useCallback(() => onEnd(api.whyEnded()), [api, onEnd]);
  const { book, feed } = useBook(signedOut);
  const [helping, setHelping] = useState(false);
  const columns = useColumns();
  useNews(book);
  useShortcuts(() => setHelping(true));
  useSteadyClicks();
  return (
    <div className="rooms">
      {view.room === undefined && (
        <a className="skip" href="#log">
          Skip to the messages
        </a>
      )}
      <Header onEnd={onEnd} onHelp={() => setHelping(true)} />
      <Banner lost={feed === 'lost'} />
      <Suspense>
        {view.room === 'sources' && <Sources />}
        {view.room === 'access' && <Access />}
      </Suspense>
      {view.room === undefined && (
        <>
          <main>
            <FilterBar feed={feed} />
            <Overview />
            <TableBar book={book} columns={columns} />
            <LogTable book={book} columns={columns.shown} />
          </main>
          <Drawer />
        </>
      )}
      <Suspense>{helping && <Help onClose={() => setHelping(false)} />}</Suspense>
    </div>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, select, dialog') !== null;
}

/** `/` and `?`, wherever nobody is typing. */
function useShortcuts(onHelp: () => void) {
  const help = useRef(onHelp);
  help.current = onHelp;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key === '?') help.current();
      else if (event.key === '/') {
        event.preventDefault();
        document.getElementById('search')?.focus();
      }
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
}
