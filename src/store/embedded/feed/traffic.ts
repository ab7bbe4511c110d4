import type { AccountId } from '../../../domain/message.ts';
import type { LogEnd, LogRange } from '../segment/position.ts';

/** Ranges that are remembered of one account; of more, the oldest become one, with what lies between them. */
const rangesMax = 64;

type Followed = {
  followers: number;
  /** Behind what it had recorded before; `undefined` when that was nothing in this run. */
  readonly since: LogEnd | undefined;
  readonly busy: LogRange[];
};

/**
 * Where in the log the accounts that are followed had traffic. Between those ranges nothing is theirs, so whoever
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

  /** Something of these accounts may lie in the range, which follows on the one before, and nothing of others does. */
  add(accounts: readonly AccountId[], range: LogRange): void {
    this.#begun ??= range.from;
    this.#end = range.to;
    for (const account of accounts) {
      this.#ends.set(account, range.to);
      const busy = this.#followed.get(account)?.busy;
      if (busy === undefined) continue;
      const last = busy.at(-1);
      if (last?.to.position === range.from.position && last.to.sequence === range.from.sequence)
        busy.splice(-1, 1, { from: last.from, to: range.to });
      else busy.push(range);
      const [first, second] = busy;
      if (busy.length > rangesMax && first !== undefined && second !== undefined)
        busy.splice(0, 2, { from: first.from, to: second.to });
    }
  }

  /** Ranges in which nothing of a followed account lies, oldest first; none for one that nobody follows. */
  gapsOf(account: AccountId): readonly LogRange[] {
    const followed = this.#followed.get(account);
    let from = followed?.since ?? this.#begun;
    if (followed === undefined || from === undefined || this.#end === undefined) return [];
    const gaps: LogRange[] = [];
    for (const busy of followed.busy) {
      gaps.push({ from, to: busy.from });
      from = busy.to;
    }
    gaps.push({ from, to: this.#end });
    return gaps;
  }
}
