import { limits } from '../../../limits.ts';
import { StoreUnavailable } from '../../store.ts';
import { ordinalsMax, reportsPerMessageMax } from '../segment/position.ts';
import type { SharedSegment } from '../segment/shared-segment.ts';
import type { ActiveSegment, SegmentSize } from './active-segment.ts';
import type { WriterOptions } from './writer-options.ts';

/** Of the segments there may be, as many are of the size that was set; from there on they grow. */
const plainShare = 3 / 4;
/** Sizes double with each of so many parts of all segments there may be. */
const doublingShare = 1 / 80;

type Sizes = Pick<WriterOptions, 'segmentMessagesMax' | 'segmentAgeMs' | 'segmentsMax'>;

/**
 * The size of the next segment, when there are so many. A log may have only so many: where small ones would use that up
 * before retention drops any, the further ones are larger, so that recording does not come to an end. Throws
 * `StoreUnavailable` when there can be no more.
 */
export function nextSize(set: Sizes, segments: number): SegmentSize {
  const { segmentsMax } = set;
  if (segments >= segmentsMax)
    throw new StoreUnavailable(
      `the log has ${segments} segments and can have no more: shorten the retention, or wait until it drops some`,
    );
  const beyond = segments - Math.floor(segmentsMax * plainShare);
  const doublings = beyond < 0 ? 0 : 1 + Math.floor(beyond / Math.max(1, Math.floor(segmentsMax * doublingShare)));
  const factor = 2 ** Math.min(doublings, 20);
  return {
    messagesMax: Math.min(ordinalsMax, set.segmentMessagesMax * factor),
    bytesMax: limits.segmentBytesMax * Math.min(factor, limits.segmentBytesFactorMax),
    ageMs: set.segmentAgeMs * factor,
  };
}

/** The size of the youngest of so many segments, begun in an earlier run: no more than there is room for in memory. */
export function sizeOf(shared: SharedSegment, set: Sizes, segments: number): SegmentSize {
  return { ...nextSize(set, segments - 1), messagesMax: shared.groupCode.length };
}

export function isFull({ messages, reports, bytes, size }: ActiveSegment): boolean {
  return messages >= size.messagesMax || reports >= size.messagesMax * reportsPerMessageMax || bytes >= size.bytesMax;
}
