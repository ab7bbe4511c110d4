import { Unavailable } from '../../failures.ts';
import { limits } from '../../limits.ts';
import { isLockNotHad } from '../../postgres/failure.ts';
import type { Transaction } from '../../postgres/session.ts';
import type { Group } from './joint.ts';
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
  /** Told of the group that it is a part of before any work of that begins: what several ask for may be done at once. */
  readonly join?: (group: Group) => void;
  readonly work: (session: Transaction, group: Group) => Promise<T>;
};

type Job = PageWork<unknown> & {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Since a lock could not be had. */
  untilMs?: number;
};

/** What waits for a page whose row somebody else holds. */
type Line = { readonly page: PageKey; readonly jobs: readonly Job[]; readonly error: unknown };

type Transact = (work: (session: Transaction) => Promise<readonly unknown[]>) => Promise<readonly unknown[]>;
type Begin = (session: Transaction, works: readonly PageWork<unknown>[], lockMs: number) => void;
type FindHeld = (pages: readonly PageKey[]) => Promise<readonly PageKey[]>;

const jobsMax = 64;
/** A page may save up what it sends in a tenth of a second: who claims for it must not wait for more than one and its own. */
const countMax = limits.outboxStepMax / 2;
/** How long all wait for a row of one of them; and how long those do that are tried again after that. */
const togetherLockMs = 200;
const againLockMs = 20;
/** How long what waits for a lock waits in all, how often pages that are held are looked at, and how soon it is tried alone. */
const asideMsMax = 5000;
const lookEveryMs = 50;
const aloneEveryMs = 100;

/**
 * Does by one transaction what was asked for while the one before was under way. Works that concern the same pages would
 * wait for each other's rows, and each for the disk by itself. What is wrong with one is that one's alone: the others are
 * done without it. What is for a page whose row somebody else holds waits aside until it is let go, and the others go on.
 */
export class Together {
  readonly #transact: Transact;
  readonly #begin: Begin;
  readonly #findHeld: FindHeld;
  #waiting: Job[] = [];
  /** What a lock is in the way of that is on none of its pages: all others would wait for it each time. */
  readonly #alone: Job[] = [];
  readonly #lines = new Map<string, Line>();
  #isRunning = false;
  #isLooking = false;
  /** Fewer after an outage: one that takes the database too long must not take the others along again and again. */
  #jobsMost = jobsMax;

  /**
   * `begin` holds the rows of the pages of all of them, and waits no longer for one than it is told; `findHeld` gives those
   * of some pages whose rows somebody holds, and waits for none.
   */
  constructor(transact: Transact, begin: Begin, findHeld: FindHeld) {
    this.#transact = transact;
    this.#begin = begin;
    this.#findHeld = findHeld;
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
    while (this.#waiting.length > 0 || this.#alone.length > 0) {
      await this.#perform(this.#next());
      const alone = this.#alone.shift();
      if (alone !== undefined && !this.#isAside(alone)) await this.#perform([alone], againLockMs);
    }
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
    if (jobs.length === 0) return;
    try {
      await this.#transactAll(jobs, lockMs);
      this.#jobsMost = Math.min(jobsMax, 2 * this.#jobsMost);
    } catch (error) {
      if (isLockNotHad(error)) await this.#lockNotHad(jobs, error);
      else if (error instanceof Unavailable) {
        this.#jobsMost = 1;
        for (const job of jobs) job.reject(error);
      } else if (jobs.length > 1) await this.#performEach(jobs);
      else for (const job of jobs) job.reject(error);
    }
  }

  async #performEach(jobs: readonly Job[]): Promise<void> {
    for (const job of jobs) if (!this.#isAside(job)) await this.#perform([job], againLockMs);
  }

  async #transactAll(jobs: readonly Job[], lockMs: number): Promise<void> {
    const values = await this.#transact(async session => {
      this.#begin(session, jobs, lockMs);
      return inOrder(jobs, session);
    });
    for (const [index, job] of jobs.entries()) job.resolve(values[index]);
  }

  /** Finds which of their pages somebody holds: what is for these waits aside, and the others are tried without it. */
  async #lockNotHad(jobs: readonly Job[], error: unknown): Promise<void> {
    for (const page of await this.#heldOf(jobs.flatMap(one => one.pages))) this.#wait(page, error);
    const others = jobs.filter(job => !this.#isAside(job));
    if (others.length < jobs.length) await this.#perform(others, againLockMs);
    else if (others.length > 1) await this.#performEach(others);
    else for (const job of others) this.#tryLater(job, error);
  }

  #tryLater(job: Job, error: unknown): void {
    const nowMs = performance.now();
    job.untilMs ??= nowMs + asideMsMax;
    if (job.isUrgent === true || nowMs >= job.untilMs) job.reject(error);
    else
      setTimeout(() => {
        this.#alone.push(job);
        this.#go();
      }, aloneEveryMs);
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
    if (!this.#lines.has(key)) this.#lines.set(key, { page, jobs: [], error });
    if (!this.#isLooking) void this.#lookAll();
  }

  /** Looks at all pages that are held until none is. */
  async #lookAll(): Promise<void> {
    this.#isLooking = true;
    while (this.#lines.size > 0) {
      await new Promise(resolve => setTimeout(resolve, lookEveryMs));
      const pages = [...this.#lines.values()].map(one => one.page);
      const held = new Set((await this.#heldOf(pages)).map(pageKeyText));
      for (const key of pages.map(pageKeyText)) if (!held.has(key)) this.#endLine(key);
      this.#rejectOverdue();
    }
    this.#isLooking = false;
  }

  /** Where that cannot be told, none: whatever is tried next will tell why. */
  async #heldOf(pages: readonly PageKey[]): Promise<readonly PageKey[]> {
    if (pages.length === 0) return [];
    try {
      return await this.#findHeld(pages);
    } catch {
      return [];
    }
  }

  #rejectOverdue(): void {
    const nowMs = performance.now();
    for (const [key, line] of this.#lines) {
      const { overdue = [], others = [] } = Object.groupBy(line.jobs, ({ untilMs = 0 }) =>
        nowMs >= untilMs ? 'overdue' : 'others',
      );
      for (const job of overdue) job.reject(line.error);
      this.#lines.set(key, { ...line, jobs: others });
    }
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
  const group: Group = {};
  let hasFailed = false;
  for (const job of jobs) job.join?.(group);
  for (const job of jobs) {
    const ended = job.work(session, group);
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
