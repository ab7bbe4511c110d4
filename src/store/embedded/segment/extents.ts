import type { EpochMs } from '../../../domain/message.ts';
import { earliestOf, type Horizons, horizonOf, latestOf } from '../../horizons.ts';
import { maxSentAt, reportedUntil, type SharedSegment } from './shared-segment.ts';

/** Of each account in a segment, side by side. */
export type Extents = {
  readonly accounts: Float64Array;
  /** The newest `sentAt` of its messages there, and of those that reports there are on. */
  readonly until: ArrayLike<EpochMs>;
  /** How many messages it has there. */
  readonly messages: ArrayLike<number>;
};

/** Whether nothing of a segment is kept any more, where that follows from the whole of it; else its accounts must tell. */
export function isPastAsWhole(shared: SharedSegment, horizons: Horizons): boolean | undefined {
  const until = Math.max(maxSentAt(shared), reportedUntil(shared));
  if (until < earliestOf(horizons)) return true;
  return until >= latestOf(horizons) ? false : undefined;
}

export function isPastForAll({ accounts, until }: Extents, horizons: Horizons): boolean {
  return accounts.every((account, at) => (until[at] ?? Infinity) < horizonOf(horizons, account));
}
