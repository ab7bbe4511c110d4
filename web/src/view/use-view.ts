import { useCallback, useMemo, useSyncExternalStore } from 'react';
import { searchOf, viewOf } from './address.ts';
import type { View } from './view.ts';

const changed = 'sentlog:view';

function subscribe(listener: () => void): () => void {
  addEventListener('popstate', listener);
  addEventListener(changed, listener);
  return () => {
    removeEventListener('popstate', listener);
    removeEventListener(changed, listener);
  };
}

export type ChangeView = (change: (view: View) => View, options?: { readonly replace?: boolean }) => void;

/** The view that the address bar names. A change is a step in the browser's history unless it replaces the last one. */
export function useView(): readonly [View, ChangeView] {
  const search = useSyncExternalStore(subscribe, () => location.search);
  const view = useMemo(() => viewOf(search), [search]);
  const change = useCallback<ChangeView>((next, { replace = false } = {}) => {
    const url = `${location.pathname}${searchOf(next(viewOf(location.search)))}`;
    if (url === location.pathname + location.search) return;
    if (replace) history.replaceState(null, '', url);
    else history.pushState(null, '', url);
    dispatchEvent(new Event(changed));
  }, []);
  return [view, change];
}
