import { statuses } from '../../src/domain/registry.ts';
import { mix } from './numbers.ts';
import {
  application,
  applicationCount,
  bulkId,
  campaign,
  campaignCount,
  destination,
  entity,
  entityCount,
  idDigits,
  messageIdPrefix,
  rareCampaign,
  rareSender,
  sender,
  senderCount,
} from './shape.ts';

/** A log as JSON text with the places of what differs from message to message; all of them have a fixed width. */
export type Template = {
  readonly text: Buffer;
  /** Where the digits of the ids begin, past their prefixes. */
  readonly destinationAt: number;
  readonly bulkIdAt: number;
  readonly messageIdAt: number;
  readonly sentAtAt: number;
  /** Absent while the message is pending. */
  readonly doneAtAt?: number;
  /** How long after `sentAt` the final status came. */
  readonly doneAfterMs: number;
};

/** A bulk's messages share their sender, campaign, application, entity and text: one kind. */
export const kindCount = 256;
/** How likely each outcome is, in percent. */
export const outcomes = [
  { name: 'DELIVERED_TO_HANDSET', percent: 76 },
  { name: 'PENDING_ENROUTE', percent: 12 },
  { name: 'UNDELIVERABLE_NOT_DELIVERED', percent: 7 },
  { name: 'REJECTED_DND', percent: 5 },
  { name: 'EXPIRED_EXPIRED', percent: 0 },
] as const;
export const expiredOutcome = 4;
/** Of the texts of those that expired alone. */
export const expiredWord = 'unclaimed';
export const rareKind = kindCount;

/** Values that occur nowhere else in a template, to find the places by. */
const placeholder = {
  destination: destination(111_111_111),
  bulkId: bulkId(222_222_222),
  messageId: `${messageIdPrefix}333333333`,
};
const sentAt = '1970-01-01T00:00:00.004+0000';
const doneAt = '1970-01-01T00:00:00.005+0000';

const subjects = ['order', 'booking', 'parcel', 'invoice', 'appointment', 'ticket', 'subscription', 'delivery'];
const texts = subjects.map(subject => `Your ${subject} is confirmed.`);

/** `templates[kind][outcome]`, a pure function of the seed. */
export function buildTemplates(seed: number): readonly (readonly Template[])[] {
  return Array.from({ length: kindCount + 1 }, (_, kind) =>
    outcomes.map(outcome => template(seed, kind, outcome.name)),
  );
}

function template(seed: number, kind: number, outcome: string): Template {
  const rare = kind === rareKind;
  const isExpired = outcome === outcomes[expiredOutcome].name;
  const pick = (salt: number, count: number) => mix(seed, kind, salt) % count;
  const status = statuses.find(one => one.name === outcome);
  if (status === undefined) throw new Error(`the registry lacks ${outcome}`);
  const { groupId, groupName, id, name, description, final } = status;
  const text = Buffer.from(
    JSON.stringify({
      sender: rare ? rareSender : sender(pick(10, senderCount)),
      ...placeholder,
      sentAt,
      ...(final && { doneAt }),
      messageCount: 1,
      price: { pricePerMessage: [0.15, 0.02, 0.0075][pick(11, 3)], currency: 'EUR' },
      status: { groupId, groupName, id, name, description },
      error: { groupId: 0, groupName: 'OK', id: 0, name: 'NO_ERROR', description: 'No Error', permanent: false },
      platform: {
        entityId: entity(pick(12, entityCount)),
        applicationId: application(pick(13, applicationCount)),
      },
      content: { text: `${texts[pick(14, texts.length)]}${isExpired ? ` It is ${expiredWord}.` : ''}`, type: 'TEXT' },
      campaignReferenceId: rare ? rareCampaign : campaign(pick(15, campaignCount)),
    }),
  );
  const digitsOf = (id: string) => text.indexOf(id) + id.length - idDigits;
  return {
    text,
    destinationAt: digitsOf(placeholder.destination),
    bulkIdAt: digitsOf(placeholder.bulkId),
    messageIdAt: digitsOf(placeholder.messageId),
    sentAtAt: text.indexOf(sentAt),
    ...(final && { doneAtAt: text.indexOf(doneAt) }),
    doneAfterMs: 2_000 + pick(16, 90_000),
  };
}
