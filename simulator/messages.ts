import { campaignContent, recipient, senders, singleContent } from '../scripts/demo/cast.ts';
import { life, type Step } from '../scripts/demo/life.ts';
import type { Random } from '../scripts/demo/random.ts';
import type { EpochMs } from '../src/domain/message.ts';
import { type DeliveryError, noError, pendingAccepted, type Status } from '../src/domain/registry.ts';

/** What a message is at the simulated Infobip from a moment on. */
export type SimulatedState = {
  readonly from: EpochMs;
  /** As the log shows it: its group may be one that nobody knows. */
  readonly status: Omit<Status, 'groupName'> & { readonly groupName: string };
  readonly error: DeliveryError;
  readonly doneAt?: EpochMs;
  readonly price?: object;
};

/** A message at the simulated Infobip: all that is true of it, and when it becomes so. */
export type SimulatedMessage = {
  readonly messageId: string;
  readonly sentAt: EpochMs;
  /** When its log shows it: mostly at once, sometimes minutes after it was sent. */
  readonly appearsAt: EpochMs;
  /** Oldest first, at least one. */
  readonly states: readonly SimulatedState[];
  readonly seenAt?: EpochMs;
  /** What never changes, as the log shows it. */
  readonly fields: Readonly<Record<string, unknown>> & { readonly sender: string; readonly destination: string };
};

export type MessageOptions = {
  readonly messageId: string;
  readonly sentAt: EpochMs;
  readonly lateMs?: number;
  /** How fast receipts come: 1 as in life. */
  readonly pace?: number;
};

/** A made-up message; the same random numbers make the same one. */
export function simulatedMessage(
  { messageId, sentAt, lateMs = 0, pace = 1 }: MessageOptions,
  random: Random,
): SimulatedMessage {
  const sender = random.weighted(senders.map(one => [one.weight, one] as const));
  const campaign = sender.campaigns.length > 0 && random.chance(0.2) ? random.pick(sender.campaigns) : undefined;
  const applicationId = sender.applications.length > 0 ? random.pick(sender.applications) : undefined;
  const { entityId } = sender;
  const price = { pricePerMessage: sender.pricePerMessage, currency: sender.currency };
  const { refusedAs, steps } = life(sentAt, pace, random);
  const seenAt = steps.find(step => step.seenAt !== undefined)?.seenAt;
  return {
    messageId,
    sentAt,
    appearsAt: sentAt + lateMs,
    states: statesOf(sentAt, refusedAs, steps, price),
    ...(seenAt !== undefined && { seenAt }),
    fields: {
      sender: sender.page,
      destination: recipient(sender, random),
      bulkId: `bulk-${Math.floor(sentAt / 60_000)}`,
      messageCount: random.chance(0.08) ? random.between(2, 3) : 1,
      ...(entityId !== undefined && { platform: { entityId, ...(applicationId !== undefined && { applicationId }) } }),
      content: campaign === undefined ? singleContent(random) : campaignContent(random),
      ...(campaign !== undefined && { campaignReferenceId: campaign }),
    },
  };
}

function statesOf(
  sentAt: EpochMs,
  refusedAs: Step | undefined,
  steps: readonly Step[],
  price: object,
): SimulatedState[] {
  const states: SimulatedState[] = [
    { from: sentAt, status: pendingAccepted, error: noError, ...(refusedAs !== undefined && saidOf(refusedAs)) },
  ];
  for (const step of steps) {
    if (step.status === undefined) continue;
    states.push({
      from: step.at,
      error: noError,
      status: step.status,
      ...saidOf(step),
      ...(step.priced === true && { price }),
    });
  }
  return states;
}

function saidOf({ status, error, doneAt }: Step) {
  return {
    ...(status !== undefined && { status }),
    ...(error !== undefined && { error }),
    ...(doneAt !== undefined && { doneAt }),
  };
}

/** What is true of a message at a moment. */
export function stateAt({ states }: SimulatedMessage, at: EpochMs): SimulatedState {
  const state = states.findLast(one => one.from <= at) ?? states[0];
  if (state === undefined) throw new RangeError('a message without a state');
  return state;
}

const instant = (at: EpochMs) => new Date(at).toISOString().replace('Z', '+0000');

/** A message as the log shows it at a moment, fields in the vendor's order. */
export function shownAt(message: SimulatedMessage, at: EpochMs): object {
  const { messageId, sentAt, fields } = message;
  const { status, error, doneAt, price } = stateAt(message, at);
  const { sender, destination, bulkId, messageCount, platform, content, campaignReferenceId } = fields;
  return {
    sender,
    destination,
    bulkId,
    messageId,
    sentAt: instant(sentAt),
    ...(doneAt !== undefined && { doneAt: instant(doneAt) }),
    messageCount,
    ...(price !== undefined && { price }),
    status: {
      groupId: status.groupId,
      groupName: status.groupName,
      id: status.id,
      name: status.name,
      description: status.description,
    },
    error: {
      groupId: error.groupId,
      groupName: error.groupName,
      id: error.id,
      name: error.name,
      description: error.description,
      permanent: error.permanent,
    },
    ...(platform !== undefined && { platform }),
    content,
    ...(campaignReferenceId !== undefined && { campaignReferenceId }),
  };
}
