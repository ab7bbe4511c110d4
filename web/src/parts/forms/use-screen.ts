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

/** Whether there is room for a chart above the rows, and for many of these. */
export function isRoomy(): boolean {
  return matchMedia('(min-width: 1180px) and (min-height: 700px)').matches;
}

let tallestPx: number | undefined;

/** How many rows of a height fit into the tallest element that this browser can lay out. */
export function rowsMaxOf(rowPx: number): number {
  if (tallestPx === undefined) {
    const probe = document.createElement('div');
    probe.style.cssText = 'position: absolute; visibility: hidden; height: 100000000px';
    document.body.append(probe);
    tallestPx = probe.offsetHeight;
    probe.remove();
  }
  // Some room for what stands above and below the rows.
  return Math.floor(tallestPx / rowPx) - 100;
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
