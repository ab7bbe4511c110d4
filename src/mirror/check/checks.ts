import { setTimeout as pause } from 'node:timers/promises';
import type { AccountId, EpochMs } from '../../domain/message.ts';
import { Unavailable, Unusable } from '../../failures.ts';
import { limits } from '../../limits.ts';
import { formatDateTime } from '../../wire/date-time.ts';
import { present } from '../../wire/present.ts';
import type { Mirrors } from '../mirrors.ts';
import { budgetOf, windowMs, withinAllowed } from '../pace.ts';
import { beginning, type Place, readPlace } from '../place.ts';
import { settled } from '../plan.ts';
import { type Check, type Mirror, MirrorError, MirrorGone, type MirrorRows } from '../rows.ts';
import type { MirrorNote } from '../worker.ts';
import { type CheckOptions, checkMirror, type Difference } from './check.ts';
import { type AskLog, askLog } from './log-client.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** What is so near an end of what a side shows may be there for one question and not for the next. */
const marginMs = 5 * minuteMs;

type RangeOptions = {
  readonly clock: () => EpochMs;
  /** How far back the log here shows the account's messages. */
  readonly retentionMs: number;
  /** How far back is looked, at most; as far as both sides go when it is absent. */
  readonly hours?: number;
};

/** What is compared, and a line for each part of what was asked for that is not. */
type CheckedRange = Pick<CheckOptions, 'from' | 'until' | 'gaps' | 'horizon'> & { readonly leftOut: readonly string[] };

/**
 * What can be compared of a mirror: what it was to read and has read, what neither side lets go of meanwhile, and what
 * is no longer on its way here. Rejects with `MirrorError` where there is nothing of that.
 */
export async function checkedRange(
  mirror: Mirror,
  rows: Pick<MirrorRows, 'place'>,
  { clock, retentionMs, hours }: RangeOptions,
): Promise<CheckedRange> {
  const now = clock();
  const place = settled(await placeOf(mirror, rows), now, { ...mirror, retentionMs });
  const { head, reads, skewMs, gaps, begunAt = mirror.createdAt + skewMs } = place;
  const later = 'it can be checked once it follows the other side';
  if (head === undefined) throw new MirrorError(`the mirror "${mirror.name}" has read nothing yet: ${later}`);
  if (reads.some(read => read.kind === 'catchUp'))
    throw new MirrorError(`the mirror "${mirror.name}" is catching up: ${later}`);
  const theirNow = now + skewMs;
  const leaving = theirNow - windowMs + 6 * marginMs;
  const asked = hours === undefined ? leaving : theirNow - hours * hourMs;
  const bounds = [
    { at: leaving, why: 'the other side shows 48 hours, and what is about to leave it is not compared' },
    { at: begunAt - Math.min(mirror.sinceMs, windowMs - marginMs), why: 'the mirror was told to read from then on' },
    { at: now - retentionMs + marginMs, why: `the log here goes back ${shownHours(retentionMs)}` },
  ];
  const bound = bounds.reduce((a, b) => (b.at > a.at ? b : a));
  const from = Math.max(asked, bound.at);
  const unread = reads.filter(read => read.kind === 'head').map(read => read.from);
  const until = Math.min(theirNow - 2 * marginMs, head, ...unread);
  if (until <= from)
    throw new MirrorError(
      `nothing of what was sent from ${formatDateTime(from)} on can be compared yet: what is younger than ` +
        `${(2 * marginMs) / minuteMs} minutes may still be on its way here`,
    );
  const horizon = () => marginMs + Math.max(clock() + skewMs - windowMs, clock() - retentionMs);
  const missing = gaps.filter(gap => gap.from < until && gap.until > from);
  const leftOut = [
    ...(bound.at > asked ? [`what was sent before ${formatDateTime(from)}: ${bound.why}`] : []),
    ...missing.map(
      gap => `what was sent from ${formatDateTime(gap.from)} to ${formatDateTime(gap.until)}: ${gap.reason}`,
    ),
  ];
  return { from, until, gaps, horizon, leftOut };
}

