import { isLog } from './answers.ts';
import { ConnectionError, parseJson, UnexpectedAnswer } from './errors.ts';
import { type ServerEvent, serverEvents } from './events.ts';
import { isPassing, pauseBefore, type RetryOptions, retryAfterOf, waitFor } from './retry.ts';
import type { Log } from './types.ts';

/** What the stream of logs tells. `id` is where to go on from once this was taken in. */
export type StreamEvent =
  /** A new or changed log; `text` is its JSON as it came, in which no number, key or order is changed by reading it. */
  | { readonly kind: 'log'; readonly id: string | undefined; readonly log: Log; readonly text: string }
  /** What came meanwhile cannot be told any more: what was read before has to be read again. */
  | { readonly kind: 'reset'; readonly id: string | undefined }
  /** The connection stands, and nothing that matches lies before this place. The first event of each connection. */
  | { readonly kind: 'place'; readonly id: string | undefined };

export type FollowOptions = {
  readonly lastEventId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How long the server may say nothing: it speaks every 15 seconds. */
  readonly silenceMaxMs?: number | undefined;
  /** `attemptsMax` counts attempts without an event between them, and has no bound when it is absent. */
  readonly retry: RetryOptions;
};

export type Connect = (lastEventId: string | undefined, signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>;

const silenceMaxMsDefault = 40_000;
const pauseMaxMs = 5000;

/** Follows a stream across lost connections, going on where it was, until `signal` ends it or the server refuses. */
export async function* follow(connect: Connect, options: FollowOptions): AsyncGenerator<StreamEvent, void, undefined> {
  const { signal, retry } = options;
  let { lastEventId } = options;
  for (let failures = 0; ; ) {
    let failure: unknown = new ConnectionError('the server ended the stream');
    try {
      for await (const event of connection(connect, { ...options, lastEventId })) {
        failures = 0;
        lastEventId = event.id ?? lastEventId;
        yield event;
      }
    } catch (error) {
      failure = error;
    }
    signal?.throwIfAborted();
    failures++;
    if (!isPassing(failure) || failures >= (retry.attemptsMax ?? Number.POSITIVE_INFINITY)) throw failure;
    const pauseMs = retryAfterOf(failure) ?? Math.min(pauseBefore(failure, failures), pauseMaxMs);
    retry.onRetry?.(failure, pauseMs);
    await (retry.wait ?? waitFor)(pauseMs, signal);
  }
}

async function* connection(
  connect: Connect,
  { lastEventId, signal, silenceMaxMs = silenceMaxMsDefault }: FollowOptions,
): AsyncGenerator<StreamEvent, void, undefined> {
  const ending = new AbortController();
  const stop = () => ending.abort(signal?.reason);
  // Only while something is waited for: a caller may take its time with an event.
  const waiting = async <T>(work: Promise<T>): Promise<T> => {
    const silent = () => ending.abort(new ConnectionError('the server has gone silent'));
    const timer = setTimeout(silent, silenceMaxMs);
    try {
      return await work;
    } catch (error) {
      ending.signal.throwIfAborted();
      if (isPassing(error)) throw error;
      throw error instanceof TypeError ? new ConnectionError('the stream broke off', { cause: error }) : error;
    } finally {
      clearTimeout(timer);
    }
  };
  signal?.throwIfAborted();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const body = await waiting(connect(lastEventId, ending.signal));
    for await (const event of serverEvents(body, waiting)) yield readEvent(event);
  } finally {
    signal?.removeEventListener('abort', stop);
    ending.abort();
  }
}

function readEvent({ event, data, id }: ServerEvent): StreamEvent {
  if (event === 'reset') return { kind: 'reset', id };
  if (event !== 'log') return { kind: 'place', id };
  const log = parseJson(data);
  if (!isLog(log)) throw new UnexpectedAnswer('a log');
  return { kind: 'log', id, log, text: data };
}
