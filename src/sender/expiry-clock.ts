import type { EpochMs } from '../domain/message.ts';
import { limits } from '../limits.ts';

export type ExpiryClockOptions = {
  /** How long a clock that leapt is not believed. */
  readonly holdMs: number;
  /** What the clock said last before this run; `undefined` where nothing tells. */
  readonly seen?: EpochMs | undefined;
  /** Milliseconds that no clock on the wall moves. */
  readonly monotonicMs: () => number;
  /** It leapt by so much, and is not believed until then. */
  readonly note: (leap: { readonly leapMs: number; readonly until: EpochMs }) => void;
};

/**
 * Whether messages may end by what the clock says: what has expired stays so, and is reported, when a clock that was days
 * ahead for a minute is put right. One that moved on so much more than the time that went by is believed after a while. What
 * went by while no server ran counts as such a leap, too.
 */
export class ExpiryClock {
  readonly #options: ExpiryClockOptions;
  /** What the clock said when it was believed last, and when that was. */
  #believed: { readonly now: EpochMs; readonly atMs: number };
  #leaptAtMs: number | undefined;

  constructor(now: EpochMs, options: ExpiryClockOptions) {
    this.#options = options;
    this.#believed = { now: options.seen ?? now, atMs: options.monotonicMs() };
  }

  isBelieved(now: EpochMs): boolean {
    const { holdMs, monotonicMs, note } = this.#options;
    const atMs = monotonicMs();
    const leapMs = now - this.#believed.now - (atMs - this.#believed.atMs);
    if (leapMs >= limits.clockLeapMs) {
      const isNew = this.#leaptAtMs === undefined;
      this.#leaptAtMs ??= atMs;
      const leftMs = this.#leaptAtMs + holdMs - atMs;
      if (leftMs > 0) {
        if (isNew) note({ leapMs, until: now + leftMs });
        return false;
      }
    }
    this.#leaptAtMs = undefined;
    this.#believed = { now, atMs };
    return true;
  }
}
