import type { EpochMs } from './domain/message.ts';
import { limits } from './limits.ts';
import type { Dropping } from './store/store.ts';

/** Where it is kept what the clock said when the log was last swept. */
export type SweepClock = {
  /** `undefined` when nothing is kept. */
  seen(): Promise<EpochMs | undefined>;
  see(now: EpochMs): Promise<void>;
};

/** A sweep that waits, since the clock leapt and it would drop more than half of what some accounts have. */
export type HeldSweep = Pick<Dropping, 'past' | 'all'> & {
  /** By how much the clock is ahead of what it should say. */
  readonly leapMs: number;
  /** When it goes on without anybody's word, by the same clock. */
  readonly until: EpochMs;
};

export type SweeperOptions = {
  readonly clock: SweepClock;
  /** How long such a sweep waits; 0: not at all. */
  readonly holdMs: number;
  /** How much `drop` would drop of what was sent before a moment. */
  readonly wouldDrop: (sentUntil: EpochMs) => Promise<Dropping>;
  /** Drops what is past. */
  readonly drop: () => Promise<void>;
  readonly now: () => EpochMs;
  /** Milliseconds that no clock on the wall moves. */
  readonly monotonicMs: () => number;
  readonly note: (message: string, detail: object) => void;
};

/**
 * Drops what is past retention, again and again, unless the clock went wrong: a log must not be lost to a clock that is
 * 400 days ahead for a minute. A clock that leapt is one that says more than the time that went by since it was last
 * looked at, in this run or an earlier one. When the sweep would then drop more than half of what accounts have that keep
 * theirs equally long, it waits for the clock to be put right, for somebody to say that it is (`SENTLOG_SWEEP_HOLD=0s`),
 * or for that setting's time.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  /** What the clock said when this run last swept, and when that was. */
  #saw: { readonly now: EpochMs; readonly atMs: number } | undefined;
  #heldAtMs: number | undefined;
  #held: HeldSweep | undefined;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** The sweep that waits, while one does. */
  get held(): HeldSweep | undefined {
    return this.#held;
  }

  async sweep(): Promise<void> {
    const { clock, drop, now } = this.#options;
    if (await this.#waits()) return;
    await drop();
    this.#saw = { now: now(), atMs: this.#options.monotonicMs() };
    await clock.see(this.#saw.now);
  }

  async #waits(): Promise<boolean> {
    const { wouldDrop, holdMs, now, monotonicMs, note } = this.#options;
    const wasHeld = this.#held !== undefined;
    this.#held = undefined;
    const { leapMs, expected } = await this.#leap();
    // What came in since the clock leapt would make less and less of what was there before.
    const dropping = leapMs < limits.clockLeapMs ? undefined : await wouldDrop(expected + limits.clockLeapMs);
    if (dropping === undefined || !dropping.losesMost) {
      if (wasHeld) note('the clock is right again: sweeps go on', {});
      this.#heldAtMs = undefined;
      return false;
    }
    this.#heldAtMs ??= monotonicMs();
    const leftMs = this.#heldAtMs + holdMs - monotonicMs();
    const { past, all } = dropping;
    const detail = { leapMs, past, all };
    if (leftMs <= 0) {
      note(
        'the clock leapt, and more than half of what some accounts have is dropped: it was put right by nobody',
        detail,
      );
      return false;
    }
    this.#held = { leapMs, until: now() + leftMs, past, all };
    const until = new Date(this.#held.until).toISOString();
    if (!wasHeld)
      note(
        'the clock leapt, and a sweep would drop more than half of what some accounts have: it waits. Put the clock right, or start with SENTLOG_SWEEP_HOLD=0s if it is',
        { ...detail, until },
      );
    return true;
  }

  /**
   * By how much the clock moved on beyond the time that went by, and what it was expected to say at most. What went by while no
   * server ran counts as a leap; and where nothing tells what it said before, it may be any: a log whose file of the clock is
   * lost is no safer to drop.
   */
  async #leap(): Promise<{ readonly leapMs: number; readonly expected: EpochMs }> {
    const { clock, now, monotonicMs } = this.#options;
    const seen = (await clock.seen()) ?? this.#saw?.now ?? 0;
    const expected = seen + (this.#saw === undefined ? 0 : monotonicMs() - this.#saw.atMs);
    return { leapMs: now() - expected, expected: seen === 0 ? Infinity : expected };
  }
}

/**
 * Sweeps at once, since what went past retention while no server ran may be what fills the disk, and then again and
 * again, one sweep at a time. Gives what ends it; a sweep that this cuts short has not failed.
 */
export function sweepAgainAndAgain(
  sweeper: Pick<Sweeper, 'sweep'>,
  everyMs: number,
  failed: (error: unknown) => void,
): () => void {
  let isSweeping = false;
  let isEnded = false;
  const sweep = async () => {
    if (isSweeping) return;
    isSweeping = true;
    try {
      await sweeper.sweep();
    } catch (error) {
      if (!isEnded) failed(error);
    } finally {
      isSweeping = false;
    }
  };
  const first = setImmediate(sweep);
  const timer = setInterval(sweep, everyMs);
  return () => {
    isEnded = true;
    clearImmediate(first);
    clearInterval(timer);
  };
}
