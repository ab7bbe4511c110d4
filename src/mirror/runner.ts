import type { AccountId, EpochMs } from '../domain/message.ts';
import { Unavailable, Unusable } from '../failures.ts';
import type { Store } from '../store/store.ts';
import type { Tracing } from '../tracing.ts';
import { figuresOf, type MirrorFigures } from './figures.ts';
import type { Mirrors } from './mirrors.ts';
import type { Terms } from './pace.ts';
import type { Gap } from './place.ts';
import { type Mirror, MirrorGone, type MirrorRows } from './rows.ts';
import { SparingCounts } from './sparing-counts.ts';
import { askUpstream } from './upstream.ts';
import { type MirrorNote, MirrorWorker, waitOrStop } from './worker.ts';

export type RunnerOptions = {
  readonly mirrors: Mirrors;
  readonly rows: MirrorRows;
  readonly store: Pick<Store, 'record'>;
  /** Names this process among those that share the rows. */
  readonly holder: string;
  /** How long an account keeps its messages, at this moment. */
  readonly retentionOf: (account: AccountId) => number;
  readonly fetch: typeof fetch;
  readonly clock: () => EpochMs;
  readonly note: (note: MirrorNote) => void;
  readonly tracing?: Tracing | undefined;
};

/** Mirrors are looked at this often: what a command changed holds from then on. */
const lookMs = 1000;
/** Another process takes a mirror over once its lease is this old, and it is renewed at each look. */
const leaseMs = 7000;
/** After a failure that is not of the other side. */
const restMs = 5000;

type Running = {
  /** What it was started with: a change starts it anew. */
  readonly terms: string;
  readonly stopping: AbortController;
  readonly ended: Promise<void>;
};

/** Runs the mirrors of a log, each in one of the processes that share it. */
export class MirrorRunner {
  readonly options: RunnerOptions;
  readonly #running = new Map<number, Running>();
  /** By a clock that nobody sets. */
  readonly #restingUntil = new Map<number, number>();
  /** Why a mirror could not go on, until it does. */
  readonly #hindrances = new Map<number, string>();
  readonly #counts: SparingCounts;
  readonly #stopping = new AbortController();
  #figures: readonly MirrorFigures[] = [];
  #looking: Promise<void> = Promise.resolve();

