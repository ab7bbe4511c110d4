/**
 * Joins the reports that wait to messages that are there already, a step at a time, before anything is recorded. Where a
 * step fails, by a full disk or a damaged segment that is mended then, what is left is joined later: nobody waits for that.
 */
export class Joining {
  readonly #begin: () => Generator<void>;
  readonly #failed: (error: unknown) => void;
  #steps: Generator<void> | undefined;
  #isCut = false;
  #isReady = false;

  /** `steps` is what `begin` gives; `failed` is told why one failed. */
  constructor(steps: Generator<void>, begin: () => Generator<void>, failed: (error: unknown) => void) {
    this.#steps = steps;
    this.#begin = begin;
    this.#failed = failed;
  }

  /** Whether anything can be recorded. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Whether there are further steps now. */
  get goesOn(): boolean {
    return this.#steps !== undefined;
  }

  step(): void {
    try {
      if (this.#steps?.next().done === true) this.#steps = undefined;
    } catch (error) {
      this.#steps = undefined;
      this.#isCut = true;
      this.#failed(error);
    }
    if (this.#steps === undefined) this.#isReady = true;
  }

  /** Begins again where a step failed before. */
  resume(): void {
    if (!this.#isCut || this.#steps !== undefined) return;
    this.#isCut = false;
    this.#steps = this.#begin();
  }

  stop(): void {
    this.#steps?.return(undefined);
    this.#steps = undefined;
  }
}
