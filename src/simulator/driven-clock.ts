import type { EpochMs } from '../domain/message.ts';

type Task = { readonly at: EpochMs; readonly order: number; readonly run: () => void };

/** Where a timer of Node's would overflow. */
const timerMsMax = 2 ** 31 - 1;

/**
 * A clock that runs as the real one does and can be put forward. What was set for a moment runs when it comes, in the
 * order of the moments; putting the clock forward runs at once all that lies in between.
 */
export class DrivenClock {
  readonly #real: () => EpochMs;
  readonly #tasks = new TaskHeap();
  #offsetMs = 0;
  #order = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(real: () => EpochMs = Date.now) {
    this.#real = real;
  }

  readonly now = (): EpochMs => this.#real() + this.#offsetMs;

  get waiting(): number {
    return this.#tasks.size;
  }

  set(at: EpochMs, run: () => void): void {
    const before = this.#tasks.first;
    this.#tasks.push({ at, order: this.#order++, run });
    if (this.#tasks.first !== before) this.#rearm();
  }

  /** Puts the clock forward. What a task sets for a moment that has come by then runs too. */
  advance(durationMs: number): void {
    const end = this.now() + durationMs;
    for (let next = this.#tasks.first; next !== undefined && next.at <= end; next = this.#tasks.first) {
      this.#offsetMs += Math.max(0, next.at - this.now());
      this.#tasks.pop()?.run();
    }
    this.#offsetMs += Math.max(0, end - this.now());
    this.#rearm();
  }

  /** Forgets what was set. */
  clear(): void {
    this.#tasks.clear();
    this.#rearm();
  }

  #rearm(): void {
    clearTimeout(this.#timer);
    const next = this.#tasks.first;
    if (next === undefined) return;
    const durationMs = Math.min(timerMsMax, Math.max(0, next.at - this.now()));
    this.#timer = setTimeout(() => this.#runDue(), durationMs).unref();
  }

  #runDue(): void {
    for (let next = this.#tasks.first; next !== undefined && next.at <= this.now(); next = this.#tasks.first)
      this.#tasks.pop()?.run();
    this.#rearm();
  }
}

/** The earliest first; of equal moments, the one set first. */
class TaskHeap {
  readonly #tasks: Task[] = [];

  get first(): Task | undefined {
    return this.#tasks[0];
  }

  get size(): number {
    return this.#tasks.length;
  }

  clear(): void {
    this.#tasks.length = 0;
  }

  push(task: Task): void {
    let index = this.#tasks.push(task) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  pop(): Task | undefined {
    const first = this.#tasks[0];
    const last = this.#tasks.pop();
    if (first === undefined || last === undefined || this.#tasks.length === 0) return first;
    this.#tasks[0] = last;
    for (let index = 0; ; ) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2])
        if (child < this.#tasks.length && this.#isBefore(child, least)) least = child;
      if (least === index) return first;
      this.#swap(index, least);
      index = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [one, other] = [this.#tasks[a], this.#tasks[b]];
    if (one === undefined || other === undefined) throw new RangeError('a heap has no such task');
    return one.at < other.at || (one.at === other.at && one.order < other.order);
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#tasks[a], this.#tasks[b]];
    if (one === undefined || other === undefined) throw new RangeError('a heap has no such task');
    this.#tasks[a] = other;
    this.#tasks[b] = one;
  }
}
