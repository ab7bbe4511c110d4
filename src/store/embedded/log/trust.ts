import type { AccountId, EpochMs } from '../../../domain/message.ts';

/**
 * Since when the counts that segments keep add up to what the log holds. Accounts that keep their messages for a time of
 * their own have a moment of their own too: what is dropped of the others does not touch theirs.
 */
export class Trust {
  readonly #others: EpochMs;
  readonly #own: ReadonlyMap<AccountId, EpochMs>;

  constructor(others: EpochMs, own: ReadonlyMap<AccountId, EpochMs> = new Map()) {
    this.#others = others;
    this.#own = own;
  }

  from(account: AccountId): EpochMs {
    return this.#own.get(account) ?? this.#others;
  }

  /** Nothing before it can be trusted of anybody. */
  get earliest(): EpochMs {
    return this.#own.values().reduce((a, b) => Math.min(a, b), this.#others);
  }

  /**
   * What was sent before these moments is about to be dropped. An account whose time became its own, or the common one
   * again, still lacks what was dropped before that.
   */
  retired(before: EpochMs, ownBefore: ReadonlyMap<AccountId, EpochMs>): Trust {
    const others = Math.max(this.#others, before);
    const own = new Map<AccountId, EpochMs>();
    for (const [account, from] of this.#own) if (from > others) own.set(account, from);
    for (const [account, from] of ownBefore) own.set(account, Math.max(from, this.from(account)));
    return new Trust(others, own);
  }

  /** Something was lost that was sent before a moment, whose ever it was. */
  broken(before: EpochMs): Trust {
    const own = Array.from(this.#own, ([account, from]) => [account, Math.max(from, before)] as const);
    return new Trust(Math.max(this.#others, before), new Map(own));
  }

  equals(other: Trust): boolean {
    return JSON.stringify(this) === JSON.stringify(other);
  }

  /** As `log.json` keeps it. */
  toJSON(): { readonly trustedFrom: EpochMs; readonly ownTrustedFrom: readonly (readonly [AccountId, EpochMs])[] } {
    return { trustedFrom: this.#others, ownTrustedFrom: [...this.#own] };
  }

  /** `undefined` for what `toJSON` did not give; an older version knew no accounts with a time of their own. */
  static of(value: object): Trust | undefined {
    if (!('trustedFrom' in value) || typeof value.trustedFrom !== 'number') return undefined;
    const pairs = 'ownTrustedFrom' in value ? value.ownTrustedFrom : [];
    return Array.isArray(pairs) && pairs.every(isPair) ? new Trust(value.trustedFrom, new Map(pairs)) : undefined;
  }
}

function isPair(value: unknown): value is readonly [AccountId, EpochMs] {
  return Array.isArray(value) && value.length === 2 && value.every(one => typeof one === 'number');
}
