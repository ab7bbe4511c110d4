import type { DiagLogger } from '@opentelemetry/api';
import type { Environment } from './wanted.ts';

const againMs = 60_000;

/**
 * What is wrong with telling others, in the program's log: a line at once, and no more than one a minute after it. A
 * collector that is away would have a line for each batch.
 */
export class Troubles {
  readonly #warn: Environment['warn'];
  #untold = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(warn: Environment['warn']) {
    this.#warn = warn;
  }

  readonly logger: DiagLogger = {
    error: (message, ...more) => this.#say([message, ...more].map(String).join(' ')),
    warn: (message, ...more) => this.#say([message, ...more].map(String).join(' ')),
    info: () => {},
    debug: () => {},
    verbose: () => {},
  };

  /** Of whatever was thrown. */
  readonly tell = (error: unknown): void => this.#say(reasonOf(error));

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #say(reason: string): void {
    if (this.#timer !== undefined) {
      this.#untold++;
      return;
    }
    const more = this.#untold;
    this.#untold = 0;
    this.#warn('telemetry is in trouble', { reason, ...(more > 0 && { more }) });
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
    }, againMs).unref();
  }
}

/** The error of a connection to a name with several addresses has no words of its own. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : error.name;
  return error.message === '' ? code : error.message;
}
