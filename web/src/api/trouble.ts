import { ConnectionError, SentlogError, UnexpectedAnswer } from '../../../src/client/index.ts';

/** What a failed call means for whoever looks. */
export type Trouble =
  | { readonly kind: 'signed-out' | 'forbidden' | 'gone' }
  | { readonly kind: 'rate-limited'; readonly retryAfterMs: number }
  | { readonly kind: 'failed'; readonly reason: string };

const retryAfterDefaultMs = 5000;

export function troubleOf(error: unknown): Trouble {
  if (error instanceof ConnectionError) return { kind: 'gone' };
  if (error instanceof UnexpectedAnswer) return { kind: 'failed', reason: error.message };
  if (!(error instanceof SentlogError))
    return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
  if (error.status === 401) return { kind: 'signed-out' };
  if (error.status === 403) return { kind: 'forbidden' };
  if (error.status === 429) return { kind: 'rate-limited', retryAfterMs: error.retryAfterMs ?? retryAfterDefaultMs };
  if ([502, 503, 504].includes(error.status)) return { kind: 'gone' };
  return { kind: 'failed', reason: error.message };
}

export function isPassing(error: unknown): boolean {
  const { kind } = troubleOf(error);
  return kind === 'gone' || kind === 'rate-limited';
}

const firstPauseMs = 500;
const pauseMaxMs = 5000;

/** How long to wait before trying again for the n-th time, counted from 0. */
export function pauseMs(attempt: number, error: unknown): number {
  const trouble = troubleOf(error);
  if (trouble.kind === 'rate-limited') return trouble.retryAfterMs;
  return Math.min(firstPauseMs * 2 ** attempt, pauseMaxMs);
}
