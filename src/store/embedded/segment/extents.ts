import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { earliestOf, type Horizons, horizonOf, latestOf } from '../../horizons.ts';
import { maxSentAt, reportedUntil, type SharedSegment } from './shared-segment.ts';

/** Of each account in a segment, the newest `sentAt` of its messages there, and of those that reports there are on. */
export type Extents = ReadonlyMap<AccountId, EpochMs>;

type Told = { readonly accounts: Float64Array; readonly until: Float64Array };

export function extentsOf({ accounts, until }: Told): Extents {
  return new Map(Array.from(accounts, (account, at) => [account, until[at] ?? Infinity]));
}

/** Whether nothing of a segment is kept any more, where that follows from the whole of it; else its accounts must tell. */
export function isPastAsWhole(shared: SharedSegment, horizons: Horizons): boolean | undefined {
  const until = Math.max(maxSentAt(shared), reportedUntil(shared));
  if (until < earliestOf(horizons)) return true;
  return until >= latestOf(horizons) ? false : undefined;
}

export function isPastForAll(extents: Extents, horizons: Horizons): boolean {
  return [...extents].every(([account, until]) => until < horizonOf(horizons, account));
}
