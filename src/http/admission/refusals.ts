type Logger = { warn(detail: object, message: string): void };

/** How often a reason is told of, however many requests are refused for it. */
const againMs = 10_000;
/** Reasons that are told apart at a time. */
const reasonsMax = 100;

const message = 'a request could not be served';

type Told = { readonly reason: string; readonly logger: Logger; readonly timer: NodeJS.Timeout; untold: number };

/**
 * Tells the operator of requests that could not be served: one line for each reason at once, and when its time is over how
 * many there were of it meanwhile. A database that is away would else fill the log with the same words, a stack for each
 * request.
 */
export class Refusals {
  readonly #told = new Map<string, Told>();

  tell(cause: unknown, logger: Logger): void {
    const reason = cause instanceof Error ? cause.message : String(cause ?? 'too much is asked at once');
    // One that counts, or names a moment, is the same reason.
    const kind = reason.replaceAll(/\d+/g, '#');
    const told = this.#told.get(kind);
    if (told !== undefined) {
      told.untold++;
      return;
    }
    if (this.#told.size === reasonsMax) for (const [oldest] of this.#told.entries().take(1)) this.#end(oldest);
    this.#begin(kind, reason, logger);
    logger.warn({ reason }, message);
  }

  /** Tells what is untold; nothing is told later. */
  end(): void {
    for (const kind of [...this.#told.keys()]) this.#end(kind);
  }

  #begin(kind: string, reason: string, logger: Logger): void {
    const timer = setTimeout(() => {
      // While it goes on, it is told of again when as much time is over.
      if (this.#end(kind) > 0) this.#begin(kind, reason, logger);
    }, againMs).unref();
    this.#told.set(kind, { reason, logger, timer, untold: 0 });
  }

  /** How many were told of now. */
  #end(kind: string): number {
    const told = this.#told.get(kind);
    if (told === undefined) return 0;
    const { reason, logger, timer, untold } = told;
    clearTimeout(timer);
    this.#told.delete(kind);
    if (untold > 0) logger.warn({ reason, more: untold }, message);
    return untold;
  }
}
