import { Unavailable } from '../../failures.ts';
import { limits } from '../../limits.ts';
import type { Transaction } from '../../postgres/session.ts';
import type { PageKey } from './pages.ts';

/** Work on messages of pages, and whose rows have to be held for it. */
export type PageWork<T> = {
  /** In which order works of one transaction are done: what the one says, the next may go by. */
  readonly rank: number;
  /** Pages by their keys; those that may not be there yet are made. */
  readonly pages?: readonly PageKey[];
  readonly newPages?: readonly PageKey[];
  /** Pages by messages over them, and by steps of those. */
  readonly messages?: readonly number[];
  readonly steps?: readonly number[];
  /** Messages or events that it is for. */
  readonly count: number;
  readonly work: (session: Transaction) => Promise<T>;
};

type Job = PageWork<unknown> & {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
};

type Transact = (work: (session: Transaction) => Promise<readonly unknown[]>) => Promise<readonly unknown[]>;
type Begin = (session: Transaction, works: readonly PageWork<unknown>[]) => void;

const jobsMax = 64;
const countMax = 2 * limits.outboxStepMax;

/**
 * Does by one transaction what was asked for while the one before was under way. Works that concern the same pages would
 * wait for each other's rows, and each for the disk by itself. What is wrong with one is that one's alone: the others are
 * done without it.
 */
export class Together {
  readonly #transact: Transact;
  readonly #begin: Begin;
  readonly #waiting: Job[] = [];
  #isRunning = false;
  /** Fewer after an outage: one that takes the database too long must not take the others along again and again. */
  #jobsMost = jobsMax;

  /** `begin` holds the rows of the pages of all of them. */
  constructor(transact: Transact, begin: Begin) {
    this.#transact = transact;
    this.#begin = begin;
  }

  run<T>(asked: PageWork<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ ...asked, resolve: value => resolve(value as T), reject });
      if (!this.#isRunning) void this.#runAll();
    });
  }

  async #runAll(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) await this.#perform(this.#next());
    this.#isRunning = false;
  }

  #next(): readonly Job[] {
    let [jobs, count] = [0, 0];
    for (const job of this.#waiting) {
      if (jobs >= this.#jobsMost || (jobs > 0 && count + job.count > countMax)) break;
      jobs++;
      count += job.count;
    }
    return this.#waiting.splice(0, jobs).toSorted((a, b) => a.rank - b.rank);
  }

  async #perform(jobs: readonly Job[]): Promise<void> {
    try {
      const values = await this.#transact(async session => {
        this.#begin(session, jobs);
        const done: unknown[] = [];
        for (const job of jobs) done.push(await job.work(session));
        return done;
      });
      for (const [index, job] of jobs.entries()) job.resolve(values[index]);
      this.#jobsMost = Math.min(jobsMax, 2 * this.#jobsMost);
    } catch (error) {
      const isOutage = error instanceof Unavailable;
      if (isOutage) this.#jobsMost = 1;
      if (isOutage || jobs.length === 1) for (const job of jobs) job.reject(error);
      else for (const job of jobs) await this.#perform([job]);
    }
  }
}
