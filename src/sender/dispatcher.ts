import type { AccountId, EpochMs } from '../domain/message.ts';
import { nextWithin } from '../domain/outgoing.ts';
import { deliveryErrorNamed, statusNamed } from '../domain/registry.ts';
import { Unavailable } from '../failures.ts';
import { type GraphBody, graphBody, isRefusal, type Refusal } from '../graph/bodies.ts';
import { type Outcome, outcomeOf } from '../graph/outcomes.ts';
import { usageIn } from '../graph/usage.ts';
import { limits } from '../limits.ts';
import type { Claimed, Outbox, PageLane, Result, Want } from '../outbox/outbox.ts';
import { checkOf } from '../wire/schema-check.ts';
import { quickReplySchema, sendContentSchema } from '../wire/send/send-content.ts';
import type { Carrier, Page, Pages } from './carrier.ts';
import { Claims } from './claims.ts';
import type { ExpiryClock } from './expiry-clock.ts';
import { Looks } from './looks.ts';
import { Pacer } from './pacer.ts';

export type DispatcherDeps = {
  readonly outbox: Outbox;
  readonly carrier: Carrier;
  readonly pages: Pages;
  readonly clock: () => EpochMs;
  /** Where it is absent, messages end by whatever the clock says: it is put forward on purpose. */
  readonly expiry?: Pick<ExpiryClock, 'isBelieved'>;
  /** The log has something to hear. */
  readonly settled: () => void;
  readonly note: (level: 'info' | 'warn' | 'error', message: string, detail: object) => void;
};

const rejectedByOperator = statusNamed('UNDELIVERABLE_REJECTED_OPERATOR').key;
const noSender: Refusal = {
  status: statusNamed('REJECTED_SOURCE'),
  error: deliveryErrorNamed('EC_CONFIGURATION_ERROR'),
};

/** The longest without a look: another process may have added something, or the clock was put forward. */
const lookMsMax = 500;
/**
 * What ends or is added so soon after a look is claimed together with what else is by then: each claim waits for the disk,
 * or for a database. A page saves up what it may send in a tenth of a second, so none loses anything by it.
 */
const lookRest = { leastMs: 10, mostMs: 40 };
const lapseEveryMs = 1000;
/** How long the end waits for answers; what has none by then is left to its echo. */
const closingMsMax = 5000;
/** They vary by half of themselves. */
const backoffMs = { first: 1000, max: limits.sendAgainMsMax / 1.5 };
/** Further than this no two looks are out of order. */
const clockBackMs = 1000;

const contentCheck = checkOf(sendContentSchema);
const quickReplyCheck = checkOf(quickReplySchema);

/**
 * Sends what waits in the outbox, as fast as each page may: no page or account waits for another. A message that cannot
 * be sent now is tried again; what nobody can tell is left for its echo.
 */
export class Dispatcher {
  readonly #deps: DispatcherDeps;
  readonly #claims: Claims;
  readonly #pacers = new Map<string, Pacer>();
  #sending = 0;
  #resets = 0;
  #lapsedAt = 0;
  /** The clock is not believed: what is past its time neither ends nor is sent. */
  #isHolding = false;
  /** At first a clock before this process's may have been ahead. */
  #lookedAt: EpochMs = Number.POSITIVE_INFINITY;
  readonly #looks = new Looks(() => this.#look(), lookRest);
  /** Attempts since the start, by what came of them. */
  readonly counts = { sent: 0, failed: 0, again: 0, unknown: 0 };
  /** Why the outbox could not be used at the last look; `undefined` where it could. */
  outage: Unavailable | undefined;

  constructor(deps: DispatcherDeps) {
    this.#deps = deps;
    const settled = () => {
      deps.settled();
      this.wake();
    };
    this.#claims = new Claims({ ...deps, settled });
  }

  /** Begins with what a process before this one left. */
  async start(): Promise<void> {
    const { outbox, carrier, clock } = this.#deps;
    await outbox.recover(carrier.outlivesProcess ? 'hold' : 'requeue', clock());
    this.#looks.start();
  }

