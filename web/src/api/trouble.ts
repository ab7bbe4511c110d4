import { SentlogError } from '../../../src/client/index.ts';
import { isPassing } from '../../../src/client/retry.ts';

/** What a failed call means for whoever looks. */
export type Trouble =
  | { readonly kind: 'signed-out' | 'forbidden' | 'gone' }
  | { readonly kind: 'rate-limited'; readonly retryAfterMs: number }
  | { readonly kind: 'failed'; readonly reason: string };

const retryAfterDefaultMs = 5000;

export function troubleOf(error: unknown): Trouble {
  if (isPassing(error))
    return error instanceof SentlogError && error.status === 429
      ? { kind: 'rate-limited', retryAfterMs: error.retryAfterMs ?? retryAfterDefaultMs }
      : { kind: 'gone' };
  if (error instanceof SentlogError && error.status === 401) return { kind: 'signed-out' };
  if (error instanceof SentlogError && error.status === 403) return { kind: 'forbidden' };
  return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
}

const firstPauseMs = 500;
const pauseMaxMs = 5000;

/** How long to wait before trying again for the n-th time, counted from 0. */
export function pauseMs(attempt: number, error: unknown): number {
  const trouble = troubleOf(error);
  if (trouble.kind === 'rate-limited') return trouble.retryAfterMs;
  return Math.min(firstPauseMs * 2 ** attempt, pauseMaxMs);
}

export type Way = 'key' | 'password';

/** Why somebody cannot sign in, in words. */
export function refusalToSignIn(error: unknown, way: Way): string {
  const trouble = troubleOf(error);
  switch (trouble.kind) {
    case 'signed-out':
      return way === 'key' ? 'This key is not known, or no longer valid.' : 'The user name or the password is wrong.';
    case 'forbidden':
      return 'This is valid, but may not read the log. It needs the scope messenger:logs:read.';
    case 'rate-limited':
      return `Too many attempts. Try again in ${Math.ceil(trouble.retryAfterMs / 1000)} s.`;
    case 'gone':
      return 'The server does not answer. Try again when it is back.';
    case 'failed':
      return trouble.reason;
  }
}

/** Why an export was refused or broke off, in words; `whyEnded` says it where nobody is signed in any more. */
export function refusalToExport(error: unknown, whyEnded: string): string {
  const trouble = troubleOf(error);
  switch (trouble.kind) {
    case 'signed-out':
      return `${whyEnded} Sign in again to export.`;
    case 'forbidden':
      return 'This key may not export.';
    case 'rate-limited':
      return `Too many requests: try again in ${Math.ceil(trouble.retryAfterMs / 1000)} s.`;
    case 'gone':
      return 'The server does not answer.';
    case 'failed':
      return trouble.reason;
  }
}
