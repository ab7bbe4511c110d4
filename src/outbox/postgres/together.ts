import { Unavailable } from '../../failures.ts';
import { limits } from '../../limits.ts';
import { isLockNotHad } from '../../postgres/failure.ts';
import type { Transaction } from '../../postgres/session.ts';
import { type PageKey, pageKeyText } from './pages.ts';

/** Work on messages of pages, whose rows are held for it. */
export type PageWork<T> = {
  /** In which order works of one transaction are done: what the one says, the next may go by. */
  readonly rank: number;
  readonly pages: readonly PageKey[];
  /** Those of them that may not be there yet are made. */
  readonly newPages?: readonly PageKey[];
  /** Messages or events that it is for. */
  readonly count: number;
  /** Goes before what waits, and fails at once where another program holds a row: its caller knows what else to do. */
  readonly isUrgent?: boolean;
  /** Whatever comes after it may ask before this one is answered. */
  readonly isApart?: boolean;
  /** The same page by page, for when one of several cannot be had. */
  readonly parts?: () => readonly PageWork<unknown>[];
  readonly work: (session: Transaction) => Promise<T>;
};

type Job = PageWork<unknown> & {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Since a row could not be had. */
  untilMs?: number;
};

/** What waits for a page whose row somebody else holds. */
type Line = { readonly page: PageKey; readonly jobs: readonly Job[]; readonly error: unknown };

type Transact = (work: (session: Transaction) => Promise<readonly unknown[]>) => Promise<readonly unknown[]>;
type Begin = (session: Transaction, works: readonly PageWork<unknown>[], lockMs: number) => void;

const jobsMax = 64;
/** A page may save up what it sends in a tenth of a second: who claims for it must not wait for more than one and its own. */
const countMax = limits.outboxStepMax / 2;
/** How long all wait for a row of one of them; and how long each that is tried alone afterwards. */
const togetherLockMs = 200;
const aloneLockMs = 20;
/** How long what waits for a row waits in all; how long one look for it takes, and how many look at a time. */
const asideMsMax = 5000;
const lookLockMs = 500;
const looksMax = 2;

/**
 * Does by one transaction what was asked for while the one before was under way. Works that concern the same pages would
 * wait for each other's rows, and each for the disk by itself. What is wrong with one is that one's alone: the others are
 * done without it. What is for a page whose row somebody else holds waits aside until it is let go, and the others go on.
 */
export class Together {
  readonly #transact: Transact;
  readonly #begin: Begin;
  #waiting: Job[] = [];
  readonly #lines = new Map<string, Line>();
  readonly #looked = new Set<string>();
  #isRunning = false;
  #looks = 0;
  /** Fewer after an outage: one that takes the database too long must not take the others along again and again. */
  #jobsMost = jobsMax;

  /** `begin` holds the rows of the pages of all of them, and waits no longer for one than it is told. */
  constructor(transact: Transact, begin: Begin) {
    this.#transact = transact;
    this.#begin = begin;
  }

