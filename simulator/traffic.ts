import { Random } from '../scripts/demo/random.ts';
import type { EpochMs } from '../src/domain/message.ts';
import type { SimulatedInfobip } from './infobip.ts';
import { simulatedMessage } from './messages.ts';

export type TrafficOptions = {
  readonly seed: string;
  readonly messagesPerSecond: number;
  /** How fast receipts come: 1 as in life. */
  readonly pace: number;
  /** The share of messages that the log shows late, by up to so long. */
  readonly late?: { readonly share: number; readonly msMax: number };
};

export const slotMs = 10_000;

/**
 * Adds the messages that are sent in the ten seconds from `slot` on. They depend on the seed and the slot alone: told
 * again, by another process, they are the same.
 */
export function addSlot(infobip: Pick<SimulatedInfobip, 'add'>, slot: EpochMs, options: TrafficOptions): void {
  const { seed, messagesPerSecond, pace, late } = options;
  const random = new Random(`${seed} ${slot}`);
  const wanted = (messagesPerSecond * slotMs) / 1000;
  const messages = Math.floor(wanted) + (random.chance(wanted % 1) ? 1 : 0);
  for (let i = 0; i < messages; i++) {
    const sentAt = slot + Math.floor((i * slotMs) / messages);
    const lateMs = late !== undefined && random.chance(late.share) ? random.between(1, late.msMax) : 0;
    infobip.add(
      simulatedMessage({ messageId: `${sentAt}${String(i).padStart(5, '0')}`, sentAt, lateMs, pace }, random),
    );
  }
}

/** The first moment of the slot that a moment lies in. */
export const slotOf = (at: EpochMs): EpochMs => Math.floor(at / slotMs) * slotMs;