  /** There may be something to send, or it is another time. */
  wake(): void {
    this.#looks.wake();
  }

  /** Resolves when a look that begins now finds nothing to send and nothing is under way, or after `durationMs`. */
  async idle(durationMs: number): Promise<void> {
    const end = performance.now() + durationMs;
    this.#lapsedAt = 0;
    for (let quiet = 0; quiet < 2 && performance.now() < end && !this.#looks.isClosed; ) {
      await this.#looks.next();
      quiet = this.#sending === 0 && !this.#claims.isSettling ? quiet + 1 : 0;
    }
  }

  /** Pages that are not sending, and why. */
  paused(): readonly { readonly account: AccountId; readonly sender: string; readonly reason: string }[] {
    return [...this.#pacers].flatMap(([key, pacer]) => {
      const reason = pacer.paused();
      const [account, sender] = pageOf(key);
      return reason === undefined ? [] : [{ account, sender, reason }];
    });
  }

  /** As if no page had ever been refused; nothing is sent until `drop` has dropped what there is. */
  async reset(drop: () => Promise<void>): Promise<void> {
    this.#resets++;
    try {
      await drop();
    } finally {
      this.#resets--;
    }
    this.#pacers.clear();
    this.wake();
  }

  /** Sends nothing more; what is being sent is waited for a while, and what came of it kept. */
  async close(): Promise<void> {
    await this.#looks.close();
    this.#claims.close();
    for (const end = performance.now() + closingMsMax; this.#sending > 0 || this.#claims.isSettling; ) {
      if (performance.now() > end) this.#deps.carrier.giveUp?.();
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  }

  async #look(): Promise<number> {
    try {
      await this.#followClock();
      await this.#lapse();
      const nextMs = await this.#dispatch();
      this.outage = undefined;
      return nextMs;
    } catch (error) {
      const isOutage = error instanceof Unavailable;
      this.outage = isOutage ? error : undefined;
      this.#deps.note(isOutage ? 'warn' : 'error', 'sending waits: the outbox cannot be used now', { err: error });
      return lookMsMax;
    }
  }

  /** What waits for a moment soon would wait for the old time to come again. */
  async #followClock(): Promise<void> {
    const { outbox, clock } = this.#deps;
    const now = clock();
    if (now < this.#lookedAt - clockBackMs) while (await outbox.clockSetBack(now));
    this.#lookedAt = now;
  }

  async #lapse(): Promise<void> {
    const { outbox, clock, settled, expiry } = this.#deps;
    const now = clock();
    if (Math.abs(now - this.#lapsedAt) < lapseEveryMs) return;
    this.#isHolding = expiry?.isBelieved(now) === false;
    if (this.#isHolding) return;
    while (await outbox.lapse(now)) settled();
    this.#lapsedAt = now;
    settled();
  }

  /** Claims what may be sent now and sends it; gives how long nothing more can be. */
  async #dispatch(): Promise<number> {
    const { outbox, clock } = this.#deps;
    // It wakes when it is known again, or when what is being dropped is gone.
    if (this.#claims.isUnsure || this.#resets > 0) return lookMsMax;
    await this.#claims.giveBack();
    const { pages, nextScheduledAt } = await outbox.waiting(clock());
    const now = clock();
    let nextAt = Math.min(now + lookMsMax, nextScheduledAt ?? Number.POSITIVE_INFINITY);
    const due = pages.filter(one => {
      if (one.dueAt > now) nextAt = Math.min(nextAt, one.dueAt);
      return one.dueAt <= now;
    });
    await this.#refreshPaused();
    const wants = this.#wants(due, now);
    if (wants.length > 0) {
      const claimed = await this.#claims.claim(wants, now);
      for (const { account, sender, lane, count } of wants) {
        const taken = claimed.filter(one => one.account === account && one.sender === sender && one.lane === lane);
        if (taken.length > 0) this.#pacer({ account, sender }).spend(lane, taken.length, now);
        if (taken.length === count) nextAt = now;
      }
      for (const one of claimed) void this.#send(one);
    }
    for (const one of due) nextAt = Math.min(nextAt, Math.max(now + 1, this.#pacer(one).nextAt(one.lane, now)));
    // When all is under way, the next that ends wakes; what is held is in line, and gives nothing.
    const isFull = this.#sending >= limits.sendingMax || this.#claims.count >= limits.unsettledMax;
    return isFull || this.#isHolding ? lookMsMax : Math.min(lookMsMax, Math.max(1, nextAt - clock()));
  }

  /** Somebody may have mended what a page paused for, or removed it. */
  async #refreshPaused(): Promise<void> {
    for (const [key, pacer] of this.#pacers) {
      if (pacer.paused() === undefined) continue;
      const page = await this.#deps.pages.page(...pageOf(key));
      if (page === undefined) pacer.removed();
      else pacer.configured(page.version);
    }
  }

  /** Of each page as much as it may send, and no page more than its part of what may be under way. */
  #wants(due: readonly PageLane[], now: EpochMs): readonly Want[] {
    const room = Math.min(limits.sendingMax - this.#sending, limits.unsettledMax - this.#claims.count);
    const share = Math.max(1, Math.floor(room / Math.max(1, due.length)));
    const wants: Want[] = [];
    let left = room;
    for (const page of rotated(due, now)) {
      const count = Math.min(left, share, this.#pacer(page).allowed(page.lane, now));
      if (count < 1) continue;
      wants.push({ account: page.account, sender: page.sender, lane: page.lane, count });
      left -= count;
    }
    return wants;
  }

  #pacer({ account, sender }: { readonly account: number; readonly sender: string }): Pacer {
    const key = JSON.stringify([account, sender]);
    let pacer = this.#pacers.get(key);
    if (pacer === undefined) {
      pacer = new Pacer();
      this.#pacers.set(key, pacer);
    }
    return pacer;
  }

  async #send(claimed: Claimed): Promise<void> {
    this.#sending++;
    const result = await this.#attempt(claimed);
    this.counts[result.kind === 'done' ? 'sent' : result.kind]++;
    this.#sending--;
    this.#claims.settle(claimed, result);
  }

  async #attempt(claimed: Claimed): Promise<Result> {
    const { carrier, clock, note } = this.#deps;
    const { id, account, message } = claimed;
    const pacer = this.#pacer(claimed);
    let isCalled = false;
    try {
      const prepared = await this.#prepare(claimed, pacer);
      if ('kind' in prepared) return prepared;
      isCalled = true;
      const answer = await carrier.send(account, prepared.page, prepared.body);
      const usage = answer.kind === 'response' ? usageIn(answer.headers) : undefined;
      const result = this.#judge(claimed, pacer, outcomeOf(answer), usage?.regainMs);
      if (usage !== undefined) pacer.used(usage.percent, clock(), usage.regainMs);
      return result;
    } catch (error) {
      note('error', 'a message could not be sent', { err: error, messageId: message.messageId });
      const now = clock();
      // Nothing of it has left.
      if (!isCalled) return { id, kind: 'again', dueAt: now + heldUpBackoff(message.dueAt, now), counts: false };
      // Whether it was sent is not known: it is as when its answer was lost.
      pacer.heldUp('its messages cannot be sent by a defect', now, undefined);
      return { id, kind: 'unknown' };
    } finally {
      if (!isCalled) pacer.untried();
    }
  }

  /** What is to be sent now, and over which page; or what becomes of the message without a call. */
  async #prepare(claimed: Claimed, pacer: Pacer): Promise<Result | { readonly page: Page; readonly body: GraphBody }> {
    const { pages, clock } = this.#deps;
    const { id, account, sender, message } = claimed;
    const now = clock();
    const within = nextWithin(message.window, now);
    if (within > now) return { id, kind: 'again', dueAt: within, counts: false };
    const page = await pages.page(account, sender);
    if (page === undefined) {
      pacer.removed();
      return refused(id, noSender);
    }
    pacer.configured(page.version);
    const body = bodyOf(claimed);
    return isRefusal(body) ? refused(id, body) : { page, body };
  }

  #judge(claimed: Claimed, pacer: Pacer, outcome: Outcome, regainMs: number | undefined): Result {
    const { id, sender, tries, message } = claimed;
    const now = this.#deps.clock();
    if (outcome.kind === 'unknown') {
      // When all answers are lost, no more messages are left to their echoes than tell whether that is over.
      pacer.heldUp(outcome.reason, now, undefined);
      return { id, kind: 'unknown' };
    }
    if (outcome.kind !== 'failed') {
      pacer.succeeded();
      return { id, ...outcome };
    }
    const { effect, error, retries, reason } = outcome;
    let isHeldUp = effect === 'throttled' || effect === 'outage';
    if (isHeldUp) pacer.heldUp(reason, now, regainMs);
    else if (effect === 'service') {
      // One message that fails again and again says nothing of its page.
      if (tries === 0 || pacer.paused() !== undefined) pacer.heldUp(reason, now, regainMs);
      isHeldUp = pacer.paused() !== undefined;
    } else if (effect === 'page' || effect === 'page-for-now') {
      pacer.failed(reason, now);
      this.#deps.note('warn', 'a page cannot send, and pauses', { sender, reason });
    } else pacer.untried();
    // That Meta throttles, or is away, does not count against a message.
    if (isHeldUp)
      return { id, kind: 'again', dueAt: now + heldUpBackoff(message.dueAt, now), errorKey: error.key, counts: false };
    if (tries < retries) return { id, kind: 'again', dueAt: now + backoff(tries), errorKey: error.key, counts: true };
    return { id, kind: 'failed', statusKey: rejectedByOperator, errorKey: error.key };
  }
}

