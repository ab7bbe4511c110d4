import { useSyncExternalStore } from 'react';

const query = '(max-width: 720px)';

function subscribe(listener: () => void): () => void {
  const media = matchMedia(query);
  media.addEventListener('change', listener);
  return () => media.removeEventListener('change', listener);
}

/** Whether rows stand as cards: the screen is too narrow for columns. */
export function useNarrow(): boolean {
  return useSyncExternalStore(subscribe, () => matchMedia(query).matches);
}

function subscribeToSize(listener: () => void): () => void {
  addEventListener('resize', listener);
  return () => removeEventListener('resize', listener);
}

/** What a `rem` is in pixels, for what is laid out by number. */
export function useRemPx(): number {
  return useSyncExternalStore(subscribeToSize, () =>
    Number.parseFloat(getComputedStyle(document.documentElement).fontSize),
  );
}
