import type { EpochMs } from './domain/message.ts';
import { limits } from './limits.ts';
import type { Dropping } from './store/store.ts';

/** Where it is kept what the clock said when the log was last swept. */
export type SweepClock = {
  /** `undefined` when nothing is kept. */
  seen(): Promise<EpochMs | undefined>;
  see(now: EpochMs): Promise<void>;
};

/** A sweep that waits, since the clock leapt, and what it would drop makes more than half of what some accounts have. */
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
  /** How long messages are kept of the account that keeps its own shortest. */
  readonly shortestRetentionMs: () => number;
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
 *
 * Leaps that are too small to be asked about drop little each, and all of the log together: they gather, less the time that
 * went by since, and from half of the shortest time that messages are kept a sweep waits for them too.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  /** What the clock said when this run last swept, when that was, and what small leaps had come to by then. */
  #saw: { readonly now: EpochMs; readonly atMs: number; readonly gatheredMs: number } | undefined;
  /** Since when a sweep waits, and whether for leaps that gathered. */
  #holding: { readonly atMs: number; readonly isGathered: boolean } | undefined;
  #held: HeldSweep | undefined;
  /** Since when the clock says less than it did once. */
  #behindSinceMs: number | undefined;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** The sweep that waits, while one does. */
  get held(): HeldSweep | undefined {
    return this.#held;
  }

  async sweep(): Promise<void> {
    const { clock, drop, now, monotonicMs } = this.#options;
    const leap = await this.#leap();
    if (await this.#waits(leap)) return;
    await drop();
    // What is believed in the end is over.
    const gatheredMs = this.#holding === undefined ? leap.keptMs : 0;
    this.#holding = undefined;
    this.#saw = { now: now(), atMs: monotonicMs(), gatheredMs };
    await clock.see(this.#believed(leap.seen, this.#saw));
  }

  /**
   * A clock that was put back is believed after as long as one that leapt: by what it says, all that was kept until then would
   * be of after the next leap.
   */
  #believed(seen: EpochMs, { now, atMs }: { readonly now: EpochMs; readonly atMs: number }): EpochMs {
    if (now >= seen) this.#behindSinceMs = undefined;
    else this.#behindSinceMs ??= atMs;
    const isBelieved = this.#behindSinceMs === undefined || atMs - this.#behindSinceMs >= this.#options.holdMs;
    return isBelieved ? now : seen;
  }

  async #waits(leap: Leap): Promise<boolean> {
    const { holdMs, now, monotonicMs, note } = this.#options;
    const held = await this.#wouldLose(leap);
    const wasHeld = this.#held !== undefined;
    this.#held = undefined;
    if (held === undefined) {
      if (wasHeld) note('the clock is right again: sweeps go on', {});
      this.#holding = undefined;
      return false;
    }
    this.#holding ??= { atMs: monotonicMs(), isGathered: leap.isGathered };
    const leftMs = this.#holding.atMs + holdMs - monotonicMs();
    if (leftMs <= 0) {
      note(
        'the clock leapt, and more than half of what some accounts have is dropped: it was put right by nobody',
        held,
      );
      return false;
    }
    this.#held = { ...held, until: now() + leftMs };
    const until = new Date(this.#held.until).toISOString();
    if (!wasHeld)
      note(
        'the clock leapt, and a sweep would drop more than half of what some accounts have: it waits. Put the clock right, or start with SENTLOG_SWEEP_HOLD=0s if it is',
        { ...held, until },
      );
    return true;
  }

  /** What a sweep would drop that has to wait; `undefined` where it need not. */
  async #wouldLose({ leapMs, expected, gatheredMs, isGathered }: Leap): Promise<Omit<HeldSweep, 'until'> | undefined> {
    if (leapMs < limits.clockLeapMs && !isGathered) return undefined;
    // What came in since the clock leapt would make less and less of what was there before.
    const { past, all, losesMost } = await this.#options.wouldDrop(expected + limits.clockLeapMs);
    if (!losesMost && !(isGathered && past > 0)) return undefined;
    return { leapMs: isGathered ? gatheredMs : leapMs, past, all };
  }

  /**
   * What went by while no server ran counts as a leap; and where nothing tells what the clock said before, it may be any: a
   * log whose file of the clock is lost is no safer to drop.
   */
  async #leap(): Promise<Leap> {
    const { clock, now, monotonicMs, shortestRetentionMs } = this.#options;
    const seen = (await clock.seen()) ?? this.#saw?.now ?? 0;
    const [nowMs, atMs] = [now(), monotonicMs()];
    const saw = this.#saw ?? { now: nowMs, atMs, gatheredMs: 0 };
    const elapsedMs = atMs - saw.atMs;
    // What is kept may be by another server's clock, which is always a little off: small leaps gather by this one's alone.
    const ownLeapMs = nowMs - saw.now - elapsedMs;
    const leapMs = this.#behindSinceMs === undefined ? nowMs - seen - elapsedMs : ownLeapMs;
    // While a sweep waits, nothing is taken off: it would go on by itself before its time.
    const beforeMs = Math.max(0, saw.gatheredMs - ((this.#holding?.atMs ?? atMs) - saw.atMs));
    const gatheredMs = beforeMs + ownLeapMs;
    const isSmall = ownLeapMs < limits.clockLeapMs;
    const isGathered =
      gatheredMs >= Math.max(limits.clockLeapMs, shortestRetentionMs() / 2) &&
      (isSmall || beforeMs >= limits.clockLeapMs || this.#holding?.isGathered === true);
    return {
      seen,
      leapMs,
      expected: seen === 0 ? Infinity : seen + elapsedMs,
      gatheredMs,
      isGathered,
      keptMs: isSmall ? Math.max(0, gatheredMs) : beforeMs,
    };
  }
}

type Leap = {
  /** What the clock is known to have said; 0 where nothing tells. */
  readonly seen: EpochMs;
  /** By how much the clock moved on beyond the time that went by. */
  readonly leapMs: number;
  /** What it was expected to say at most. */
  readonly expected: EpochMs;
  /** What this leap and small ones before it come to, less the time that went by since. */
  readonly gatheredMs: number;
  /** Whether that is so much that they may have dropped most of the log. */
  readonly isGathered: boolean;
  /** What of it counts on when the sweep does not wait: a leap that was asked about by itself does not. */
  readonly keptMs: number;
};

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
