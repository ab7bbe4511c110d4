/**
 * A question to a thread that many ask at once: who asks while it is open waits for the same answer, which comes after
 * everything that the thread answered before.
 */
export class SharedQuestion {
  readonly #ask: () => Promise<unknown>;
  #open: Promise<void> | undefined;

  constructor(ask: () => Promise<unknown>) {
    this.#ask = ask;
  }

  /** Resolves when it is answered or cannot be, at the latest after so long; rejects with the signal's reason. */
  async settled(withinMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const close = () => {
      this.#open = undefined;
    };
    this.#open ??= this.#ask().then(close, close);
    const { promise: over, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, withinMs);
    const giveUp = () => reject(signal?.reason);
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      await Promise.race([this.#open, over]);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
    }
  }
}