/** `36 hours`, or `36.5 hours`. */
function shownHours(ms: number): string {
  return `${Math.round((ms / hourMs) * 100) / 100} hours`;
}

async function placeOf({ id, name }: Mirror, rows: Pick<MirrorRows, 'place'>): Promise<Place> {
  const text = await rows.place(id);
  return text === undefined ? beginning : readPlace(text, name);
}

/**
 * Resolves once there is a request for whoever checks a mirror. Half of what can wait is left to the mirror itself; where
 * it takes more, one is taken of what can wait every few seconds, so that the check gets on.
 */
export async function turnOf(
  mirror: Mirror,
  rows: Pick<MirrorRows, 'spend' | 'place'>,
  clock: () => EpochMs,
  wait: (ms: number) => Promise<void>,
): Promise<void> {
  for (let waitedMs = 0; ; ) {
    const place = await placeOf(mirror, rows);
    const { all, patient } = budgetOf(place, withinAllowed(place, { ...mirror, retentionMs: windowMs }));
    const half = Math.max(1, Math.floor(patient / 2));
    const budget = { all, patient: waitedMs < patienceMs ? half : patient };
    const fullForMs = await rows.spend(mirror.id, clock(), budget, true);
    if (fullForMs === undefined) return;
    const ms = Math.min(fullForMs, 1000);
    await wait(ms);
    waitedMs += ms;
  }
}

const patienceMs = 10_000;

export type ChecksOptions = {
  readonly mirrors: Pick<Mirrors, 'key'>;
  readonly rows: MirrorRows;
  /** How far back the log here shows an account's messages, at this moment. */
  readonly retentionOf: (account: AccountId) => number;
  readonly fetch: typeof fetch;
  readonly clock: () => EpochMs;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly note: (note: MirrorNote) => void;
};

/** How the check of a mirror is that this process has begun last: `isRunning` also while it waits for its turn. */
export type CheckState = { readonly isRunning: boolean; readonly progress?: string; readonly failure?: string };

type Begun = { readonly mirror: Mirror; readonly stopping: AbortController; progress?: string };

/**
 * Checks that somebody began and does not wait for: what they come to is kept with the mirror. One after the other, and
 * each account has one at a time: whoever checks much must not take what the others of this process need.
 */
export class MirrorChecks {
  readonly #options: ChecksOptions;
  readonly #stopping = new AbortController();
  readonly #begun = new Map<number, Begun>();
  readonly #failures = new Map<number, string>();
  /** When all that were begun are over. */
  #over: Promise<void> = Promise.resolve();

  constructor(options: ChecksOptions) {
    this.#options = options;
  }

