import type { AccountId, EpochMs } from '../domain/message.ts';

/** Before which moment messages are past: those of accounts that keep theirs for a time of their own, and all others. */
export type Horizons = { readonly others: EpochMs; readonly own: ReadonlyMap<AccountId, EpochMs> };

export function horizonOf({ others, own }: Horizons, account: AccountId): EpochMs {
  return own.get(account) ?? others;
}

/** What was sent before it is past, whose ever it is. */
export function earliestOf({ others, own }: Horizons): EpochMs {
  return own.values().reduce((a, b) => Math.min(a, b), others);
}

/** What was sent from it on is kept, whose ever it is. */
export function latestOf({ others, own }: Horizons): EpochMs {
  return own.values().reduce((a, b) => Math.max(a, b), others);
}
