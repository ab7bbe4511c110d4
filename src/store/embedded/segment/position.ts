import { limits } from '../../../limits.ts';

/**
 * Where a message lies: its segment and its ordinal in it, as one number. Positions grow in recording order, so they
 * also settle the order of equal `sentAt` and bound what a walk may see.
 */
export type Position = number;

/** A segment holds at most this many messages. */
export const ordinalsMax = 2 ** 20;

/** Reports a segment takes before it is full, for each message it may hold: a start reads each row of the youngest. */
export const reportsPerMessageMax = 2;

/** How many a segment for so many messages may have in the end: the last of its messages may join all that waited for it. */
export const reportsMaxOf = (messages: number) => messages * reportsPerMessageMax + limits.waitingOnMessageMax;

export function positionOf(segmentId: number, ordinal: number): Position {
  return segmentId * ordinalsMax + ordinal;
}

export function segmentIdOf(position: Position): number {
  return Math.floor(position / ordinalsMax);
}

export function ordinalOf(position: Position): number {
  return position % ordinalsMax;
}

/** How far the log goes: the first position and the first sequence that nothing has yet. */
export type LogEnd = { readonly position: Position; readonly sequence: number };

/** A part of the log, from one place to before another, in positions and in sequences. */
export type LogRange = { readonly from: LogEnd; readonly to: LogEnd };

/** How far the log goes, where it went less far before. */
export function movedEnd(before: LogEnd, { position, sequence }: LogEnd): Partial<LogEnd> {
  return { ...(position > before.position && { position }), ...(sequence > before.sequence && { sequence }) };
}
