import type { Log, LogsPage } from '../../../src/client/index.ts';

/** Gives the page at a cursor, the first one without; rejects when it cannot be had for good. */
export type FetchPage = (cursor: string | undefined) => Promise<LogsPage>;

type Slot = {
  readonly cursor: string | undefined;
  /** Of its first row among all rows of the walk. */
  readonly start: number;
  readonly count: number;
  rows: Log[] | undefined;
  lastUse: number;
};

/** Pages kept in memory. What is further away is fetched again by its cursor when it comes into sight. */
const slotsKeptMax = 20;
/** Pages searched for rows to fill the screen before it is asked whether to go on. */
const pagesAtOnceMax = 20;

/** The rows of a query, page by page behind a cursor, held in bounded memory however far one scrolls. */
export class LogWalk {
  readonly #fetchPage: FetchPage;
  readonly #keeps: (log: Log) => boolean;
  readonly #changed: () => void;
  readonly #slots: Slot[] = [];
  readonly #places = new Map<string, readonly [slot: Slot, index: number]>();
  /** Newer states that came while a page was on its way, which may hold older ones. */
  readonly #arrived = new Map<string, Log>();
  #next: { readonly cursor: string | undefined } | undefined = { cursor: undefined };
  #loading = false;
  #wanted: readonly [first: number, last: number] | undefined;
  #uses = 0;
  #error: unknown;
  #scannedUntil: string | undefined;
  #newest: string | undefined;
  #pagesLeft = pagesAtOnceMax;

  constructor(fetchPage: FetchPage, keeps: (log: Log) => boolean, changed: () => void) {
    this.#fetchPage = fetchPage;
    this.#keeps = keeps;
    this.#changed = changed;
  }

  /** Rows that have been reached so far. */
  get count(): number {
    const last = this.#slots.at(-1);
    return last === undefined ? 0 : last.start + last.count;
  }

  get started(): boolean {
    return this.#slots.length > 0;
  }

  get ended(): boolean {
    return this.#next === undefined;
  }

  /** It has searched long without filling the screen, and waits for `retry`. */
  get paused(): boolean {
    return this.#pagesLeft <= 0 && !this.ended;
  }

  /** `sentAt` of the newest row when the walk began. */
  get newest(): string | undefined {
    return this.#newest;
  }

  /** Why it cannot go on, or `undefined`. */
  get error(): unknown {
    return this.#error;
  }

  /** `sentAt` of the oldest message looked at, whether it was kept or not. */
  get scannedUntil(): string | undefined {
    return this.#scannedUntil;
  }

  row(index: number): Log | undefined {
    const slot = this.#slotOf(index);
    return slot?.rows?.[index - slot.start];
  }

  indexOf(messageId: string): number | undefined {
    const [slot, index] = this.#places.get(messageId) ?? [];
    return slot === undefined || index === undefined ? undefined : slot.start + index;
  }

  /** Puts a newer state in the place of a row in memory; `false` when there is none. */
  replace(log: Log): boolean {
    const [slot, index] = this.#places.get(log.messageId) ?? [];
    if (slot?.rows === undefined || index === undefined) {
      if (this.#loading) this.#arrived.set(log.messageId, log);
      return false;
    }
    slot.rows[index] = log;
    return true;
  }

  /** Loads what is missing of the rows in sight, and the page after them. */
  want(first: number, last: number): void {
    if (this.#wanted !== undefined && last > this.#wanted[1]) this.#pagesLeft = pagesAtOnceMax;
    this.#wanted = [first, last];
    void this.#load();
  }

  /** Goes on after an error or a pause. */
  retry(): void {
    this.#pagesLeft = pagesAtOnceMax;
    this.#error = undefined;
    void this.#load();
    this.#changed();
  }

  async #load(): Promise<void> {
    if (this.#loading || this.#error !== undefined) return;
    this.#loading = true;
    try {
      for (let task = this.#task(); task !== undefined; task = this.#task()) {
        this.#arrived.clear();
        await task();
        this.#evict();
        this.#changed();
      }
    } catch (error) {
      this.#error = error;
      this.#changed();
    } finally {
      this.#loading = false;
    }
  }

  #task(): (() => Promise<void>) | undefined {
    if (this.#wanted === undefined) return undefined;
    const [first, last] = this.#wanted;
    this.#uses += 1;
    for (const slot of this.#slots) {
      if (slot.start > last || slot.start + slot.count <= first) continue;
      slot.lastUse = this.#uses;
      if (slot.rows === undefined) return () => this.#reload(slot);
    }
    const next = this.#next;
    return next !== undefined && !this.paused && last >= this.count - 1 ? () => this.#advance(next.cursor) : undefined;
  }

  async #advance(cursor: string | undefined): Promise<void> {
    const page = await this.#fetchPage(cursor);
    const rows = this.#asOfNow(page.results.filter(this.#keeps));
    const slot: Slot = { cursor, start: this.count, count: rows.length, rows, lastUse: this.#uses };
    this.#slots.push(slot);
    this.#place(slot, rows);
    this.#pagesLeft -= 1;
    this.#newest ??= rows[0]?.sentAt;
    this.#scannedUntil = page.searchedSince ?? page.results.at(-1)?.sentAt ?? this.#scannedUntil;
    const nextCursor = page.cursor?.nextCursor;
    this.#next = nextCursor === undefined ? undefined : { cursor: nextCursor };
  }

  async #reload(slot: Slot): Promise<void> {
    const page = await this.#fetchPage(slot.cursor);
    // Rows may have left meanwhile, at the end of retention; the places of the others stay as they were.
    const rows = this.#asOfNow(page.results.filter(this.#keeps).slice(0, slot.count));
    slot.rows = rows;
    this.#place(slot, rows);
  }

  #asOfNow(rows: readonly Log[]): Log[] {
    return rows.map(log => this.#arrived.get(log.messageId) ?? log);
  }

  #place(slot: Slot, rows: readonly Log[]): void {
    rows.forEach((log, index) => {
      this.#places.set(log.messageId, [slot, index]);
    });
  }

  #evict(): void {
    const kept = this.#slots.filter(slot => slot.rows !== undefined);
    if (kept.length <= slotsKeptMax) return;
    const [oldest] = kept.sort((a, b) => a.lastUse - b.lastUse);
    if (oldest?.rows === undefined) return;
    for (const log of oldest.rows) this.#places.delete(log.messageId);
    oldest.rows = undefined;
  }

  #slotOf(index: number): Slot | undefined {
    let low = 0;
    let high = this.#slots.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const slot = this.#slots[middle];
      if (slot === undefined) return undefined;
      if (index < slot.start) high = middle - 1;
      else if (index >= slot.start + slot.count) low = middle + 1;
      else return slot;
    }
    return undefined;
  }
}
