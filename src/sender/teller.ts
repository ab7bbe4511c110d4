import type { AccountId, EpochMs } from '../domain/message.ts';
import { notAhead } from '../domain/report.ts';
import { Unavailable } from '../failures.ts';
import { limits } from '../limits.ts';
import type { Outbox, Untold } from '../outbox/outbox.ts';
import type { Store } from '../store/store.ts';
import { apart } from './apart.ts';
import type { AccountPlaces } from './pusher.ts';

export type TellerDeps = {
  readonly outbox: Pick<Outbox, 'untold' | 'told'>;
  readonly store: Pick<Store, 'record'>;
  readonly clock: () => EpochMs;
  readonly places: Pick<AccountPlaces, 'subscribed'>;
  /** Reports may be due. */
  readonly told: () => void;
  readonly retentionOf: (account: AccountId) => number;
  readonly note: (level: 'warn' | 'error', message: string, detail: object) => void;
};

const retryMs = { first: 100, max: 10_000 };
/** Each time takes the outbox twice, and the log once: it rests for as long as the last one took, up to this. */
const restMsMax = 20;

/**
 * Tells the log what the outbox has for it, in order, until it has heard: what the log cannot take now is told again
 * later, also by the next process.
 */
export class Teller {
  readonly #deps: TellerDeps;
  readonly #listeners = new Set<() => void>();
  /** Those who wait no longer once there is more to tell than the log takes at once. */
  readonly #hasty = new Set<() => void>();
  #isBehind = false;
  #isAsked = false;
  #isClosed = false;
  #running: Promise<void> | undefined;
  #wakeEarly: () => void = () => {};
  #restedMs = 0;
  /** When this process's time began, by the clock: it grows where that is put forward. */
  #begunAt: EpochMs;

  constructor(deps: TellerDeps) {
    this.#deps = deps;
    this.#begunAt = this.#beginning();
  }

  /** There may be something to tell. */
  wake(): void {
    this.#isAsked = true;
    if (this.#isClosed) return;
    this.#running ??= this.#tellAll().finally(() => {
      this.#running = undefined;
      if (this.#isAsked) this.wake();
    });
  }

  /** Resolves when the log has been told all that the outbox has by now, or after `durationMs`. */
  caughtUp(durationMs: number, isHasty = false): Promise<void> {
    return new Promise(resolve => {
      const done = () => {
        clearTimeout(timer);
        this.#listeners.delete(done);
        this.#hasty.delete(done);
        resolve();
      };
      const timer = setTimeout(done, durationMs);
      this.#listeners.add(done);
      if (isHasty) this.#hasty.add(done);
      this.wake();
    });
  }

  /** As `caughtUp`, but waits for no log that is behind: it would hold up whoever only wants to know that a message is kept. */
  async shown(durationMs: number): Promise<void> {
    if (this.#isBehind) this.wake();
    else await this.caughtUp(durationMs, true);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wakeEarly();
    await this.#running;
  }

  async #tellAll(): Promise<void> {
    for (let failures = 0; !this.#isClosed; ) {
      await this.#pause(this.#restedMs - performance.now());
      this.#isAsked = false;
      const begunMs = performance.now();
      const waiting = [...this.#listeners];
      try {
        const untold = await this.#deps.outbox.untold(limits.batchRecordsMax);
        await this.#tell(untold);
        failures = 0;
        this.#isBehind = untold.length === limits.batchRecordsMax;
        const endedMs = performance.now();
        // What comes meanwhile is told together; what is there already is told at once.
        this.#restedMs = this.#isBehind ? 0 : endedMs + Math.min(restMsMax, endedMs - begunMs);
        if (this.#isBehind) for (const done of [...this.#hasty]) done();
        else {
          for (const done of waiting) done();
          if (!this.#isAsked) return;
        }
      } catch (error) {
        this.#isBehind = true;
        if (!(error instanceof Unavailable)) this.#deps.note('error', 'the log could not be told', { err: error });
        await this.#pause(Math.min(retryMs.max, retryMs.first * 2 ** Math.min(failures++, 10)));
      }
    }
  }

  /** Until `close`, at the latest. */
  async #pause(durationMs: number): Promise<void> {
    if (durationMs <= 0 || this.#isClosed) return;
    await new Promise<void>(resolve => {
      this.#wakeEarly = resolve;
      setTimeout(resolve, durationMs).unref();
    });
  }

  #beginning(): EpochMs {
    return this.#deps.clock() - performance.now();
  }

  /** How far the clock has leapt ahead of the time that passed, in milliseconds. */
  #leapt(): number {
    const begunAt = this.#beginning();
    this.#begunAt = Math.min(this.#begunAt, begunAt);
    return begunAt - this.#begunAt;
  }

  async #tell(untold: readonly Untold[]): Promise<void> {
    const { outbox, store, clock, retentionOf, places, told, note } = this.#deps;
    const receivedAt = clock();
    // Once the clock is right again, what was sent meanwhile is past no retention: the outbox tells of it only once.
    const keptSince = receivedAt - this.#leapt();
    const accounts = [...Map.groupBy(untold, one => one.account)];
    const cuts = await Promise.all(
      accounts.map(([account, own]) => {
        const batch = { account, binding: {}, receivedAt, sentSince: keptSince - retentionOf(account) };
        const record = async (those: readonly Untold[]) => {
          const { rejected } = await store.record({
            ...batch,
            submissions: those.map(one => notAhead(one.submission, receivedAt)),
          });
          // The log has a message of this id that is not ours, or keeps messages for less time than this one took.
          for (const { messageId, violations } of rejected)
            note('warn', 'the log did not take what became of a message', { account, messageId, violations });
        };
        return apart(own, record, ({ submission: { messageId } }, error) =>
          note('error', 'what became of a message cannot be told to the log', { err: error, account, messageId }),
        );
      }),
    );
    const interruptions = cuts.filter(cut => cut !== undefined);
    const left = new Set(interruptions.flatMap(cut => cut.left));
    const ids = untold.filter(one => !left.has(one)).map(one => one.id);
    if (ids.length > 0) {
      await outbox.told(ids, clock(), await places.subscribed());
      told();
    }
    const [first] = interruptions;
    if (first !== undefined) throw first.error;
  }
}
