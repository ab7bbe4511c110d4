import type { EpochMs } from '../../../domain/message.ts';
import { Slices } from '../../../slices.ts';
import { type Horizons, horizonOf } from '../../horizons.ts';
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
  if (until < horizons.earliest) return true;
  return until >= horizons.latest ? false : undefined;
}

export async function isPastForAll({ accounts, until }: Extents, horizons: Horizons): Promise<boolean> {
  const slices = new Slices();
  for (const [at, account] of accounts.entries()) {
    if ((until[at] ?? Infinity) >= horizonOf(horizons, account)) return false;
    const pause = slices.pause();
    if (pause !== undefined) await pause;
  }
  return true;
}
