import { setImmediate, setTimeout } from 'node:timers/promises';
import type { AccountId, EpochMs } from '../../domain/message.ts';
import { limits } from '../../limits.ts';
import { Slices } from '../../slices.ts';
import { type Bookmark, type Change, InvalidBookmark, type Store, StoreUnavailable } from '../../store/store.ts';
import type { Turns } from '../../turns.ts';
import type { ServerDeps } from '../deps.ts';
import type { Backlog } from './backlog.ts';
import type { EventPlace } from './event-ids.ts';
import { Batch, type Chunk, comment, type IdOf, logEvent, placeText, resetEvent } from './events.ts';
import type { Listener } from './listener.ts';

export type FeedDeps = Pick<ServerDeps, 'metrics' | 'logger'> & {
  readonly store: Pick<Store, 'changes' | 'watch'>;
  readonly account: AccountId;
  readonly sentSince: () => EpochMs;
  readonly idOf: IdOf;
  readonly backlog: Backlog;
  /** Of those that catch up, over all feeds. */
  readonly turns: Turns<AccountId>;
};

/** Reads lie at least so far apart: looking must not slow recording down. */
const pauseMs = 50;
/** Events that are caught up with go in pieces of about this size. */
const pieceChars = 16 * 1024;
/** After a store that could not be read, unless it said when to come again. */
const retryMs = 1000;

/**
 * The changes of one account as they come, read once for all who listen. `#place` is how far that is, and whoever has
 * everything up to it may join: from then on each change is sent once to each.
 */
export class Feed {
  readonly #deps: FeedDeps;
  /** Those that get every change from now on, by what they ask for. */
  readonly #joined = new Map<string, Set<Listener>>();
  readonly #unwatch: () => void;
  #place: Bookmark = '';
  #isStopped = false;
  #isWoken = false;
  #wake: () => void = () => {};
  #passing: (() => void)[] = [];
  #isFailing = false;
  /** Resolves when there is a place; rejects with what kept the store from telling it. */
  readonly started: Promise<void>;
  /** Every listener, those that catch up too. */
  readonly listeners = new Set<Listener>();

  constructor(deps: FeedDeps) {
    this.#deps = deps;
    // Before the first place is asked for, so that nothing falls between.
    this.#unwatch = deps.store.watch(deps.account, () => this.#woken());
    this.started = this.#findPlace();
    this.started.then(
      () => this.#run(),
      () => {},
    );
  }

