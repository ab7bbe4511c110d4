import { Unavailable } from '../../failures.ts';
import { limits } from '../../limits.ts';
import { isLockNotHad } from '../../postgres/failure.ts';
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
  /** Fails at once where another program holds a row: its caller knows what else to do. */
  readonly isUrgent?: boolean;
  readonly work: (session: Transaction) => Promise<T>;
};

type Job = PageWork<unknown> & {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
};

type Transact = (work: (session: Transaction) => Promise<readonly unknown[]>) => Promise<readonly unknown[]>;
type Begin = (session: Transaction, works: readonly PageWork<unknown>[], lockMs: number) => void;

const jobsMax = 64;
const countMax = 2 * limits.outboxStepMax;
/** How long all wait for a row of one of them; and how long each that is tried alone afterwards. */
const togetherLockMs = 200;
const aloneLockMs = 20;
/** How long what waits for a row waits for it by itself, and how many do so at a time. */
const asideLockMs = 5000;
const asideMax = 2;

/**
 * Does by one transaction what was asked for while the one before was under way. Works that concern the same pages would
 * wait for each other's rows, and each for the disk by itself. What is wrong with one is that one's alone: the others are
 * done without it. What waits for a row that somebody else holds waits aside, and the others go on.
 */
export class Together {
  readonly #transact: Transact;
  readonly #begin: Begin;
  readonly #waiting: Job[] = [];
  readonly #aside: { readonly job: Job; readonly untilMs: number }[] = [];
  #isRunning = false;
  #waitingAside = 0;
  /** Fewer after an outage: one that takes the database too long must not take the others along again and again. */
  #jobsMost = jobsMax;

  /** `begin` holds the rows of the pages of all of them, and waits no longer for one than it is told. */
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

  async #perform(jobs: readonly Job[], lockMs = togetherLockMs): Promise<void> {
    try {
      await this.#transactAll(jobs, lockMs);
      this.#jobsMost = Math.min(jobsMax, 2 * this.#jobsMost);
    } catch (error) {
      const [first, ...others] = jobs;
      const isOutage = error instanceof Unavailable && !isLockNotHad(error);
      if (isOutage) this.#jobsMost = 1;
      if (isOutage || first === undefined) for (const job of jobs) job.reject(error);
      else if (others.length > 0) for (const job of jobs) await this.#perform([job], aloneLockMs);
      else if (isLockNotHad(error) && first.isUrgent !== true) this.#putAside(first);
      else first.reject(error);
    }
  }

  async #transactAll(jobs: readonly Job[], lockMs: number): Promise<void> {
    const values = await this.#transact(async session => {
      this.#begin(session, jobs, lockMs);
      const done: unknown[] = [];
      for (const job of jobs) done.push(await job.work(session));
      return done;
    });
    for (const [index, job] of jobs.entries()) job.resolve(values[index]);
  }

  #putAside(job: Job): void {
    this.#aside.push({ job, untilMs: performance.now() + asideLockMs });
    if (this.#waitingAside < asideMax) void this.#waitAside();
  }

  /** One that waited behind others for long asks once more whether its rows are free. */
  async #waitAside(): Promise<void> {
    this.#waitingAside++;
    for (let next = this.#aside.shift(); next !== undefined; next = this.#aside.shift()) {
      const { job, untilMs } = next;
      const lockMs = Math.max(aloneLockMs, Math.ceil(untilMs - performance.now()));
      await this.#transactAll([job], lockMs).catch(job.reject);
    }
    this.#waitingAside--;
  }
}
