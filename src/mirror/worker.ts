import { setTimeout as sleep } from 'node:timers/promises';
import type { EpochMs, Submission } from '../domain/message.ts';
import { Unavailable } from '../failures.ts';
import { limits } from '../limits.ts';
import type { Store } from '../store/store.ts';
import { type Tracing, within } from '../tracing.ts';
import { present } from '../wire/present.ts';
import { type Asked, advance, afterFailure, type Failure, type Moved } from './advance.ts';
import { withClock } from './clock.ts';
import { askedOf } from './lateness.ts';
import { budgetOf, servedYoungMs, type Terms, windowMs, withinAllowed } from './pace.ts';
import { beginning, type Place, readPlace, writePlace } from './place.ts';
import { dueMax, plan, settled } from './plan.ts';
import { type MirroredRecord, mirroredRecord } from './records.ts';
import type { Followed, Following, Mirror, MirrorRows } from './rows.ts';
import type { Seen } from './shown.ts';
import type { Ask } from './upstream.ts';

/** Something worth a line in the operator's log. */
export type MirrorNote = {
  readonly message: string;
  readonly level: 'info' | 'warn' | 'error';
  readonly detail: object;
};

export type WorkerOptions = {
  readonly mirror: Mirror;
  /** Who holds the lease. */
  readonly holder: string;
  readonly rows: MirrorRows;
  readonly store: Pick<Store, 'record'>;
  readonly ask: Ask;
  readonly terms: Terms;
  readonly clock: () => EpochMs;
  /** In 0…1. */
  readonly random: () => number;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly note: (note: MirrorNote) => void;
  readonly tracing?: Tracing | undefined;
};

/** The lease went to another process, the mirror was removed, or the other side refused its key. */
type End = 'ended';

/**
 * Keeps one mirror going, one request after the other. What an answer holds is durable in the log before the place moves
 * on, so whatever ends the process, the next one asks again at most what was not yet kept.
 */
export class MirrorWorker {
  readonly #options: WorkerOptions;
  #place: Place | undefined;
  #followed: Following = { messages: 0, byId: 0 };
  #countedAt = Number.NEGATIVE_INFINITY;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /** Runs until it is stopped or has ended; `wentOn` is called whenever something was kept. */
  async run(signal: AbortSignal, wentOn: () => void): Promise<void> {
    while (!signal.aborted) {
      const next = await this.step(signal);
      if (next === 'ended') return;
      if (next === 0) wentOn();
      if (next > 0) await this.#options.wait(next, signal);
    }
  }

