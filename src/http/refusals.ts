type Logger = { warn(detail: object, message: string): void };

/** How often a reason is told of, however many requests are refused for it. */
const againMs = 10_000;
/** Reasons that are told apart at a time. */
const reasonsMax = 100;

type Told = { atMs: number; untold: number };

/**
 * Tells the operator of requests that could not be served: one line for each reason at once, and then how many there were
 * of it meanwhile. A database that is away would else fill the log with the same words, a stack for each request.
 */
export class Refusals {
  readonly #told = new Map<string, Told>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  tell(cause: unknown, logger: Logger): void {
    const reason = cause instanceof Error ? cause.message : String(cause ?? 'too much is asked at once');
    // One that counts, or names a moment, is the same reason.
    const kind = reason.replaceAll(/\d+/g, '#');
    const nowMs = this.#nowMs();
    const told = this.#told.get(kind);
    if (told !== undefined && nowMs - told.atMs < againMs) {
      told.untold++;
      return;
    }
    const more = told?.untold ?? 0;
    this.#told.delete(kind);
    if (this.#told.size === reasonsMax) for (const [oldest] of this.#told.entries().take(1)) this.#told.delete(oldest);
    this.#told.set(kind, { atMs: nowMs, untold: 0 });
    logger.warn({ reason, ...(more > 0 && { more }) }, 'a request could not be served');
  }
}
