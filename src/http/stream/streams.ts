import type { ServerResponse } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { allows, type Scope } from '../../accounts/authenticator.ts';
import { valueCountOf } from '../../domain/filter.ts';
import type { AccountId } from '../../domain/message.ts';
import { Unavailable } from '../../failures.ts';
import { limits } from '../../limits.ts';
import { Turns } from '../../turns.ts';
import type { ServerDeps } from '../deps.ts';
import { ApiError, invalid } from '../errors.ts';
import { Backlog } from './backlog.ts';
import { EventIds, type EventPlace } from './event-ids.ts';
import { Feed } from './feed.ts';
import { Listener, type Listening } from './listener.ts';

type Deps = Pick<
  ServerDeps,
  'store' | 'authenticator' | 'clock' | 'retentionOf' | 'cursorSecret' | 'metrics' | 'logger' | 'timeouts'
>;

const retryAfterS = '10';

export const streamScope: Scope = 'messenger:logs:read';

/** Everybody who follows the log in this process, and a feed for each account that somebody follows. */
export class Streams {
  readonly #deps: Deps;
  readonly #ids: EventIds;
  readonly #feeds = new Map<AccountId, Feed>();
  readonly #listeners = new Set<Listener>();
  readonly #backlog = new Backlog();
  readonly #turns = new Turns<AccountId>(limits.catchUpsMax);
  #timers: readonly NodeJS.Timeout[] = [];
  /** Credentials that are being proven again. */
  readonly #checking = new Set<string>();

  /** `closing` ends all streams. */
  constructor(deps: Deps, closing: AbortSignal) {
    this.#deps = deps;
    this.#ids = new EventIds(deps.cursorSecret);
    closing.addEventListener('abort', () => this.#finish(this.#listeners), { once: true });
  }

  /** The place of an event that was sent to this account; an `ApiError` 400, by the name it was given as, for anything else. */
  placeOf(id: string, account: AccountId, name: string): EventPlace {
    const place = this.#ids.open(id, account);
    if (place === undefined) throw invalid(name, 'is damaged, or belongs to another account');
    return place;
  }

  /**
   * Begins to send what `who` listens to; what comes after `after`, or from now on. An `ApiError` when there are too many
   * listeners already; rejects with `StoreUnavailable` when the log cannot be followed now.
   */
  async open(who: Listening, response: ServerResponse, after: EventPlace | undefined): Promise<Listener> {
    this.#refuseTooMany(who);
    const listener = new Listener(who, response);
    const feed = this.#feedOf(who.account);
    this.#enter(listener, feed);
    try {
      await feed.started;
    } catch (error) {
      listener.destroy();
      throw error;
    }
    feed.open(listener, after);
    return listener;
  }

  #refuseTooMany({ account, filter }: Listening): void {
    const violation = (max: number, whose: string) => ({
      violations: [{ property: 'stream', violation: `has ${max} listeners${whose}, which is as many as there can be` }],
      headers: { 'retry-after': retryAfterS },
    });
    const own = this.#feeds.get(account)?.listeners ?? new Set();
    if (own.size >= limits.accountListenersMax)
      throw new ApiError('E429', violation(limits.accountListenersMax, ' of this account'));
    if (this.#listeners.size >= limits.listenersMax) throw new ApiError('E503', violation(limits.listenersMax, ''));
    const values = filter === undefined ? 0 : valueCountOf(filter);
    const valuesOf = (listeners: ReadonlySet<Listener>) =>
      listeners.values().reduce((sum, one) => sum + one.values, values);
    const tooMany = (whose: string) => ({
      violations: [
        { property: 'stream', violation: `has listeners${whose} whose filters name as many values as there can be` },
      ],
      headers: { 'retry-after': retryAfterS },
    });
    if (valuesOf(own) > limits.accountListenerValuesMax) throw new ApiError('E429', tooMany(' of this account'));
    if (valuesOf(this.#listeners) > limits.listenersValuesMax) throw new ApiError('E503', tooMany(''));
  }

  #feedOf(account: AccountId): Feed {
    const running = this.#feeds.get(account);
    if (running !== undefined && !running.isStopped) return running;
    const { store, metrics, logger, clock, retentionOf } = this.#deps;
    const feed = new Feed({
      store,
      metrics,
      logger,
      account,
      sentSince: () => clock() - retentionOf(account),
      idOf: place => this.#ids.seal(place, account),
      backlog: this.#backlog,
      turns: this.#turns,
    });
    this.#feeds.set(account, feed);
    return feed;
  }

  #enter(listener: Listener, feed: Feed): void {
    feed.listeners.add(listener);
    this.#listeners.add(listener);
    this.#count();
    listener.once('close', () => {
      this.#backlog.forget(listener);
      this.#listeners.delete(listener);
      feed.leave(listener);
      if (feed.listeners.size === 0) {
        feed.stop();
        if (this.#feeds.get(listener.who.account) === feed) this.#feeds.delete(listener.who.account);
      }
      this.#count();
    });
  }

  #count(): void {
    this.#deps.metrics.streamListeners(this.#listeners.size);
    if (this.#listeners.size === 0) {
      for (const timer of this.#timers) clearInterval(timer);
      this.#timers = [];
    } else if (this.#timers.length === 0)
      this.#timers = [
        setInterval(() => this.#beat(), this.#deps.timeouts.heartbeatMs).unref(),
        setInterval(() => this.#check(), limits.credentialCheckMs).unref(),
      ];
  }

  #beat(): void {
    for (const feed of this.#feeds.values()) feed.beat();
  }

  /** Each credential for itself: one that takes long to prove keeps no other from being refused. */
  #check(): void {
    for (const [authorization, alike] of Map.groupBy(this.#listeners, ({ who }) => who.authorization)) {
      if (this.#checking.has(authorization)) continue;
      this.#checking.add(authorization);
      this.#checkAlike(alike).finally(() => this.#checking.delete(authorization));
    }
  }

  async #checkAlike(alike: readonly Listener[]): Promise<void> {
    try {
      for (const listener of await this.#refused(alike)) listener.shutOut();
    } catch (error) {
      // Whether a credential is still good cannot be told now: it stands until that is known.
      if (!(error instanceof Unavailable))
        this.#deps.logger.error({ err: error }, 'a credential of streams was not checked');
    }
  }

  /** Those of listeners with one credential that it no longer lets in as they were. */
  async #refused(alike: readonly Listener[]): Promise<readonly Listener[]> {
    const [first] = alike;
    const principal = first && (await this.#deps.authenticator.authenticate(first.who.authorization));
    if (principal === undefined || !allows(principal, streamScope)) return alike;
    const { account, binding } = principal;
    return alike.filter(({ who }) => who.account !== account.id || !isDeepStrictEqual(who.binding, binding));
  }

  #finish(listeners: Iterable<Listener>): void {
    for (const listener of [...listeners]) listener.finish();
  }
}