  /** One step; the milliseconds until the next. Rejects with `Unavailable` when something cannot be kept now. */
  async step(signal: AbortSignal): Promise<number | End> {
    const { mirror, rows, clock, tracing } = this.#options;
    const terms = await this.#terms();
    const before = this.#place ?? (await this.#read());
    const now = clock();
    const place = settled(before, now, terms);
    const theirNow = now + place.skewMs;
    const due = place.head === undefined ? [] : await rows.due(mirror.id, theirNow, theirNow - servedYoungMs, dueMax);
    const gone = due.filter(one => one.sentAt < (place.toldAt ?? theirNow) - windowMs);
    if (gone.length > 0) return this.#giveUp(place, gone);
    const allowed = withinAllowed(place, terms);
    const step = plan(place, due, now, allowed);
    if (step.kind === 'wait') return step.ms;
    const fullForMs = await rows.spend(mirror.id, now, budgetOf(place, allowed), step.isPatient);
    if (fullForMs !== undefined) return Math.min(fullForMs, waitMsMax);
    const part = { name: 'mirror step', attributes: { 'sentlog.mirror': mirror.name } };
    const asked = place.head === undefined ? {} : { asked: askedOf(place, due, now) };
    const { moved, isRefused } = await within(tracing, part, () =>
      this.#ask({ ...place, ...asked }, step, terms, signal),
    );
    return (await this.#keep(moved)) && !isRefused ? 0 : 'ended';
  }

  /** What left the other side's log while nothing could be asked keeps the status it was last seen with. */
  async #giveUp(place: Place, gone: readonly Followed[]): Promise<number | End> {
    const unsettled = place.unsettled + gone.length;
    const kept = { place: { ...place, unsettled }, follow: [], unfollow: gone.map(one => one.messageId) };
    return (await this.#keep(kept)) ? 0 : 'ended';
  }

  /** With how many messages are followed, which is counted once in a while. */
  async #terms(): Promise<Terms> {
    const { mirror, rows, terms, clock } = this.#options;
    if (Math.abs(clock() - this.#countedAt) > countEveryMs) {
      this.#countedAt = clock();
      this.#followed = await rows.followed(mirror.id);
    }
    return { ...terms, followed: this.#followed };
  }

  async #ask(
    place: Place,
    step: Asked,
    terms: Terms,
    signal: AbortSignal,
  ): Promise<{ readonly moved: Moved; readonly isRefused: boolean }> {
    const { mirror, ask, clock, note } = this.#options;
    const isDoubted = place.doubt !== undefined;
    const askedAt = clock();
    const { rows: answer, failure, date, heardAt } = await ask(isDoubted ? {} : step.question, signal);
    // What answers in the place of the other side may have a clock of its own.
    if (failure !== undefined) return this.#failed(place, step, failure, terms);
    const { results, ...page } = answer;
    const read = results.map(mirroredRecord);
    const flaw = flawOf(results, read);
    if (flaw !== undefined) return this.#failed(place, step, { kind: 'unavailable', reason: flaw }, terms);
    const shownSentAt = read.flatMap(({ sentAt }) => sentAt ?? []);
    const dated = withClock(place, { date, askedAt, heardAt, shownSentAt });
    const isInDoubt = dated.doubt !== undefined;
    if (isInDoubt)
      note({
        level: 'warn',
        message: 'the other side dates an answer far from before',
        detail: { mirror: mirror.name },
      });
    // What was asked for may not be what is to be asked for by that clock.
    if (isInDoubt || (isDoubted && place.head !== undefined))
      return {
        moved: { place: { ...dated, requests: dated.requests + 1 }, follow: [], unfollow: [] },
        isRefused: false,
      };
    const { seen, ...counts } = await this.#record(read, askedAt, dated.skewMs, signal);
    const shown = { ...page, seen, count: results.length, isFlawed: counts.refused > 0 };
    const moved = advance(dated, step, shown, askedAt, clock(), terms);
    return { moved: { ...moved, place: counted(moved.place, counts) }, isRefused: false };
  }

  async #failed(place: Place, step: Asked, failure: Failure, terms: Terms) {
    const { mirror, rows, clock, random, note } = this.#options;
    const reason = failure.kind === 'limited' ? 'asked too often' : failure.reason;
    note({ level: 'warn', message: 'a mirror has no answer', detail: { mirror: mirror.name, reason } });
    const isRefused = failure.kind === 'refused';
    if (isRefused) await rows.pause(mirror.id, { reason, at: clock() });
    return { moved: afterFailure(place, step, failure, clock(), random(), terms), isRefused };
  }

