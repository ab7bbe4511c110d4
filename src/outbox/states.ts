import type { Lane } from '../domain/outgoing.ts';
import type { steps } from './telling.ts';

/** Where a message is on its way; the numbers are stored, by every engine. */
export const states = {
  scheduled: 0,
  queued: 1,
  claimed: 2,
  unknown: 3,
  sent: 4,
  ended: 5,
  /** Whether it was sent was not known when its time was over; an echo may still tell. */
  lost: 6,
} as const;

const lanes: readonly Lane[] = ['text', 'media'];

export function laneIndex(lane: Lane): number {
  return lanes.indexOf(lane);
}

export function laneAt(index: number): Lane {
  const lane = lanes[index];
  if (lane === undefined) throw new TypeError('the outbox has an unknown lane');
  return lane;
}

/** The keys of a step's codes, which are what is stored. */
export function keysOf({ status, error }: (typeof steps)[keyof typeof steps]): {
  readonly statusKey: number;
  readonly errorKey: number;
} {
  return { statusKey: status.key, errorKey: error.key };
}
