import type { EpochMs } from '../../../domain/message.ts';

const momentMax = Number.MAX_SAFE_INTEGER - 1;

/** The first whole millisecond from `bound` on, as a column can hold it: bounds may be infinite. */
export function columnMs(bound: EpochMs): EpochMs {
  return Math.ceil(Math.min(momentMax, Math.max(-momentMax, bound)));
}
