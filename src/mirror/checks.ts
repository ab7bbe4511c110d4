import { setTimeout as pause } from 'node:timers/promises';
import type { EpochMs } from '../domain/message.ts';
import { Unavailable, Unusable } from '../failures.ts';
import { checkMirror } from './check.ts';
import { figuresOf } from './figures.ts';
import { type AskLog, askLog } from './log-client.ts';
import type { Mirrors } from './mirrors.ts';
import { edgeMs, windowMs } from './pace.ts';
import { type Mirror, MirrorError, type MirrorRows } from './rows.ts';
import type { MirrorNote } from './worker.ts';

const hourMs = 3_600_000;

/** What is about to leave the other side is not asked for, nor what may still be on its way here. */
export function checkedRange(hours: number, theirNow: EpochMs): { readonly from: EpochMs; readonly until: EpochMs } {
  const from = theirNow - Math.min(hours * hourMs, windowMs - 6 * edgeMs);
  return { from, until: Math.max(from + 1, theirNow - 2 * edgeMs) };
}

/** Resolves once the mirror's budget, most of which is left to the mirror, has a request for whoever checks it. */
export async function turnOf(
  { id, requestsPerMinute: all }: Pick<Mirror, 'id' | 'requestsPerMinute'>,
  rows: Pick<MirrorRows, 'spend'>,
  clock: () => EpochMs,
  wait: (ms: number) => Promise<void>,
): Promise<void> {
  const budget = { all, patient: Math.max(1, Math.floor(all / 2)) };
  for (;;) {
    const fullForMs = await rows.spend(id, clock(), budget, true);
    if (fullForMs === undefined) return;
    await wait(Math.min(fullForMs, 1000));
  }
}

export type ChecksOptions = {
  readonly mirrors: Pick<Mirrors, 'key'>;
  readonly rows: MirrorRows;
  readonly fetch: typeof fetch;
  readonly clock: () => EpochMs;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly note: (note: MirrorNote) => void;
};

/** How the check of a mirror is that this process has begun last. */
export type CheckState = { readonly isRunning: boolean; readonly failure?: string };

/** Checks that somebody began and does not wait for: what they come to is kept with the mirror. */
export class MirrorChecks {
  readonly #options: ChecksOptions;
  readonly #stopping = new AbortController();
  readonly #running = new Map<number, Promise<void>>();
  readonly #failures = new Map<number, string>();

  constructor(options: ChecksOptions) {
    this.#options = options;
  }

  state(id: number): CheckState {
    const failure = this.#failures.get(id);
    return { isRunning: this.#running.has(id), ...(failure !== undefined && { failure }) };
  }

  /** Begins to compare what is left at the other side with ours. Throws `MirrorError` while that is being done already. */
  begin(mirror: Mirror, ours: AskLog): void {
    const { id, name } = mirror;
    if (this.#running.has(id)) throw new MirrorError(`the mirror "${name}" is being checked`);
    this.#failures.delete(id);
    const ended = this.#check(mirror, ours)
      .catch(error => this.#failed(mirror, error))
      .finally(() => this.#running.delete(id));
    this.#running.set(id, ended);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running.values());
  }

  async #check(mirror: Mirror, ours: AskLog): Promise<void> {
    const { mirrors, rows, fetch, clock } = this.#options;
    const { signal } = this.#stopping;
    const wait = (ms: number) => this.#options.wait(ms, signal);
    const { skewMs } = await figuresOf(mirror, rows, clock(), { ...mirror, retentionMs: Number.POSITIVE_INFINITY });
    const turn = async () => {
      signal.throwIfAborted();
      await turnOf(mirror, rows, clock, wait);
    };
    const key = mirrors.key(mirror);
    const check = await checkMirror({
      ...checkedRange(windowMs / hourMs, clock() + skewMs),
      theirs: askLog({ name: mirror.from, url: mirror.from, key, fetch, wait, turn }),
      ours,
      horizon: () => clock() + skewMs - windowMs + edgeMs,
      clock,
      wait,
      found: ({ messageId, field }) =>
        this.#options.note({
          level: 'warn',
          message: 'a message differs from the other side',
          detail: { mirror: mirror.name, messageId, field },
        }),
    });
    await rows.checked(mirror.id, check);
  }

  #failed(mirror: Mirror, error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const isExpected = error instanceof MirrorError || error instanceof Unavailable || error instanceof Unusable;
    this.#failures.set(
      mirror.id,
      isExpected ? error.message : 'something unexpected failed; the server’s log says what',
    );
    const detail = { mirror: mirror.name, ...(isExpected ? { reason: error.message } : { err: error }) };
    this.#options.note({ level: isExpected ? 'warn' : 'error', message: 'a mirror could not be checked', detail });
  }
}

/** Rejects as soon as `signal` is aborted. */
export async function waitUnlessStopped(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal });
}
