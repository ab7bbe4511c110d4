import type { Log, LogsFilter } from '../../../src/client/index.ts';
import type { Api } from '../api/api.ts';
import { troubleOf } from '../api/trouble.ts';

export type FeedState = 'connecting' | 'live' | 'lost' | 'limited' | 'refused';

export type FeedListener = {
  readonly onLog: (log: Log) => void;
  /** Connected for the first time: what happens from now on comes. */
  readonly onOpen: () => void;
  /** Something may have been missed: the view has to be asked for anew. */
  readonly onReset: () => void;
  readonly onState: (state: FeedState) => void;
  readonly onRefused: (error: unknown) => void;
};

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
  const onRetry = (error: Error) => listener.onState(troubleOf(error).kind === 'rate-limited' ? 'limited' : 'lost');
  const { lastEventId } = place;
  try {
    for await (const event of api.withRetry({ onRetry }).stream(filter, { lastEventId, signal })) {
      if (event.kind === 'reset') return listener.onReset();
      if (event.kind === 'log') listener.onLog(event.log);
      else listener.onState('live');
      place.lastEventId = event.id ?? place.lastEventId;
      if (!place.opened) listener.onOpen();
      place.opened = true;
    }
  } catch (error) {
    if (signal.aborted) return;
    listener.onState('refused');
    listener.onRefused(error);
  }
}
