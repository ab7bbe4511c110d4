import type { AccountId } from '../../../domain/message.ts';

/**
 * Work on an answer, a step at a time. Each step gives the bytes that are held for the answer so far, and is told
 * whether others had their turn since: what was open then may have been closed.
 */
export type Steps<T> = Generator<number, T, boolean>;

export type Job = {
  readonly id: number;
  readonly account: AccountId;
  readonly steps: Steps<void>;
  /** Told of what the work throws. */
  readonly failed: (error: unknown) => void;
};

type Running = { readonly job: Job; bytes: number; hasBegun: boolean };

/** What all jobs may hold together; beyond it only the largest of those that hold much goes on, and then the next. */
const heldBytesMax = 64 * 1024 * 1024;
/** What any job may hold. */
const littleBytes = 256 * 1024;
/** Others have their turn after so long. */
const sliceMs = 10;

/** The jobs of one thread. Accounts take turns, and so do the jobs of one account, a slice of work each. */
export class Jobs {
  readonly #now: () => number;
  /** The account whose turn is next comes first, and of its jobs the one whose turn it is. */
  readonly #lines = new Map<AccountId, Running[]>();
  #heldBytes = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  add(job: Job): void {
    const line = this.#lines.get(job.account);
    if (line === undefined) this.#lines.set(job.account, [{ job, bytes: 0, hasBegun: false }]);
    else line.push({ job, bytes: 0, hasBegun: false });
    if (line === undefined && this.#lines.size === 1) setImmediate(this.#turn);
  }

  /** Whoever asked is gone. */
  cancel(id: number): void {
    for (const [account, line] of this.#lines) {
      const at = line.findIndex(({ job }) => job.id === id);
      const [gone] = at < 0 ? [] : line.splice(at, 1);
      if (gone === undefined) continue;
      gone.job.steps.return();
      this.#heldBytes -= gone.bytes;
      // A line without jobs stays until its turn: it has been announced.
      this.#lines.set(account, line);
      return;
    }
  }

  clear(): void {
    this.#lines.clear();
  }

  readonly #turn = (): void => {
    const endsAt = this.#now() + sliceMs;
    do this.#slice(endsAt);
    while (this.#lines.size > 0 && this.#now() < endsAt);
    if (this.#lines.size > 0) setImmediate(this.#turn);
  };

  #slice(endsAt: number): void {
    const next = this.#next();
    if (next === undefined) return;
    const { job } = next;
    try {
      // Whatever else has run since, the files it had open may be closed.
      for (let wasPaused = next.hasBegun; ; wasPaused = false) {
        next.hasBegun = true;
        const { done, value } = job.steps.next(wasPaused);
        if (done) break;
        this.#heldBytes += value - next.bytes;
        next.bytes = value;
        if (this.#now() >= endsAt || !this.#mayGoOn(next)) return this.#requeue(next);
      }
    } catch (error) {
      job.failed(error);
    }
    this.#heldBytes -= next.bytes;
  }

  /** Takes the job whose turn it is out of its line. */
  #next(): Running | undefined {
    for (const [account, line] of [...this.#lines]) {
      const at = line.findIndex(one => this.#mayGoOn(one));
      this.#lines.delete(account);
      const [next] = at < 0 ? [] : line.splice(at, 1);
      if (line.length > 0) this.#lines.set(account, line);
      if (next !== undefined) return next;
    }
    return undefined;
  }

  #requeue(running: Running): void {
    const { account } = running.job;
    const line = this.#lines.get(account);
    if (line === undefined) this.#lines.set(account, [running]);
    else line.push(running);
  }

  #mayGoOn(running: Running): boolean {
    if (running.bytes <= littleBytes || this.#heldBytes <= heldBytesMax) return true;
    for (const line of this.#lines.values()) for (const other of line) if (other.bytes > running.bytes) return false;
    return true;
  }
}