  state(id: number): CheckState {
    const begun = this.#begun.get(id);
    return {
      isRunning: begun !== undefined,
      ...present({ progress: begun?.progress, failure: this.#failures.get(id) }),
    };
  }

  /**
   * Begins to compare what is left at the other side with ours. Throws `MirrorError` while a mirror of the account is being
   * checked already, and for one that is paused.
   */
  begin(mirror: Mirror, ours: AskLog): void {
    const { id, account } = mirror;
    const before = [...this.#begun.values()].find(one => one.mirror.account === account);
    if (before !== undefined)
      throw new MirrorError(`the mirror "${before.mirror.name}" is being checked: an account has one check at a time`);
    checkGoing(mirror);
    this.#failures.delete(id);
    const begun: Begun = { mirror, stopping: new AbortController() };
    const signal = AbortSignal.any([this.#stopping.signal, begun.stopping.signal]);
    this.#begun.set(id, begun);
    this.#over = this.#over
      .then(() => this.#check(begun, ours, signal))
      .catch(error => this.#failed(mirror, error, signal))
      .finally(() => {
        // Where one side has failed, the other is asked no more.
        begun.stopping.abort();
        if (this.#begun.get(id) === begun) this.#begun.delete(id);
      });
  }

  /** Ends what was begun of a mirror: it is paused, or was removed. */
  end(id: number): void {
    this.#begun.get(id)?.stopping.abort();
    this.#begun.delete(id);
    this.#failures.delete(id);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#over;
  }

  async #check(begun: Begun, ours: AskLog, signal: AbortSignal): Promise<void> {
    const { mirrors, rows, fetch, clock, retentionOf } = this.#options;
    signal.throwIfAborted();
    const wait = (ms: number) => this.#options.wait(ms, signal);
    const patiently = <T>(work: () => Promise<T>) => untilAvailable(work, wait);
    // It may have been changed since, also by another process.
    const current = async () => {
      const found = (await rows.mirrors()).find(one => one.id === begun.mirror.id);
      if (found === undefined) throw new MirrorGone();
      return checkGoing(found);
    };
    const mirror = await patiently(current);
    const retentionMs = retentionOf(mirror.account);
    const range = await patiently(() => checkedRange(mirror, rows, { clock, retentionMs }));
    const end = clock() + limits.checkMs;
    const turn = async () => {
      signal.throwIfAborted();
      if (clock() > end + limits.checkMs)
        throw new MirrorError(`the check was not over within ${(2 * limits.checkMs) / hourMs} hours`);
      await patiently(async () => turnOf(await current(), rows, clock, wait));
    };
    const theirs = askLog({ name: mirror.from, url: mirror.from, key: mirrors.key(mirror), fetch, wait, turn });
    const told: Pick<Difference, 'messageId' | 'field'>[] = [];
    const check = await checkMirror({
      ...range,
      end,
      progress: words => {
        begun.progress = words;
      },
      theirs: question => theirs(question, signal),
      ours: question => patiently(() => ours(question, signal)),
      clock,
      wait,
      found: ({ messageId, field }) => {
        if (told.length < limits.checkDifferencesToldMax) told.push({ messageId, field });
      },
    });
    signal.throwIfAborted();
    await patiently(() => rows.checked(mirror.id, check));
    this.#tell(mirror, check, told);
  }

  #tell({ name }: Mirror, { messages, differences }: Check, first: readonly object[]): void {
    if (differences === 0) return;
    const detail = { mirror: name, messages, differences, first };
    this.#options.note({ level: 'warn', message: 'a mirror differs from the other side', detail });
  }

  /** What the operator is told may be of no concern to an account: where a database is, say. */
  #failed({ id, name }: Mirror, error: unknown, signal: AbortSignal): void {
    if (signal.aborted || error instanceof MirrorGone) return;
    this.#failures.set(id, error instanceof MirrorError ? error.message : 'it cannot be checked now: try again later');
    const isExpected = error instanceof MirrorError || error instanceof Unavailable || error instanceof Unusable;
    const detail = { mirror: name, ...(isExpected ? { reason: error.message } : { err: error }) };
    this.#options.note({ level: isExpected ? 'warn' : 'error', message: 'a mirror could not be checked', detail });
  }
}

/** Throws `MirrorError` for one that is paused: what it lacks it has not been told to read. */
export function checkGoing(mirror: Mirror): Mirror {
  if (mirror.pause === undefined) return mirror;
  throw new MirrorError(`the mirror "${mirror.name}" is paused: it can be checked while it goes on`);
}

/** What is away for a moment is no reason to begin again. */
async function untilAvailable<T>(work: () => Promise<T>, wait: (ms: number) => Promise<void>): Promise<T> {
  for (let waitedMs = 0; ; ) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Unavailable) || waitedMs >= limits.checkOutageMs) throw error;
      const ms = Math.max(100, error.retryAfterMs);
      await wait(ms);
      waitedMs += ms;
    }
  }
}

/** Rejects as soon as `signal` is aborted. */
export async function waitUnlessStopped(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal });
}
