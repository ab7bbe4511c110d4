import { InvalidBookmark, StoreUnavailable, StoreUnusable } from '../../store.ts';
import { DamagedSegment, isOutage, UnreadableSegment } from '../files/damage.ts';
import type { Failure } from './messages.ts';

/** An error in the form that crosses threads: classes do not. */
export function failureOf(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof DamagedSegment) return { kind: 'damaged', message, segmentId: error.segmentId };
  if (error instanceof UnreadableSegment)
    return { kind: 'unreadable', message, segmentId: error.segmentId, isUnread: error.isUnread };
  if (error instanceof InvalidBookmark) return { kind: 'bookmark', message };
  if (error instanceof StoreUnusable) return { kind: 'unusable', message };
  if (error instanceof StoreUnavailable || isOutage(error)) return { kind: 'outage', message };
  return {
    kind: 'defect',
    message,
    ...(error instanceof Error && error.stack !== undefined && { stack: error.stack }),
  };
}
