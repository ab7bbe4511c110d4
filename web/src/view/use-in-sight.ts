import { useSyncExternalStore } from 'react';

function subscribe(listener: () => void): () => void {
  document.addEventListener('visibilitychange', listener);
  return () => document.removeEventListener('visibilitychange', listener);
}

/** Whether anybody sees this tab. */
export function useInSight(): boolean {
  return useSyncExternalStore(subscribe, () => document.visibilityState === 'visible');
}
