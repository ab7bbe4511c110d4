import type { EpochMs } from '../domain/message.ts';
import type { Lane } from '../domain/outgoing.ts';
import { limits } from '../limits.ts';

const laneRates: Readonly<Record<Lane, number>> = { text: limits.textsPerSecond, media: limits.mediaPerSecond };

/** Held up so many times in a row, whatever the conversation, the page as a whole is. */
const heldUpInRowMax = 3;
const heldUpPauseMs = { first: 1000, max: 60_000 };
const faultPauseMs = { first: 60_000, max: 3_600_000 };
/** From here on a page goes slower, so that it is never refused. */
const usageSlowPercent = 80;
const usageFullPercent = 100;
const usagePauseMs = 60_000;

/** Half of what a page may save up, so that a look that comes late loses nothing. */
const stretchMs = 50;

/** How fast one page may send, and whether at all. */
export class Pacer {
  readonly #tokens = new Map<Lane, { count: number; at: EpochMs }>();
  #pausedUntil: EpochMs = 0;
  #askedAt: EpochMs = 0;
  #reason: string | undefined;
  #heldUpInRow = 0;
  #pauses = 0;
  /** One message is under way to see whether the page sends again. */
  #isProbing = false;
  #isSlow = false;
  #isRemoved = false;
  #version: string | undefined;

  /** Messages of this lane that may be sent now. After a fault only one is tried. */
  allowed(lane: Lane, now: EpochMs): number {
    if (this.#isRemoved) return limits.sendingMax;
    this.#follow(now);
    if (now < this.#pausedUntil) return 0;
    const { count } = this.#refilled(lane, now);
    return Math.floor(this.#reason === undefined ? count : Math.min(1, count));
  }

  spend(lane: Lane, count: number, now: EpochMs): void {
    if (this.#isRemoved) return;
    this.#refilled(lane, now).count -= count;
    // The one that is tried: the next waits for what comes of it.
    if (this.#reason === undefined) return;
    this.#pausedUntil = now + probeMs;
    this.#isProbing = true;
  }

  /** What was tried did not come to a call, or its answer says nothing of the page: the next is tried at once. */
  untried(): void {
    if (!this.#isProbing) return;
    this.#isProbing = false;
    this.#pausedUntil = 0;
  }

  /** When something may be sent again: not each message at its moment, but all of a stretch together. */
  nextAt(lane: Lane, now: EpochMs): EpochMs {
    if (this.#isRemoved) return now;
    const { count } = this.#refilled(lane, now);
    const rate = this.#rate(lane);
    const wanted = Math.max(1, (rate * stretchMs) / 1000);
    const refillMs = count >= 1 ? 0 : Math.ceil(((wanted - count) * 1000) / rate);
    return Math.max(this.#pausedUntil, now + refillMs);
  }

  succeeded(): void {
    this.#heldUpInRow = 0;
    this.#pauses = 0;
    this.#isProbing = false;
    this.#pausedUntil = 0;
    this.#reason = undefined;
  }

  /** Meta throttles, cannot be reached, or does not say what became of a message. */
  heldUp(reason: string, now: EpochMs, regainMs: number | undefined): void {
    this.#follow(now);
    if (regainMs !== undefined) this.#pause(reason, now, regainMs);
    else if (++this.#heldUpInRow >= heldUpInRowMax) this.#pauseLonger(reason, now, heldUpPauseMs);
  }

  /** All that the page sends would fail alike. */
  failed(reason: string, now: EpochMs): void {
    this.#follow(now);
    this.#pauseLonger(reason, now, faultPauseMs);
  }

  used(percent: number, now: EpochMs, regainMs: number | undefined): void {
    this.#follow(now);
    this.#isSlow = percent >= usageSlowPercent;
    if (percent >= usageFullPercent) this.#pause('its budget at Meta is used up', now, regainMs ?? usagePauseMs);
  }

  /** The page is none of the account's any more: what waits for it ends without a call, which needs no pace. */
  removed(): void {
    this.succeeded();
    this.#isRemoved = true;
  }

  /** Somebody changed the page's settings: what was wrong may be mended. */
  configured(version: string): void {
    this.#isRemoved = false;
    if (this.#version !== undefined && this.#version !== version) this.succeeded();
    this.#version = version;
  }

  /** Why the page is not sending; `undefined` when it is. */
  paused(): string | undefined {
    return this.#reason;
  }

  /** A clock that was set back goes on from where it is: a pause has as much left as it had. */
  #follow(now: EpochMs): void {
    const backMs = this.#askedAt - now;
    // What is asked of the page at the same time looked at the clock a little earlier or later.
    if (backMs > askedApartMsMax) this.#pausedUntil -= backMs;
    else if (backMs > 0) return;
    this.#askedAt = now;
  }

  /** Longer each time; of all that were under way together, the first failure alone is a time. */
  #pauseLonger(reason: string, now: EpochMs, bounds: { readonly first: number; readonly max: number }): void {
    if (now < this.#pausedUntil && !this.#isProbing) return;
    this.#pause(reason, now, doubled(bounds, this.#pauses++));
  }

  #pause(reason: string, now: EpochMs, durationMs: number): void {
    // What was waited for is the answer to the one that was tried.
    const until = this.#isProbing ? 0 : this.#pausedUntil;
    this.#isProbing = false;
    this.#reason = reason;
    this.#pausedUntil = Math.max(until, now + durationMs);
  }

  #rate(lane: Lane): number {
    return laneRates[lane] * (this.#isSlow ? 0.1 : 1);
  }

  #refilled(lane: Lane, now: EpochMs): { count: number } {
    const rate = this.#rate(lane);
    // More than one, or a look that comes late would lose what it came late by.
    const room = Math.max(2, rate / 10);
    let tokens = this.#tokens.get(lane);
    if (tokens === undefined) {
      tokens = { count: room, at: now };
      this.#tokens.set(lane, tokens);
    }
    // A clock that was set back gives nothing, and takes nothing.
    tokens.count = Math.min(room, tokens.count + (Math.max(0, now - tokens.at) * rate) / 1000);
    tokens.at = now;
    return tokens;
  }
}

/** So much later than it looked at the clock a look may ask, where an outbox over a database takes long. */
const askedApartMsMax = 10_000;

/** What a message that is tried after a fault may take at most. */
const probeMs = 30_000;

function doubled({ first, max }: { readonly first: number; readonly max: number }, times: number): number {
  return Math.min(max, first * 2 ** Math.min(times, 20));
}
