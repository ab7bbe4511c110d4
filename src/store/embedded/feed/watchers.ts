import type { AccountId } from '../../../domain/message.ts';
import type { LogRange } from '../segment/position.ts';
import { Traffic } from './traffic.ts';

/** Who wants to know when something of an account has become durable. */
export class Watchers {
  readonly #byAccount = new Map<AccountId, Set<() => void>>();
  readonly #traffic = new Traffic();

  /** Returns what ends it. */
  add(account: AccountId, wake: () => void): () => void {
    // Each its own: the same function may watch twice, and end once.
    const watcher = () => wake();
    const watchers = this.#byAccount.get(account) ?? new Set();
    this.#byAccount.set(account, watchers.add(watcher));
    const unfollow = this.#traffic.follow(account);
    return () => {
      unfollow();
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#byAccount.get(account) === watchers) this.#byAccount.delete(account);
    };
  }

  /** `range` is where in the log something of these accounts may lie now. */
  wake(accounts: readonly AccountId[], range: LogRange | undefined): void {
    if (range !== undefined) this.#traffic.add(accounts, range);
    for (const account of accounts) for (const wake of this.#byAccount.get(account) ?? []) wake();
  }

  /** Where nothing lies of an account that somebody watches. */
  gapsOf(account: AccountId): readonly LogRange[] {
    return this.#traffic.gapsOf(account);
  }
}