  constructor(options: RunnerOptions) {
    this.options = options;
    this.#counts = new SparingCounts(
      id => options.rows.followed(id),
      () => performance.now(),
    );
  }

  start(): void {
    this.#looking = this.#lookOn();
  }

  /** Lets go of every mirror at once, so that another process need not wait for the lease to end. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#looking;
    await Promise.all([...this.#running.keys()].map(id => this.#end(id)));
  }

  /** As they were a moment ago. */
  figures(): readonly MirrorFigures[] {
    return this.#figures;
  }

  /** What is missing of an account, oldest first. */
  gaps(account: AccountId): readonly Gap[] {
    return this.#figures.filter(one => one.mirror.account === account).flatMap(one => one.gaps);
  }

  async #lookOn(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        this.#tell('mirrors cannot be looked at now', undefined, error);
        // What was so a moment ago tells nothing of now.
        const trouble = { state: 'in trouble', reason: 'what is kept of it cannot be read now' } as const;
        this.#figures = this.#figures.map(one => (one.state === 'paused' ? one : { ...one, ...trouble }));
      }
      await waitOrStop(lookMs, signal);
    }
  }

  async #look(): Promise<void> {
    const { rows, holder, clock } = this.options;
    const mirrors = await rows.mirrors();
    const active = new Set(mirrors.filter(one => one.pause === undefined).map(one => one.id));
    for (const id of this.#running.keys()) if (!active.has(id)) await this.#end(id);
    for (const mirror of mirrors) {
      if (!active.has(mirror.id) || (this.#restingUntil.get(mirror.id) ?? 0) > performance.now()) continue;
      if (await rows.lease(mirror.id, holder, leaseMs)) await this.#keepRunning(mirror);
      else {
        // Another process has it, and may well be able to.
        this.#hindrances.delete(mirror.id);
        await this.#end(mirror.id);
      }
    }
    this.#counts.keep(new Set(mirrors.map(one => one.id)));
    for (const id of this.#hindrances.keys()) if (!active.has(id)) this.#hindrances.delete(id);
    const figures: MirrorFigures[] = [];
    const read: Pick<MirrorRows, 'place' | 'spent' | 'followed'> = {
      place: id => rows.place(id),
      spent: (id, at) => rows.spent(id, at),
      followed: id => this.#counts.followed(id),
    };
    for (const mirror of mirrors) {
      const hindrance = this.#hindrances.get(mirror.id) ?? this.options.mirrors.flawOfKey(mirror);
      figures.push(await figuresOf(mirror, read, clock(), this.#terms(mirror), hindrance));
    }
    this.#figures = figures;
  }

  #terms({ account, requestsPerMinute, sinceMs }: Mirror): Terms {
    return { requestsPerMinute, sinceMs, retentionMs: this.options.retentionOf(account) };
  }

  async #keepRunning(mirror: Mirror): Promise<void> {
    const terms = JSON.stringify([mirror.from, mirror.sealedKey, this.#terms(mirror)]);
    const running = this.#running.get(mirror.id);
    if (running?.terms === terms) return;
    if (running !== undefined) await this.#stopWorker(mirror.id);
    const stopping = new AbortController();
    const ended = this.#run(mirror, stopping.signal);
    const begun = { terms, stopping, ended };
    this.#running.set(mirror.id, begun);
    ended.then(() => {
      if (this.#running.get(mirror.id) === begun) this.#running.delete(mirror.id);
    });
  }

  /** Never rejects: a mirror that fails rests, and is tried again. */
  async #run(mirror: Mirror, signal: AbortSignal): Promise<void> {
    const { mirrors, rows, store, holder, fetch, clock, note, tracing } = this.options;
    try {
      const ask = askUpstream({ from: mirror.from, key: mirrors.key(mirror), fetch, clock });
      const terms = this.#terms(mirror);
      const others = { clock, random: Math.random, wait: waitOrStop, note, tracing };
      await new MirrorWorker({ mirror, holder, rows, store, ask, terms, ...others }).run(signal, () =>
        this.#hindrances.delete(mirror.id),
      );
    } catch (error) {
      if (signal.aborted || error instanceof MirrorGone) return;
      this.#restingUntil.set(mirror.id, performance.now() + restMs);
      const isKnown = error instanceof Unavailable || error instanceof Unusable;
      this.#hindrances.set(mirror.id, isKnown ? error.message : "it failed here: the server's own log says why");
      this.#tell('a mirror cannot go on now; trying again', mirror, error);
      // Another process may be able to.
      await this.#handOver(mirror.id);
    }
  }

  async #end(id: number): Promise<void> {
    if (!this.#running.has(id)) return;
    await this.#stopWorker(id);
    await this.#handOver(id);
  }

  async #handOver(id: number): Promise<void> {
    const { rows, holder } = this.options;
    await rows.release(id, holder).catch(error => this.#tell('a mirror could not be handed over', undefined, error));
  }

  async #stopWorker(id: number): Promise<void> {
    const running = this.#running.get(id);
    running?.stopping.abort();
    await running?.ended;
    this.#running.delete(id);
  }

  #tell(message: string, mirror: Mirror | undefined, error: unknown): void {
    const isExpected = error instanceof Unavailable || error instanceof Unusable;
    const detail = {
      ...(mirror && { mirror: mirror.name }),
      ...(isExpected ? { reason: error.message } : { err: error }),
    };
    this.options.note({ level: isExpected ? 'warn' : 'error', message, detail });
  }
}
