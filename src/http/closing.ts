import type { Readable } from 'node:stream';

/**
 * What the end of the server means for requests that could go on for ever: uploads and exports under way get
 * `closingMs` to finish, then they are cut.
 */
export class Closing {
  readonly #begun = new AbortController();
  readonly #cut = new AbortController();
  readonly #closingMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(closingMs: number) {
    this.#closingMs = closingMs;
  }

  /** No further request is taken. */
  get begun(): boolean {
    return this.#begun.signal.aborted;
  }

  /** For what need not be finished: aborts as soon as no further request is taken. */
  get beginning(): AbortSignal {
    return this.#begun.signal;
  }

  /** The time for what is under way is over. */
  get over(): AbortSignal {
    return this.#cut.signal;
  }

  begin(): void {
    this.#begun.abort(new Error('the server is closing'));
    this.#timer ??= setTimeout(() => this.#cut.abort(new Error('the server is closing')), this.#closingMs);
  }

  /** Everything under way is done. */
  end(): void {
    clearTimeout(this.#timer);
  }

  /** Destroys a stream when the time is over, so that its reader sees that it was cut short. */
  cut(stream: Readable): void {
    const destroy = () => stream.destroy(new Error('the server is closing'));
    this.#cut.signal.addEventListener('abort', destroy, { once: true });
    stream.once('close', () => this.#cut.signal.removeEventListener('abort', destroy));
  }
}
