import type { AccountId, EpochMs } from '../domain/message.ts';
import { Slices } from '../slices.ts';

/** Before which moment messages are past of accounts that keep theirs for a time of their own. */
export type OwnHorizons = Iterable<readonly [account: AccountId, before: EpochMs]> &
  Pick<ReadonlyMap<AccountId, EpochMs>, 'get' | 'size'>;

/**
 * Before which moment messages are past, of every account. Packed, so that a thread is told of a hundred thousand accounts as
 * fast as of one.
 */
export type Horizons = {
  /** Of all accounts without one of their own. */
  readonly others: EpochMs;
  /** Those that have one of their own, in ascending order; and theirs, side by side. */
  readonly accounts: Float64Array;
  readonly own: Float64Array;
  /** What was sent before it is past, whose ever it is. */
  readonly earliest: EpochMs;
  /** What was sent from it on is kept, whose ever it is. */
  readonly latest: EpochMs;
};

export async function horizonsOf(others: EpochMs, own: OwnHorizons): Promise<Horizons> {
  const accounts = new Float64Array(own.size);
  const moments = new Float64Array(own.size);
  const slices = new Slices();
  let [at, earliest, latest, isSorted] = [0, others, others, true];
  for (const [account, before] of own) {
    const pause = slices.pause();
    if (pause !== undefined) await pause;
    isSorted &&= at === 0 || account > (accounts[at - 1] ?? account);
    accounts[at] = account;
    moments[at++] = before;
    earliest = Math.min(earliest, before);
    latest = Math.max(latest, before);
  }
  return isSorted
    ? { others, accounts, own: moments, earliest, latest }
    : horizonsOf(others, new Map([...own].sort(([a], [b]) => a - b)));
}

export function horizonOf({ others, accounts, own }: Horizons, account: AccountId): EpochMs {
  let [from, to] = [0, accounts.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((accounts[middle] ?? 0) < account) from = middle + 1;
    else to = middle;
  }
  return accounts[from] === account ? (own[from] ?? others) : others;
}

/** The accounts that have one of their own, with it. */
export function* ownHorizons({ accounts, own }: Horizons): Generator<readonly [account: AccountId, before: EpochMs]> {
  for (const [at, account] of accounts.entries()) yield [account, own[at] ?? 0];
}
