import { reasonOf } from '../../../failures.ts';
import type { StoreObserver } from '../../store.ts';

/** Runs the store's own work at once, then time and again, one run at a time. What fails is told, and tried next time. */
export class Recurring {
  readonly #intervalMs: number;
  readonly #observer: StoreObserver;
  readonly #work: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(intervalMs: number, observer: StoreObserver, work: () => Promise<void>) {
    this.#intervalMs = intervalMs;
    this.#observer = observer;
    this.#work = work;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when the last run has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      await this.#work();
    } catch (error) {
      const reason = reasonOf(error);
      this.#observer.note({ level: 'warn', message: 'upkeep of the tables failed', detail: { reason } });
    }
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.start(), this.#intervalMs);
    this.#timer.unref();
  }
}
