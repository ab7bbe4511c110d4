import type { Log } from '../../../src/client/index.ts';
import { msOf } from '../view/format.ts';
import { type FetchPage, LogWalk } from './walk.ts';

/** Live rows beyond which the view is better asked for anew. */
const arrivalsMax = 1000;
const notifyEveryMs = 100;
const firstRows = 50;

const newestFirst = (a: Log, b: Log) => msOf(b.sentAt) - msOf(a.sentAt);

/** The rows on screen: those that arrived while looking, above those that the walk finds. */
export class LogBook {
  readonly walk: LogWalk;
  readonly #keeps: (log: Log) => boolean;
  readonly #listeners = new Set<() => void>();
  #version = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #shown: Log[] = [];
  #waiting: Log[] = [];
  #waitingMore = false;
  #holding = false;
  #stale = false;
  readonly #known = new Set<string>();
  #changes = 0;
  #begun = false;
  /** What came before the walk had its first page, which may hold it already. */
  #early: Log[] = [];

  constructor(fetchPage: FetchPage, keeps: (log: Log) => boolean) {
    this.#keeps = keeps;
    this.walk = new LogWalk(fetchPage, keeps, () => this.#walked());
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /**
   * Changes with all that can be read here, at once, though listeners hear of it now and then: React drops the effects of
   * a rendering that something else asked for if no snapshot has changed, and would never run those of what was read.
   */
  readonly version = (): number => this.#version;

  get count(): number {
    return this.#shown.length + this.walk.count;
  }

  /** Rows that arrived while the view was held still. */
  get waiting(): { readonly count: number; readonly orMore: boolean } {
    return { count: this.#waiting.length, orMore: this.#waitingMore };
  }

  /** More has arrived than is kept: the view has to be asked for anew. */
  get stale(): boolean {
    return this.#stale;
  }

  /** Grows with every arrival and change. */
  get changes(): number {
    return this.#changes;
  }

  row(index: number): Log | undefined {
    return index < this.#shown.length ? this.#shown[index] : this.walk.row(index - this.#shown.length);
  }

  indexOf(messageId: string): number | undefined {
    const shown = this.#shown.findIndex(log => log.messageId === messageId);
    if (shown !== -1) return shown;
    const walked = this.walk.indexOf(messageId);
    return walked === undefined ? undefined : walked + this.#shown.length;
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** Asks for the first rows. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.walk.want(0, firstRows);
  }

  want(first: number, last: number): void {
    this.walk.want(Math.max(0, first - this.#shown.length), last - this.#shown.length);
  }

  /** Whether arrivals wait instead of moving the rows. */
  hold(holding: boolean): void {
    this.#holding = holding;
  }

  /** Shows what waits. */
  release(): void {
    this.#holding = false;
    if (this.#waitingMore) this.#stale = true;
    this.#shown = [...this.#waiting, ...this.#shown].sort(newestFirst);
    this.#waiting = [];
    this.#changedNow();
  }

  /** Takes in a new or changed log; `true` when it is new to the view and kept. A log taken twice is there once. */
  take(log: Log): boolean {
    this.#changed();
    if (!this.walk.started) {
      if (this.#early.length < arrivalsMax) this.#early.push(log);
      else this.#stale = true;
      return false;
    }
    this.#changes += 1;
    if (this.walk.replace(log)) return false;
    if (this.#known.has(log.messageId)) {
      const put = (one: Log) => (one.messageId === log.messageId ? log : one);
      this.#shown = this.#shown.map(put);
      this.#waiting = this.#waiting.map(put);
      return false;
    }
    if (!this.#keeps(log) || this.#isBelow(log)) return false;
    if (!this.#add(log)) return false;
    this.#known.add(log.messageId);
    return true;
  }

  /** A change of a message further down than anybody has scrolled: it is read with its page. */
  #isBelow(log: Log): boolean {
    const { newest } = this.walk;
    return newest !== undefined && msOf(log.sentAt) < msOf(newest);
  }

  /** Whether there was room for it: of what is not kept nothing is remembered, however much comes. */
  #add(log: Log): boolean {
    const list = this.#holding ? this.#waiting : this.#shown;
    if (list.length >= arrivalsMax) {
      if (this.#holding) this.#waitingMore = true;
      else this.#stale = true;
      return false;
    }
    const sentAt = msOf(log.sentAt);
    const place = list.findIndex(one => msOf(one.sentAt) <= sentAt);
    list.splice(place === -1 ? list.length : place, 0, log);
    return true;
  }

  #walked(): void {
    const early = this.#early;
    this.#early = [];
    for (const log of early) this.take(log);
    this.#changedNow();
  }

  #changed(): void {
    this.#version += 1;
    this.#timer ??= setTimeout(() => this.#tell(), notifyEveryMs);
  }

  #changedNow(): void {
    this.#version += 1;
    this.#tell();
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const listener of this.#listeners) listener();
  }
}
