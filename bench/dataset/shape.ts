import type { EpochMs } from '../../src/domain/message.ts';
import { mix, scattered } from './numbers.ts';

/**
 * A generated log: message `index` (0 … `messages` - 1) is the same wherever and however often it is generated.
 * `arrival` records in about `sentAt` order, as a sender does; `shuffled` in no order at all.
 */
export type LogShape = {
  readonly seed: number;
  /** The number in the id of message 0: logs recorded into one store must not share ids. */
  readonly firstId: number;
  readonly messages: number;
  readonly firstSentAt: EpochMs;
  readonly spanMs: number;
  readonly spread: 'arrival' | 'shuffled';
};

/** How far a message may be out of `sentAt` order when it arrives. */
export const jitterMs = 2_000;

export const senderCount = 10;
export const campaignCount = 20;
export const applicationCount = 5;
export const entityCount = 5;

/** Ten messages of a whole log have it, however great the log is. */
export const rareSender = '44113499999';
export const rareCampaign = 'campaign-rare';
/** No message has it. */
export const absentSender = '44113400000';

export const sender = (number: number) => `4411349600${number}`;
export const campaign = (number: number) => `campaign-${String(number).padStart(2, '0')}`;
export const application = (number: number) => `application-${number}`;
export const entity = (number: number) => `entity-${number}`;

/** Ids are a fixed prefix and a number of nine digits at most. */
export const destinationPrefix = '38';
export const messageIdPrefix = '1688020000';
export const bulkIdPrefix = '1688025000';
export const idDigits = 9;

/** Sizes of the bulks that one block of messages falls into; their messages arrive mixed. */
const bulkSizes = [10_000, 5_000, 2_500, 1_200, 600, 300, 200, 100, 100] as const;
const blockMessages = bulkSizes.reduce((sum, size) => sum + size, 0);
const bulkOfSlot = Uint8Array.from(bulkSizes.flatMap((size, bulk) => Array<number>(size).fill(bulk)));
/** Coprime with the block, so that it mixes the block's slots. */
const slotStep = 7_919;

const id = (prefix: string, number: number) => prefix + String(number).padStart(idDigits, '0');
export const messageId = (shape: LogShape, index: number) => id(messageIdPrefix, shape.firstId + index);
export const bulkId = (number: number) => id(bulkIdPrefix, number);
export const destination = (number: number) => id(destinationPrefix, number);

/** The number of the bulk that a message belongs to. */
export function bulkNumber(index: number): number {
  const block = Math.floor(index / blockMessages);
  const slot = ((index % blockMessages) * slotStep) % blockMessages;
  return block * bulkSizes.length + (bulkOfSlot[slot] ?? 0);
}

/** 1 % of the destinations get every fifth message; the rest is a long tail. */
export function destinationNumber(shape: LogShape, index: number): number {
  const destinations = Math.max(100, Math.floor(shape.messages / 10));
  const heavy = Math.floor(destinations / 100);
  const draw = mix(shape.seed, index, 2);
  return mix(shape.seed, index, 1) % 5 === 0 ? draw % heavy : heavy + (draw % (destinations - heavy));
}

/** In the log's middle of each tenth, so that the whole log has to be searched for all ten. */
export function isRare(shape: LogShape, index: number): boolean {
  const period = Math.max(1, Math.floor(shape.messages / 10));
  return index % period === period >>> 1;
}

/** One in 100,000; a log too small for that has two. */
export function isExpired(shape: LogShape, index: number): boolean {
  const period = Math.min(100_000, Math.max(2, Math.floor(shape.messages / 2)));
  return index % period === period >>> 2;
}

export function sentAt(shape: LogShape, index: number): EpochMs {
  const place = shape.spread === 'shuffled' ? scattered(index, shape.messages) : index;
  const due = Math.floor((place * shape.spanMs) / shape.messages);
  return shape.firstSentAt + due + (mix(shape.seed, index, 3) % jitterMs);
}
