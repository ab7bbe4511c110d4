import type { AccountId } from '../../domain/message.ts';
import type { LogEnd } from './read-segments.ts';

/** A part of the log, from one place to before another, in positions and in sequences. */
export type Stretch = { readonly from: LogEnd; readonly to: LogEnd };

/** Stretches that are remembered of one account; of more, the oldest become one, with what lies between them. */
const stretchesMax = 64;

type Followed = {
  followers: number;
  /** Behind what it had recorded before; `undefined` when that was nothing in this run. */
  readonly since: LogEnd | undefined;
  readonly busy: Stretch[];
};

/**
 * Where in the log the accounts that are followed had traffic. Between those stretches nothing is theirs, so whoever
 * follows a quiet account does not look through what others record.
 */
export class Traffic {
  readonly #followed = new Map<AccountId, Followed>();
  /** Behind what each account, followed or not, recorded last in this run. */
  readonly #ends = new Map<AccountId, LogEnd>();
  #begun: LogEnd | undefined;
  #end: LogEnd | undefined;

  /** Returns what ends it. */
  follow(account: AccountId): () => void {
    const followed = this.#followed.get(account) ?? { followers: 0, since: this.#ends.get(account), busy: [] };
    followed.followers++;
    this.#followed.set(account, followed);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      if (--followed.followers === 0) this.#followed.delete(account);
    };
  }

  /** Something of these accounts may lie in the stretch, which follows on the one before, and nothing of others does. */
  add(accounts: readonly AccountId[], stretch: Stretch): void {
    this.#begun ??= stretch.from;
    this.#end = stretch.to;
    for (const account of accounts) {
      this.#ends.set(account, stretch.to);
      const busy = this.#followed.get(account)?.busy;
      if (busy === undefined) continue;
      const last = busy.at(-1);
      if (last?.to.position === stretch.from.position && last.to.sequence === stretch.from.sequence)
        busy.splice(-1, 1, { from: last.from, to: stretch.to });
      else busy.push(stretch);
      const [first, second] = busy;
      if (busy.length > stretchesMax && first !== undefined && second !== undefined)
        busy.splice(0, 2, { from: first.from, to: second.to });
    }
  }

  /** Stretches in which nothing of a followed account lies, oldest first; none for one that nobody follows. */
  gapsOf(account: AccountId): readonly Stretch[] {
    const followed = this.#followed.get(account);
    let from = followed?.since ?? this.#begun;
    if (followed === undefined || from === undefined || this.#end === undefined) return [];
    const gaps: Stretch[] = [];
    for (const busy of followed.busy) {
      gaps.push({ from, to: busy.from });
      from = busy.to;
    }
    gaps.push({ from, to: this.#end });
    return gaps;
  }
}