function pageOf(key: string): readonly [AccountId, string] {
  return JSON.parse(key);
}

function refused(id: number, { status, error }: Refusal): Result {
  return { id, kind: 'failed', statusKey: status.key, errorKey: error.key };
}

/** What was accepted was checked then: that it does not fit now is a defect. */
function bodyOf({ message }: Claimed): GraphBody | Refusal {
  const content: unknown = JSON.parse(message.contentJson);
  const quickReplies: unknown =
    message.quickRepliesJson === undefined ? undefined : JSON.parse(message.quickRepliesJson);
  if (!contentCheck.Check(content)) throw new TypeError('a message in the outbox has no content that can be sent');
  const { messageId, destination } = message;
  if (quickReplies === undefined) return graphBody({ messageId, destination, content });
  if (!Array.isArray(quickReplies)) throw new TypeError('a message in the outbox has no list of quick replies');
  const replies = quickReplies.filter(one => quickReplyCheck.Check(one));
  return graphBody({ messageId, destination, content, quickReplies: replies });
}

/** Longer each time. */
function backoff(tries: number): number {
  return spread(backoffMs.first * 2 ** Math.min(tries, 10));
}

/** As long as it has waited already, which is longer each time too, and has no need of tries that count. */
function heldUpBackoff(dueAt: EpochMs, now: EpochMs): number {
  return spread(Math.max(backoffMs.first, now - dueAt));
}

/** So that what failed together is not tried together. */
function spread(durationMs: number): number {
  return Math.round(Math.min(backoffMs.max, durationMs) * (0.5 + Math.random()));
}

/** Whose turn is first changes, so that who comes first by name has no advantage when there is little room. */
function rotated(pages: readonly PageLane[], now: EpochMs): readonly PageLane[] {
  const start = pages.length === 0 ? 0 : Math.floor(now) % pages.length;
  return [...pages.slice(start), ...pages.slice(0, start)];
}
