import { isRecord, parseJson } from '../../../src/client/errors.ts';
import type { Log, LogsFilter } from '../../../src/client/index.ts';
import type { Api } from '../api/api.ts';
import { serverEvents } from '../api/events.ts';
import { isPassing, pauseMs } from '../api/trouble.ts';

export type FeedState = 'connecting' | 'live' | 'lost' | 'refused';

export type FeedListener = {
  readonly onLog: (log: Log) => void;
  /** Connected for the first time: what happens from now on comes. */
  readonly onOpen: () => void;
  /** Something may have been missed: the view has to be asked for anew. */
  readonly onReset: () => void;
  readonly onState: (state: FeedState) => void;
  readonly onRefused: (error: unknown) => void;
};

/** The server speaks every 15 seconds; a connection that is silent for longer is a dead one. */
const silenceMaxMs = 40_000;

function isLog(value: unknown): value is Log {
  return isRecord(value) && typeof value.messageId === 'string' && isRecord(value.status);
}

/** The last event that was taken in, for whoever goes on after it. */
export type Place = { opened: boolean; lastEventId: string | undefined };

/** Follows the stream from `place` until `signal` ends it, across lost connections. */
export async function follow(
  api: Api,
  filter: LogsFilter,
  listener: FeedListener,
  place: Place,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    let failure: unknown;
    try {
      for await (const event of connect(api, filter, place, listener, signal)) {
        attempt = 0;
        if (event.event === 'reset') return listener.onReset();
        const log = event.event === 'log' ? parseJson(event.data) : undefined;
        if (isLog(log)) listener.onLog(log);
        if (event.id !== undefined) place.lastEventId = event.id;
      }
    } catch (error) {
      if (signal.aborted) return;
      failure = error;
      if (isFinal(error)) {
        listener.onState('refused');
        return listener.onRefused(error);
      }
    }
    if (signal.aborted) return;
    listener.onState('lost');
    await pause(pauseMs(attempt, failure), signal);
  }
}

/** A refusal that stays one. What breaks off in the middle of the stream is a lost connection. */
function isFinal(error: unknown): boolean {
  return error instanceof Error && 'status' in error && !isPassing(error);
}

async function* connect(api: Api, filter: LogsFilter, place: Place, listener: FeedListener, signal: AbortSignal) {
  const silence = new AbortController();
  const expire = () => silence.abort(new Error('the stream has gone silent'));
  let timer = setTimeout(expire, silenceMaxMs);
  const beat = () => {
    clearTimeout(timer);
    timer = setTimeout(expire, silenceMaxMs);
  };
  try {
    const either = AbortSignal.any([signal, silence.signal]);
    const response = await api.stream(filter, place.lastEventId, either);
    listener.onState('live');
    if (!place.opened) listener.onOpen();
    else if (place.lastEventId === undefined) listener.onReset();
    place.opened = true;
    if (response.body !== null) yield* serverEvents(response.body, beat);
  } finally {
    clearTimeout(timer);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