  /** It gives no more; who comes now needs another. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Begins to send to a listener of `listeners`: from now on, or what came after a place of an earlier event. */
  open(listener: Listener, after: EventPlace | undefined): void {
    if (after === undefined || listener.who.filter === undefined) {
      listener.send(placeText(this.#deps.idOf(this.#place)));
      this.#join(listener);
      return;
    }
    listener.send(placeText(after.id));
    this.#catchUp(listener, after).catch(error => this.#fail(error, [listener]));
  }

  leave(listener: Listener): void {
    this.listeners.delete(listener);
    const alike = this.#joined.get(listener.key);
    alike?.delete(listener);
    if (alike?.size === 0) this.#joined.delete(listener.key);
  }

  beat(): void {
    const bytes = Buffer.from(`:\n${placeText(this.#deps.idOf(this.#place))}`);
    for (const listener of this.listeners) {
      const isJoined = this.#joined.get(listener.key)?.has(listener) ?? false;
      this.#send(listener, isJoined ? bytes : comment);
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#unwatch();
    this.#woken();
    for (const pass of this.#passing.splice(0)) pass();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      if (!this.#isWoken) await new Promise<void>(resolve => (this.#wake = resolve));
      if (this.#isStopped) return;
      this.#isWoken = false;
      const startedMs = performance.now();
      try {
        await this.#read();
        this.#isFailing = false;
      } catch (error) {
        this.#isWoken = true;
        if (!(error instanceof StoreUnavailable)) {
          this.stop();
          return this.#fail(error, this.listeners);
        }
        await this.#outlast(error);
      }
      // At most half of the time is spent on it, however many listen.
      await setTimeout(Math.max(pauseMs, performance.now() - startedMs), undefined, { ref: false });
    }
  }

  async #read(): Promise<void> {
    const passing = this.#passing.splice(0);
    try {
      const { changes, next, more } = await this.#changesAfter(this.#place);
      if (this.#isStopped) return;
      const isThere = await this.#distribute(changes, next);
      if (!isThere) return;
      if (more) this.#isWoken = true;
      else for (const pass of passing.splice(0)) pass();
    } catch (error) {
      if (!(error instanceof InvalidBookmark)) throw error;
      await this.#findPlace();
      const reset = Buffer.from(resetEvent(this.#deps.idOf(this.#place)));
      for (const alike of this.#joined.values()) for (const listener of alike) this.#send(listener, reset);
    } finally {
      this.#passing.push(...passing);
    }
    // What was sent leaves now; that is part of the work.
    await setImmediate();
  }

  /** Sends what there is for each of those that have joined, and is at the place after it; `false` once it is stopped. */
  async #distribute(changes: readonly Change[], next: Bookmark): Promise<boolean> {
    const batch = new Batch(changes, this.#deps.idOf);
    const chunks = new Map<string, Chunk | undefined>();
    // Whoever joins meanwhile comes last in the map, and has a turn too.
    for (const [key, [first]] of this.#joined)
      if (!chunks.has(key)) chunks.set(key, first?.matches && (await batch.matching(first.matches)));
    // Nothing may be awaited between the last look at who has joined and the new place.
    if (this.#isStopped) return false;
    let events = 0;
    for (const [key, alike] of this.#joined) {
      const chunk = chunks.get(key);
      if (chunk === undefined) continue;
      for (const listener of alike) this.#send(listener, chunk.bytes);
      events += chunk.events * alike.size;
    }
    this.#place = next;
    this.#deps.metrics.streamEvents(events);
    return true;
  }

  #send(listener: Listener, text: string | Uint8Array): void {
    if (!this.#deps.backlog.isTooSlow(listener)) listener.send(text);
    else {
      this.#deps.metrics.streamDropped();
      listener.destroy();
    }
  }

  /** Sends what came after `after` at the pace at which it is read, until there is nothing left to catch up with. */
  async #catchUp(listener: Listener, after: EventPlace): Promise<void> {
    // What another process has come to may lie ahead of this one.
    if (!after.own) await this.#pass();
    let { place } = after;
    let limit: number = limits.streamChangesMax;
    while (place !== this.#place) {
      await listener.room();
      if (listener.isOver || this.#isStopped) return;
      try {
        ({ place, limit } = await this.#deps.turns.run(this.#deps.account, () =>
          this.#sendMissed(listener, place, limit),
        ));
      } catch (error) {
        if (error instanceof StoreUnavailable) await this.#outlast(error);
        else if (!(error instanceof InvalidBookmark)) throw error;
        else {
          place = this.#place;
          listener.send(resetEvent(this.#deps.idOf(place)));
        }
      }
    }
    // Nothing may be awaited between the last look at the place and here.
    this.#join(listener);
  }

  async #sendMissed(
    listener: Listener,
    after: Bookmark,
    limit: number,
  ): Promise<{ readonly place: Bookmark; readonly limit: number }> {
    if (listener.isOver) return { place: after, limit };
    const { changes, next } = await this.#changesAfter(after, { until: this.#place, limit });
    const { idOf, metrics } = this.#deps;
    let text = '';
    const slices = new Slices();
    for (const [index, { log, place }] of changes.entries()) {
      const pause = slices.pause();
      if (pause !== undefined) await pause;
      if (!listener.matches?.(log)) continue;
      text += logEvent(idOf(place), log);
      metrics.streamEvents(1);
      if (text.length < pieceChars) continue;
      // The rest is read again when there is room: logs can be long, and a listener may never read on.
      if (!listener.send(text)) return { place, limit: index + 1 };
      text = '';
    }
    listener.send(text + placeText(idOf(next)));
    return { place: next, limit: Math.min(2 * limit, limits.streamChangesMax) };
  }

  #join(listener: Listener): void {
    if (listener.isOver) return;
    const alike = this.#joined.get(listener.key);
    if (alike === undefined) this.#joined.set(listener.key, new Set([listener]));
    else alike.add(listener);
  }

  async #findPlace(): Promise<void> {
    this.#place = (await this.#changesAfter(undefined)).next;
  }

  #changesAfter(after: Bookmark | undefined, bounds?: { readonly until: Bookmark; readonly limit: number }) {
    const { store, account, sentSince } = this.#deps;
    const query = { account, sentSince: sentSince(), limit: limits.streamChangesMax, ...bounds };
    return store.changes(after === undefined ? query : { ...query, after });
  }

  /** Resolves when the feed has come to where the log is now. */
  #pass(): Promise<void> {
    return new Promise(resolve => {
      this.#passing.push(resolve);
      this.#woken();
    });
  }

  #woken(): void {
    this.#isWoken = true;
    this.#wake();
  }

  /** The connections stay; what they miss meanwhile is sent when the store is back. */
  async #outlast(error: StoreUnavailable): Promise<void> {
    if (!this.#isFailing) this.#deps.logger.warn({ err: error }, 'the stream waits for the store');
    this.#isFailing = true;
    await setTimeout(Math.min(error.retryAfterMs, retryMs), undefined, { ref: false });
  }

  /** A defect: whoever it concerns comes again, and goes on where it was. */
  #fail(error: unknown, concerned: Iterable<Listener>): void {
    this.#deps.logger.error({ err: error }, 'a stream failed');
    for (const listener of [...concerned]) listener.destroy();
  }
}
