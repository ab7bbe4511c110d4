import type { AccountId } from '../../domain/message.ts';

/** Who wants to know when something of an account has become durable. */
export class Watchers {
  readonly #byAccount = new Map<AccountId, Set<() => void>>();

  /** Returns what ends it. */
  add(account: AccountId, wake: () => void): () => void {
    // Each its own: the same function may watch twice, and end once.
    const watcher = () => wake();
    const watchers = this.#byAccount.get(account) ?? new Set();
    this.#byAccount.set(account, watchers.add(watcher));
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#byAccount.get(account) === watchers) this.#byAccount.delete(account);
    };
  }

  wake(accounts: readonly AccountId[]): void {
    for (const account of accounts) for (const wake of this.#byAccount.get(account) ?? []) wake();
  }
}
