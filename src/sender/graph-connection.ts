import type { IncomingHttpHeaders } from 'node:http';
import { Client, type Dispatcher } from 'undici';

/** How a connection is kept between two requests, in milliseconds. */
export const kept = {
  /** Where the other side does not say how long it keeps one. */
  idleMax: 15_000,
  /** So much sooner than it says a connection is given up: a request is under way for a while, and its reader may be late. */
  sooner: 2000,
};

export type ConnectionDeps = {
  /** Milliseconds of a clock that nobody puts. */
  readonly now: () => number;
  /** Sends a request of which nothing was written over whatever connection there is. */
  readonly again: (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => unknown;
};

/**
 * A connection that writes no request where the other side may have closed by then: whether that is read, or what was
 * written before it, nobody could tell. A timer does not say so of a process that had no processor for seconds, and its
 * answer may have waited just as long to be read: the time counts from when the request before was written.
 */
export class GraphConnection extends Client {
  readonly #deps: ConnectionDeps;
  /** When the last request was written to the connection that stands; `undefined` when none was. */
  #writtenAtMs: number | undefined;
  #keptMs = kept.idleMax;

  constructor(origin: URL, options: Client.Options, deps: ConnectionDeps) {
    super(origin, options);
    this.#deps = deps;
    this.on('connect', () => {
      this.#writtenAtMs = undefined;
      this.#keptMs = kept.idleMax;
    });
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    let isStale = false;
    return super.dispatch(options, {
      onRequestStart: (controller, context) => {
        const nowMs = this.#deps.now();
        isStale = this.#writtenAtMs !== undefined && nowMs - this.#writtenAtMs >= this.#keptMs;
        // Nothing of the request is written, and the connection is closed.
        if (isStale) return controller.abort(new Error('the connection may have been closed'));
        this.#writtenAtMs = nowMs;
        handler.onRequestStart?.(controller, context);
      },
      onResponseStart: (controller, httpStatus, headers, message) => {
        this.#keptMs = keptMsOf(headers);
        handler.onResponseStart?.(controller, httpStatus, headers, message);
      },
      onResponseData: (controller, part) => handler.onResponseData?.(controller, part),
      onResponseEnd: (controller, trailers) => handler.onResponseEnd?.(controller, trailers),
      onResponseError: (controller, error) => {
        // The connection ends when whoever called this has returned.
        if (isStale) queueMicrotask(() => this.#deps.again(options, handler));
        else handler.onResponseError?.(controller, error);
      },
    });
  }
}

function keptMsOf(headers: IncomingHttpHeaders): number {
  const seconds = /\btimeout=(\d+)/i.exec(String(headers['keep-alive'] ?? ''))?.[1];
  return seconds === undefined ? kept.idleMax : Math.min(kept.idleMax, 1000 * Number(seconds) - kept.sooner);
}
