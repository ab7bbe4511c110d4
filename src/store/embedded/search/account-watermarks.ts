import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { type LogEnd, positionOf } from '../segment/position.ts';
import type { Steps } from './jobs.ts';
import { lastMessage, lastReport } from './own-rows.ts';
import type { ReadSegments } from './read-segments.ts';

type Kind = keyof LogEnd;

/**
 * Right behind an account's last message or report. `sentAt` is of that message, or the one reported on; `undefined` where
 * nobody has looked. Whatever the account has behind it was sent before `since`.
 */
type End = { readonly behind: number; readonly sentAt: EpochMs | undefined; readonly since: EpochMs };

/** Where an account stands that has nothing to be shown: before the first position and the first sequence. */
const beginning: LogEnd = { position: 0, sequence: 1 };

/**
 * The place right behind an account's own last message and report inside retention. What an account is shown is bounded by
 * that and not by the end of the log: a bound that moves when others record would tell that they did. What is past
 * retention does not count, since when it is dropped depends on what others have beside it. So it follows from what the
 * account has to show alone, and is the same after a restart.
 */
export class AccountWatermarks {
  readonly #segments: ReadSegments;
  readonly #ends = { position: new Map<AccountId, End>(), sequence: new Map<AccountId, End>() };

  constructor(segments: ReadSegments) {
    this.#segments = segments;
  }

  /** The account recorded so far; without an end, it may have, and the segments have to tell. */
  move(account: AccountId, end: Partial<LogEnd> | undefined): void {
    for (const kind of ['position', 'sequence'] as const) {
      const behind = end?.[kind];
      if (end === undefined) this.#ends[kind].delete(account);
      else if (behind !== undefined)
        this.#ends[kind].set(account, { behind, sentAt: undefined, since: Number.NEGATIVE_INFINITY });
    }
  }

  /** What is not known yet is looked for in the segments, newest first. */
  *of(account: AccountId, sentSince: EpochMs): Steps<LogEnd> {
    const position = yield* this.#end('position', account, sentSince);
    const sequence = yield* this.#end('sequence', account, sentSince);
    return { position, sequence };
  }

  *#end(kind: Kind, account: AccountId, sentSince: EpochMs): Steps<number> {
    for (;;) {
      const ends = this.#ends[kind];
      const known = ends.get(account);
      // Longer than before may be shown now, since the account keeps its messages longer.
      const isGood = known !== undefined && known.since <= sentSince;
      const sentAt = isGood ? (known.sentAt ?? (yield* this.#sentAt(kind, account, known.behind))) : undefined;
      const found: End =
        isGood && sentAt !== undefined && sentAt >= sentSince
          ? { ...known, sentAt }
          : ((yield* this.#lastBefore(kind, account, isGood ? known.behind - 1 : Infinity, sentSince)) ?? {
              behind: beginning[kind],
              sentAt: Infinity,
              since: sentSince,
            });
      // The account may have recorded between two steps.
      if (ends.get(account) !== known) continue;
      ends.set(account, found);
      return found.behind;
    }
  }

  /** `undefined` where what lies right before a number is the account's no more. */
  *#sentAt(kind: Kind, account: AccountId, behind: number): Steps<EpochMs | undefined> {
    const last = yield* this.#lastBefore(kind, account, behind, Number.NEGATIVE_INFINITY);
    return last?.behind === behind ? last.sentAt : undefined;
  }

  *#lastBefore(kind: Kind, account: AccountId, before: number, sentSince: EpochMs): Steps<End | undefined> {
    const ids = this.#segments.all().map(({ shared }) => shared.id);
    for (const id of ids.sort((a, b) => b - a)) {
      const segment = this.#segments.get(id);
      if (segment === undefined) continue;
      const base = kind === 'position' ? positionOf(id, 0) : segment.shared.firstSequence;
      if (base >= before) continue;
      const sought = { before: before - base, sentSince };
      const last =
        kind === 'position'
          ? lastMessage(this.#segments, segment, account, sought)
          : yield* lastReport(this.#segments, segment, account, sought);
      if (last !== undefined) return { behind: base + last.at + 1, sentAt: last.sentAt, since: sentSince };
      yield 0;
    }
    return undefined;
  }
}
