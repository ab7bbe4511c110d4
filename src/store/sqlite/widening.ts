import { StoreUnavailable } from '../store.ts';
import { ordinalsMax, reportsPerMessageMax } from './position.ts';

/** Segments that the key table can tell apart (see key-table.ts). */
const segmentsMax = 4094;
/** From so many on, segments become wider. */
const widenedFrom = 3072;
/** As many segments on, they are twice as wide. */
const doubledAfter = 32;

export type SegmentBounds = { readonly segmentMessagesMax: number; readonly segmentAgeMs: number };

/**
 * How much the next segment of a log that has so many takes before it is full. Where there are many, it takes more and
 * stays open longer: whatever the settings and the traffic, memory and disk come to their end before segments do. Throws
 * `StoreUnavailable` when there can be no more.
 */
export function widened(segments: number, { segmentMessagesMax, segmentAgeMs }: SegmentBounds): SegmentBounds {
  if (segments >= segmentsMax) throw new StoreUnavailable(`the log has ${segmentsMax} segments, and can have no more`);
  if (segments < widenedFrom) return { segmentMessagesMax, segmentAgeMs };
  const factor = 2 ** (1 + Math.floor((segments - widenedFrom) / doubledAfter));
  return {
    segmentMessagesMax: Math.min(ordinalsMax, segmentMessagesMax * factor),
    segmentAgeMs: segmentAgeMs * factor,
  };
}

/** Whether a segment that holds so much is full. */
export function isFull(messages: number, reports: number, { segmentMessagesMax }: SegmentBounds): boolean {
  return messages >= segmentMessagesMax || reports >= segmentMessagesMax * reportsPerMessageMax;
}
