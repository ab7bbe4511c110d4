import { Unavailable } from '../failures.ts';
import type { Report, ReportQuery, Reports } from '../outbox/reporting.ts';

type Deps = {
  readonly outbox: Pick<Reports, 'takeReports' | 'reportsGiven' | 'reportsGivenBack'>;
  readonly note: (level: 'warn' | 'error', message: string, detail: object) => void;
};

const retryMs = { first: 50, max: 5000 };

/** Gives reports to callers, each to one of them. */
export class ReportDesk {
  readonly #deps: Deps;
  readonly #open = new Set<Promise<void>>();
  #isClosed = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  take(query: ReportQuery): Promise<readonly Report[]> {
    return this.#deps.outbox.takeReports(query);
  }

  /** Their caller has them. */
  given(ids: readonly number[]): void {
    this.#keep(async () => {
      try {
        await this.#deps.outbox.reportsGiven(ids);
      } catch (error) {
        // By a defect they are never kept as given: another caller has them as well, rather than nobody ever.
        if (!(error instanceof Unavailable)) this.giveBack(ids);
        throw error;
      }
    });
  }

  /** Nobody got them. */
  giveBack(ids: readonly number[]): void {
    this.#keep(() => this.#deps.outbox.reportsGivenBack(ids));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#open);
  }

  #keep(work: () => Promise<void>): void {
    const kept = this.#untilKept(work).finally(() => this.#open.delete(kept));
    this.#open.add(kept);
  }

  /** What was given and could not be kept would be given again. */
  async #untilKept(work: () => Promise<void>): Promise<void> {
    for (let pauseMs = retryMs.first; ; pauseMs = Math.min(retryMs.max, 2 * pauseMs)) {
      try {
        return await work();
      } catch (error) {
        const isOutage = error instanceof Unavailable;
        this.#deps.note(isOutage ? 'warn' : 'error', 'which reports were given cannot be kept now', { err: error });
        if (this.#isClosed || !isOutage) return;
        await new Promise(resolve => setTimeout(resolve, pauseMs));
      }
    }
  }
}
