import type { EpochMs, Price, Submission } from '../domain/message.ts';
import type { Outgoing } from '../domain/outgoing.ts';
import {
  type DeliveryError,
  deliveryErrorByKey,
  deliveryErrorNamed,
  noError,
  pendingAccepted,
  type Status,
  statusByKey,
  statusNamed,
} from '../domain/registry.ts';

/** What happens to a message on its way, as the log is told of it. */
export const steps = {
  accepted: { status: pendingAccepted, error: noError },
  sent: { status: statusNamed('PENDING_ENROUTE'), error: noError },
  /** Taken by Meta, which will tell no more of it. */
  done: { status: statusNamed('DELIVERED_TO_OPERATOR'), error: noError },
  delivered: { status: statusNamed('DELIVERED_TO_HANDSET'), error: noError },
  /** Its time was over before it was sent. */
  expiredUnsent: { status: statusNamed('EXPIRED_EXPIRED'), error: deliveryErrorNamed('EC_MESSAGE_CANCELED') },
  /** Sent, and no receipt came. */
  expiredUnreported: { status: statusNamed('EXPIRED_DLR_UNKNOWN'), error: deliveryErrorNamed('EC_VALIDITY_EXPIRED') },
  /** Whether it was sent was never known. */
  expiredUnknown: { status: statusNamed('EXPIRED_DLR_UNKNOWN'), error: deliveryErrorNamed('EC_PROVIDER_TIMEOUT') },
} as const satisfies Readonly<Record<string, { readonly status: Status; readonly error: DeliveryError }>>;

/** A step as it is kept until the log was told. */
export type Step = {
  readonly at: EpochMs;
  readonly statusKey?: number;
  readonly errorKey?: number;
  readonly doneAt?: EpochMs;
  readonly seenAt?: EpochMs;
  readonly price?: Price;
  /** The whole message with its step, since the log does not know it yet. */
  readonly isFirst: boolean;
};

/** What the log is told of the first step of a message. */
export function firstSubmissionOf(message: Outgoing, step: Step): Submission {
  return { ...submissionOf(message.messageId, step), ...identityOf(message, step.at) };
}

/** What the log is told of a further step: it knows the message. */
export function submissionOf(messageId: string, step: Step): Submission {
  const { at, statusKey, errorKey, doneAt, seenAt, price } = step;
  return {
    messageId,
    at,
    ...(statusKey !== undefined && { status: statusByKey(statusKey) }),
    ...(errorKey !== undefined && { error: deliveryErrorByKey(errorKey) }),
    ...(doneAt !== undefined && { doneAt }),
    ...(seenAt !== undefined && { seenAt }),
    ...(price !== undefined && { price }),
  };
}

/** Shown with the log, as a further field of it. */
const failoverNote = '{"smsFailover":"not carried out: there is no SMS here"}';

function identityOf(message: Outgoing, sentAt: EpochMs): Omit<Submission, 'messageId'> {
  const { sender, destination, contentJson, bulkId, entityId, applicationId, campaignReferenceId } = message;
  return {
    sender,
    destination,
    sentAt,
    contentJson,
    ...(bulkId !== undefined && { bulkId }),
    ...(entityId !== undefined && { entityId }),
    ...(applicationId !== undefined && { applicationId }),
    ...(campaignReferenceId !== undefined && { campaignReferenceId }),
    ...(message.hasFailover && { extraJson: failoverNote }),
  };
}
