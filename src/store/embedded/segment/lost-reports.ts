import { ordinalOf, type Position, positionOf, segmentIdOf } from './position.ts';
import { applyReport, messagesIn, newestReportOf, reportsIn, type SharedSegment } from './shared-segment.ts';

/** Of a segment's reports, in their order: the position of the message, 0 where the report is lost, and the group it left it in. */
export type ReportOutcomes = {
  readonly messages: Float64Array;
  readonly groups: Uint8Array;
};

/** What is to be asked of the files. */
export type ReportSource = {
  outcomes(segment: SharedSegment): ReportOutcomes;
  /** The group that a message was recorded with; `undefined` when it is lost itself. */
  initialGroup(segment: SharedSegment, ordinal: number): number | undefined;
};

/**
 * Reports of a segment are lost: the messages whose newest report was one of them are shown as the newest that is left
 * says, as after the next start. `segments` are all, oldest first; `left` is what the damaged one still has.
 */
export function passOverLost(
  segments: readonly SharedSegment[],
  damaged: SharedSegment,
  left: ReportOutcomes,
  source: ReportSource,
): void {
  const sought = losers(segments, damaged, left);
  const oldest = sought.values().reduce((least, position) => Math.min(least, segmentIdOf(position)), Infinity);
  for (const segment of segments.filter(({ id }) => id >= oldest && id <= damaged.id).reverse()) {
    if (sought.size === 0) return;
    const { messages, groups } = segment === damaged ? left : source.outcomes(segment);
    for (let i = messages.length - 1; i >= 0; i--) {
      const position = messages[i] ?? 0;
      if (!sought.delete(position)) continue;
      const holder = segments.find(({ id }) => id === segmentIdOf(position));
      if (holder !== undefined) applyReport(holder, ordinalOf(position), segment.firstSequence + i, groups[i] ?? 0);
    }
  }
  for (const position of sought) {
    const holder = segments.find(({ id }) => id === segmentIdOf(position));
    const group = holder === undefined ? undefined : source.initialGroup(holder, ordinalOf(position));
    if (holder !== undefined && group !== undefined) applyReport(holder, ordinalOf(position), 0, group);
  }
}

/** The messages whose newest report was the damaged segment's, and is not left. */
function losers(segments: readonly SharedSegment[], damaged: SharedSegment, left: ReportOutcomes): Set<Position> {
  const sought = new Set<Position>();
  const end = damaged.firstSequence + reportsIn(damaged);
  for (const segment of segments.filter(({ id }) => id <= damaged.id))
    for (let ordinal = 0; ordinal < messagesIn(segment); ordinal++) {
      const sequence = newestReportOf(segment, ordinal);
      if (sequence < damaged.firstSequence || sequence >= end) continue;
      const position = positionOf(segment.id, ordinal);
      if (left.messages[sequence - damaged.firstSequence] !== position) sought.add(position);
    }
  return sought;
}
