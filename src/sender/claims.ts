import type { EpochMs } from '../domain/message.ts';
import type { Claimed, Outbox, Result, Want } from '../outbox/outbox.ts';
import { apart } from './apart.ts';

export type ClaimsDeps = {
  readonly outbox: Pick<Outbox, 'claim' | 'unclaim' | 'settle'>;
  readonly clock: () => EpochMs;
  /** What came of some messages is kept, or was left. */
  readonly settled: () => void;
  readonly note: (level: 'info' | 'warn' | 'error', message: string, detail: object) => void;
};

type Outcome = { readonly claimed: Claimed; readonly result: Result };

const pauseMs = { first: 50, max: 5000 };

/**
 * What this process has claimed, until what came of it is kept. An answer of the outbox may be lost although it did what it
 * was asked for: a claim that nobody heard of is given back, and what came of a message is not kept once more when it was,
 * and the message may have been claimed anew.
 */
export class Claims {
  readonly #deps: ClaimsDeps;
  /** By their ids: of a message that was claimed anew, the newest. */
  readonly #held = new Map<number, Claimed>();
  /** Of these nothing can be kept until the next start. */
  readonly #abandoned = new Set<number>();
  #outcomes: Outcome[] = [];
  #isSettling = false;
  #isUnsure = false;
  #isClaimLost = false;
  #claiming: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(deps: ClaimsDeps) {
    this.#deps = deps;
  }

  /** Whether something is to be kept. */
  get isSettling(): boolean {
    return this.#isSettling;
  }

  /** Messages that are being sent, or whose outcome is not kept yet. */
  get count(): number {
    return this.#held.size;
  }

  /** Whether it is not known what is kept: nothing is to be claimed then. */
  get isUnsure(): boolean {
    return this.#isUnsure;
  }

  /** To be called before what waits is looked at: what a claim gave that nobody heard of waits again. */
  async giveBack(): Promise<void> {
    if (!this.#isClaimLost) return;
    await this.#deps.outbox.unclaim([...this.#held.keys(), ...this.#abandoned]);
    this.#isClaimLost = false;
  }

  /** One call after the other. */
  claim(wants: readonly Want[], now: EpochMs): Promise<readonly Claimed[]> {
    const claiming = this.#claim(wants, now);
    this.#claiming = claiming.catch(() => {});
    return claiming;
  }

  async #claim(wants: readonly Want[], now: EpochMs): Promise<readonly Claimed[]> {
    this.#isClaimLost = true;
    const claimed = await this.#deps.outbox.claim(wants, now);
    this.#isClaimLost = false;
    for (const one of claimed) this.#held.set(one.id, one);
    return claimed;
  }

  /** All that ended meanwhile is kept together, one call after the other. */
  settle(claimed: Claimed, result: Result): void {
    this.#outcomes.push({ claimed, result });
    if (!this.#isSettling) void this.#settleAll();
  }

  /** What cannot be kept now is left: the next start takes it for unknown. */
  close(): void {
    this.#isClosed = true;
  }

  async #settleAll(): Promise<void> {
    this.#isSettling = true;
    const { settled, note } = this.#deps;
    for (let failures = 0; this.#outcomes.length > 0; ) {
      // What was claimed anew was kept before, though the answer to that was lost.
      const outcomes = this.#outcomes.filter(({ claimed }) => this.#held.get(claimed.id) === claimed);
      this.#outcomes = [];
      const cut = await apart(outcomes, those => this.#keep(those), this.#blame);
      this.#isUnsure = cut !== undefined;
      settled();
      if (cut === undefined) {
        failures = 0;
        continue;
      }
      // What came of a message must not be forgotten: a restart would take it for unknown.
      note('warn', 'what came of messages cannot be kept now', { err: cut.error });
      if (this.#isClosed) break;
      await new Promise(resolve => setTimeout(resolve, Math.min(pauseMs.max, pauseMs.first * 2 ** failures)));
      failures = Math.min(failures + 1, 10);
      // One that is under way may give what is among these.
      await this.#claiming;
      this.#outcomes = [...cut.left, ...this.#outcomes];
    }
    this.#isSettling = false;
  }

  async #keep(outcomes: readonly Outcome[]): Promise<void> {
    const { outbox, clock } = this.#deps;
    await outbox.settle(
      outcomes.map(one => one.result),
      clock(),
    );
    for (const { claimed } of outcomes) if (this.#held.get(claimed.id) === claimed) this.#held.delete(claimed.id);
  }

  readonly #blame = ({ claimed, result }: Outcome, error: unknown): void => {
    const { id, kind } = result;
    this.#deps.note('error', 'what came of a message cannot be kept', { err: error, id, kind });
    // It is left to its echo, as after a crash.
    if (kind !== 'unknown') {
      this.#outcomes.push({ claimed, result: { id, kind: 'unknown' } });
      return;
    }
    this.#held.delete(id);
    this.#abandoned.add(id);
  };
}