  /**
   * Records what an answer holds: received at the later of both clocks, since the dates are by the other side's, and kept by
   * the earlier. What was said since it was asked for is later than it, however long it was under way, or this process slept.
   */
  async #record(read: readonly MirroredRecord[], askedAt: EpochMs, skewMs: number, signal: AbortSignal) {
    const { terms, clock } = this.#options;
    const now = clock();
    const receivedAt = Math.min(now, askedAt + clockUnsureMs) + Math.max(0, skewMs);
    const sentSince = now + Math.min(0, skewMs) - terms.retentionMs;
    const submissions: Submission[] = [];
    const seen: Seen[] = [];
    let refused = 0;
    const flawed: MirroredRecord[] = [];
    for (const one of read) {
      const { submission, messageId, sentAt } = one;
      if (one.flaws.length > 0) flawed.push(one);
      if (submission === undefined) refused++;
      else if (sentAt !== undefined && sentAt >= sentSince) submissions.push(submission);
      if (messageId !== undefined && sentAt !== undefined) seen.push({ messageId, sentAt, ...seenOf(submission) });
    }
    this.#tellFlawed(flawed);
    let [recorded, changed] = [0, 0];
    for (let at = 0; at < submissions.length; at += limits.batchRecordsMax) {
      const part = submissions.slice(at, at + limits.batchRecordsMax);
      const outcome = await this.#recordPart(part, receivedAt, sentSince, signal);
      recorded += outcome.recorded;
      changed += outcome.updated;
      refused += outcome.refused;
    }
    return { seen, recorded, changed, refused, flawed: flawed.length };
  }

  async #recordPart(submissions: readonly Submission[], receivedAt: EpochMs, sentSince: EpochMs, signal: AbortSignal) {
    const { mirror, store, note } = this.#options;
    const batch = { account: mirror.account, binding: {}, isSnapshot: true, receivedAt, sentSince };
    const first = await this.#untilKept(() => store.record({ ...batch, submissions }), signal);
    // What identifies a message does not change here; what became of it must not be lost for that.
    const differing = first.rejected.filter(({ violations }) =>
      violations.every(one => /^differs/.test(one.violation)),
    );
    for (const { messageId, violations } of first.rejected.slice(0, notesMax))
      note({
        level: 'warn',
        message: 'a mirrored message is not taken as it is',
        detail: { mirror: mirror.name, messageId, violations },
      });
    const refused = first.rejected.length - differing.length;
    const states = differing.flatMap(({ index }) => {
      const { messageId, status, error, doneAt, price } = submissions[index] ?? {};
      return messageId === undefined ? [] : [{ messageId, ...present({ status, error, doneAt, price }) }];
    });
    if (states.length === 0) return { recorded: first.recorded, updated: first.updated, refused };
    const second = await this.#untilKept(() => store.record({ ...batch, submissions: states }), signal);
    return {
      recorded: first.recorded,
      updated: first.updated + second.updated,
      refused: refused + second.rejected.length,
    };
  }

  /** An answer is not asked for again because the log cannot keep it now. */
  async #untilKept<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        const { mirror, note } = this.#options;
        note({
          level: 'warn',
          message: 'a mirror waits for the log',
          detail: { mirror: mirror.name, reason: error.message },
        });
        await this.#options.wait(error.retryAfterMs, signal);
        signal.throwIfAborted();
      }
    }
  }

  async #read(): Promise<Place> {
    const { mirror, rows } = this.#options;
    const kept = await rows.place(mirror.id);
    return kept === undefined ? beginning : readPlace(kept, mirror.name);
  }

  /** Whether this process still may go on. */
  async #keep({ place, ...moved }: Moved): Promise<boolean> {
    const { mirror, rows, holder } = this.#options;
    const isKept = await rows.keep(mirror.id, holder, { ...moved, place: writePlace(place) });
    this.#place = isKept ? place : undefined;
    return isKept;
  }

  /** Once an answer: what the vendor adds stands in every message. */
  #tellFlawed(flawed: readonly MirroredRecord[]): void {
    const [first] = flawed;
    if (first === undefined) return;
    const { mirror, note } = this.#options;
    const { messageId, flaws } = first;
    const detail = { mirror: mirror.name, messages: flawed.length, first: { messageId, flaws } };
    note({ level: 'warn', message: 'mirrored messages have what cannot be taken', detail });
  }
}

/** Fewer may well be all amiss, and what comes after them not. */
const judgedMin = 10;

/**
 * Why an answer is as good as none: what would pass for read by it was not shown. What differs is no repetition: whoever
 * sends messages may give several of them one id.
 */
function flawOf(results: readonly string[], read: readonly MirroredRecord[]): string | undefined {
  if (results.length > 0 && results.every(text => !text.startsWith('{'))) return 'what the answer has are no messages';
  if (read.length < judgedMin) return undefined;
  const readable = results.filter((_, at) => read[at]?.messageId !== undefined && read[at]?.sentAt !== undefined);
  if (readable.length === 0)
    return `none of the ${read.length} messages in the answer can be read: ${read[0]?.flaws.join('; ')}`;
  const { size } = new Set(readable);
  const isRepetition = readable.length >= judgedMin && size * 2 < readable.length;
  return isRepetition ? `the answer has ${size} messages again and again` : undefined;
}

const waitMsMax = 1000;
/** What their clock may be ahead of what is known of it. */
const clockUnsureMs = 1500;
const countEveryMs = 30_000;
const notesMax = 10;

type Counted = Pick<Place, 'recorded' | 'changed' | 'refused'> & { readonly flawed: number };

function counted(place: Place, { recorded, changed, refused, flawed }: Counted): Place {
  return {
    ...place,
    recorded: place.recorded + recorded,
    changed: place.changed + changed,
    refused: place.refused + refused,
    flawed: (place.flawed ?? 0) + flawed,
  };
}

function seenOf(submission: Submission | undefined): Omit<Seen, 'messageId' | 'sentAt'> {
  const { final, groupName, foreignGroup } = submission?.status ?? {};
  return {
    isFinal: final ?? submission === undefined,
    isById: groupName !== 'PENDING' || foreignGroup !== undefined,
    isForeign: foreignGroup !== undefined,
  };
}

/** Waits, unless it is told to stop. */
export async function waitOrStop(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(error => {
    if (!signal.aborted) throw error;
  });
}
