import type { AccountId } from '../../../domain/message.ts';
import { type LogEnd, positionOf } from '../segment/position.ts';
import type { Steps } from './jobs.ts';
import { lastOrdinal, lastReport } from './own-rows.ts';
import type { ReadSegment, ReadSegments } from './read-segments.ts';

/** Where an account stands that never recorded anything: before the first position and the first sequence. */
const beginning: LogEnd = { position: 0, sequence: 1 };

/**
 * The place right behind an account's own last message and report. What an account is shown is bounded by that and not by
 * the end of the log: a bound that moves when others record would tell that they did. It follows from what the log holds of
 * the account, so it is the same after a restart.
 */
export class AccountWatermarks {
  readonly #segments: ReadSegments;
  readonly #ends = new Map<AccountId, Partial<LogEnd>>();

  constructor(segments: ReadSegments) {
    this.#segments = segments;
  }

  /** The account recorded so far; without an end, it may have, and the segments have to tell. */
  move(account: AccountId, end: Partial<LogEnd> | undefined): void {
    if (end === undefined) this.#ends.delete(account);
    else this.#ends.set(account, { ...this.#ends.get(account), ...end });
  }

  /** What is not known yet is looked for in the segments, newest first, one a step. */
  *of(account: AccountId): Steps<LogEnd> {
    const known = this.#ends.get(account);
    const position = known?.position ?? (yield* this.#lastOf(segment => this.#positionIn(segment, account)));
    const sequence = known?.sequence ?? (yield* this.#lastOf(segment => this.#sequenceIn(segment, account)));
    // The account may have recorded between two steps.
    const { position: newPosition = 0, sequence: newSequence = 0 } = this.#ends.get(account) ?? {};
    const end = {
      position: Math.max(position ?? beginning.position, newPosition),
      sequence: Math.max(sequence ?? beginning.sequence, newSequence),
    };
    this.#ends.set(account, end);
    return end;
  }

  *#lastOf(endIn: (segment: ReadSegment) => number | undefined): Steps<number | undefined> {
    const ids = this.#segments.all().map(({ shared }) => shared.id);
    for (const id of ids.sort((a, b) => b - a)) {
      const segment = this.#segments.get(id);
      const end = segment === undefined ? undefined : endIn(segment);
      if (end !== undefined) return end;
      yield 0;
    }
    return undefined;
  }

  #positionIn(segment: ReadSegment, account: AccountId): number | undefined {
    const last = lastOrdinal(this.#segments, segment, account);
    return last === undefined ? undefined : positionOf(segment.shared.id, last + 1);
  }

  #sequenceIn(segment: ReadSegment, account: AccountId): number | undefined {
    const last = lastReport(this.#segments, segment, account);
    return last === undefined ? undefined : segment.shared.firstSequence + last + 1;
  }
}
