import { ConnectionError, SentlogError } from './errors.ts';

/** How often, and after which pauses, a call is made again that failed for the moment only. */
export type RetryOptions = {
  /** All attempts, the first among them. */
  readonly attemptsMax?: number;
  /** A server that asks for a longer pause is not waited for. */
  readonly pauseMaxMs?: number;
  /** Told before each pause. */
  readonly onRetry?: (error: Error, pauseMs: number) => void;
  readonly wait?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
};

const attemptsMaxDefault = 6;
/** Longer than the window of any rate limit of the API. */
const pauseMaxMsDefault = 90_000;
const firstPauseMs = 500;

/** Tries again after 429, 503 and a lost connection. Only for calls that may be made twice. */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  options: RetryOptions = {},
  signal?: AbortSignal,
): Promise<T> {
  const { attemptsMax = attemptsMaxDefault, pauseMaxMs = pauseMaxMsDefault, wait = waitFor } = options;
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isPassing(error) || attempts >= attemptsMax) throw error;
      const pauseMs = pauseBefore(error, attempts);
      if (pauseMs > pauseMaxMs) throw error;
      options.onRetry?.(error, pauseMs);
      await wait(pauseMs, signal);
    }
  }
}

/** What may be over when it is tried again: a limit, a server or proxy that cannot serve now, a lost connection. */
export function isPassing(error: unknown): error is SentlogError | ConnectionError {
  return (
    error instanceof ConnectionError || (error instanceof SentlogError && [429, 502, 503, 504].includes(error.status))
  );
}

export function retryAfterOf(error: SentlogError | ConnectionError): number | undefined {
  return error instanceof SentlogError ? error.retryAfterMs : undefined;
}

/** What the server asked for; else twice as long each time, and not the same for every client. */
export function pauseBefore(error: SentlogError | ConnectionError, attempts: number): number {
  return retryAfterOf(error) ?? firstPauseMs * 2 ** (attempts - 1) * (0.5 + Math.random() / 2);
}

export function waitFor(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