  run<T>(asked: PageWork<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const job = { ...asked, resolve: (value: unknown) => resolve(value as T), reject };
      if (asked.isUrgent === true) this.#waiting.unshift(job);
      else this.#waiting.push(job);
      this.#go();
    });
  }

  #go(): void {
    if (!this.#isRunning) void this.#runAll();
  }

  async #runAll(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) await this.#perform(this.#next());
    this.#isRunning = false;
  }

  #next(): readonly Job[] {
    const jobs: Job[] = [];
    let count = 0;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (jobs.length >= this.#jobsMost || (jobs.length > 0 && count + next.count > countMax)) break;
      this.#waiting.shift();
      if (this.#isAside(next)) continue;
      jobs.push(next);
      count += next.count;
    }
    return jobs.toSorted((a, b) => a.rank - b.rank);
  }

  async #perform(jobs: readonly Job[], lockMs = togetherLockMs): Promise<void> {
    const [first, ...others] = jobs;
    if (first === undefined) return;
    try {
      await this.#transactAll(jobs, lockMs);
      this.#jobsMost = Math.min(jobsMax, 2 * this.#jobsMost);
    } catch (error) {
      const isOutage = error instanceof Unavailable && !isLockNotHad(error);
      if (isOutage) {
        this.#jobsMost = 1;
        for (const job of jobs) job.reject(error);
      } else if (others.length > 0) {
        for (const job of jobs) if (!this.#isAside(job)) await this.#perform([job], aloneLockMs);
      } else if (isLockNotHad(error)) await this.#lockNotHad(first, error);
      else first.reject(error);
    }
  }

  async #transactAll(jobs: readonly Job[], lockMs: number): Promise<void> {
    const values = await this.#transact(async session => {
      this.#begin(session, jobs, lockMs);
      return inOrder(jobs, session);
    });
    for (const [index, job] of jobs.entries()) job.resolve(values[index]);
  }

  /** Finds which of its pages somebody holds, and tries again where none is held any more. */
  async #lockNotHad(job: Job, error: unknown): Promise<void> {
    job.untilMs ??= performance.now() + asideMsMax;
    for (const page of job.pages)
      if (job.pages.length === 1 || (await this.#isHeld(page, aloneLockMs))) this.#wait(page, error);
    if (job.isUrgent === true || performance.now() >= job.untilMs) job.reject(error);
    else if (!this.#isAside(job)) this.#waiting.push(job);
  }

  /** Whether it has to wait for a row that somebody holds; then it does from here on, or fails where it is urgent. */
  #isAside(job: Job): boolean {
    const line = job.pages.map(one => this.#lines.get(pageKeyText(one))).find(one => one !== undefined);
    if (line === undefined) return false;
    const parts = job.pages.length > 1 ? job.parts?.() : undefined;
    if (job.isUrgent === true) job.reject(line.error);
    else if (parts === undefined) {
      job.untilMs ??= performance.now() + asideMsMax;
      this.#lines.set(pageKeyText(line.page), { ...line, jobs: [...line.jobs, job] });
    } else {
      void Promise.allSettled(parts.map(one => this.run(one))).then(ended => {
        const failed = ended.find(one => one.status === 'rejected');
        if (failed === undefined) job.resolve(undefined);
        else job.reject(failed.reason);
      });
    }
    return true;
  }

  #wait(page: PageKey, error: unknown): void {
    const key = pageKeyText(page);
    if (this.#lines.has(key)) return;
    this.#lines.set(key, { page, jobs: [], error });
    if (this.#looks < looksMax) void this.#lookAll();
  }

  /** Looks at pages that are held, in turn, until none is. */
  async #lookAll(): Promise<void> {
    this.#looks++;
    const next = () => [...this.#lines].find(([key]) => !this.#looked.has(key));
    for (let line = next(); line !== undefined; line = next()) {
      const [key, { page }] = line;
      this.#looked.add(key);
      const isHeld = await this.#isHeld(page, lookLockMs);
      this.#looked.delete(key);
      if (isHeld) this.#goOnWaiting(key);
      else this.#endLine(key);
    }
    this.#looks--;
  }

  async #isHeld(page: PageKey, lockMs: number): Promise<boolean> {
    const look = { rank: 0, pages: [page], count: 0, work: async () => {}, resolve: () => {}, reject: () => {} };
    try {
      await this.#transactAll([look], lockMs);
      return false;
    } catch (error) {
      return isLockNotHad(error);
    }
  }

  /** Behind the others that are held. */
  #goOnWaiting(key: string): void {
    const line = this.#lines.get(key);
    if (line === undefined) return;
    const nowMs = performance.now();
    const isOver = ({ untilMs = 0 }: Job) => nowMs >= untilMs;
    for (const job of line.jobs.filter(isOver)) job.reject(line.error);
    this.#lines.delete(key);
    this.#lines.set(key, { ...line, jobs: line.jobs.filter(job => !isOver(job)) });
  }

  #endLine(key: string): void {
    const jobs = this.#lines.get(key)?.jobs ?? [];
    this.#lines.delete(key);
    this.#waiting = [...jobs, ...this.#waiting];
    this.#go();
  }
}

/** None of them asks anything any more when this ends, also when one failed. */
async function inOrder(jobs: readonly Job[], session: Transaction): Promise<readonly unknown[]> {
  const begun: Promise<unknown>[] = [];
  let hasFailed = false;
  for (const job of jobs) {
    const ended = job.work(session);
    begun.push(ended);
    const heard = ended.catch(() => {
      hasFailed = true;
    });
    if (job.isApart !== true) await heard;
    if (hasFailed) break;
  }
  await Promise.allSettled(begun);
  return Promise.all(begun);
}
