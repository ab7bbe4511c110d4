import { XMLBuilder } from 'fast-xml-parser';
import type { EpochMs, Price } from '../../domain/message.ts';
import type { Outgoing } from '../../domain/outgoing.ts';
import { deliveryErrorByKey, statusByKey } from '../../domain/registry.ts';
import { formatDateTime } from '../date-time.ts';

/** What a delivery report tells of a message. */
export type ReportedDelivery = {
  readonly message: Outgoing;
  readonly sentAt: EpochMs;
  readonly price?: Price;
  readonly statusKey: number;
  readonly errorKey: number;
  readonly doneAt?: EpochMs;
};

/** What a seen report tells. */
export type ReportedSeen = {
  readonly message: Outgoing;
  readonly sentAt: EpochMs;
  readonly psid?: string;
  readonly seenAt: EpochMs;
};

/** Delivery reports as the vendor writes them, fetched and pushed alike. */
export function deliveryReportsJson(reports: readonly ReportedDelivery[]): string {
  return JSON.stringify({ results: reports.map(delivery) });
}

const xml = new XMLBuilder({ ignoreAttributes: false, suppressEmptyNode: false });
/** XML 1.0 has no way to write these at all. */
const notInXml = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

export function deliveryReportsXml(reports: readonly ReportedDelivery[]): string {
  const text: string = xml.build({
    '?xml': { '@_version': '1.0', '@_encoding': 'UTF-8' },
    DeliveryReports: { results: { result: reports.map(delivery) } },
  });
  return text.replaceAll(notInXml, '\ufffd');
}

/** Seen reports, from the person to the page; the vendor has them as JSON alone. */
export function seenReportsJson(reports: readonly ReportedSeen[]): string {
  const results = reports.map(({ message, sentAt, psid, seenAt }) => ({
    messageId: message.messageId,
    from: psid ?? message.destination,
    to: message.sender,
    sentAt: formatDateTime(sentAt),
    seenAt: formatDateTime(seenAt),
    applicationId: message.applicationId,
    entityId: message.entityId,
    campaignReferenceId: message.campaignReferenceId,
  }));
  return JSON.stringify({ results });
}

/** In the vendor's order; what is absent is left out. */
function delivery({ message, sentAt, price, statusKey, errorKey, doneAt }: ReportedDelivery): object {
  const status = statusByKey(statusKey);
  const error = deliveryErrorByKey(errorKey);
  const { entityId, applicationId } = message;
  const fields = {
    bulkId: message.bulkId,
    price: price && { pricePerMessage: price.pricePerMessage, currency: price.currency },
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
    messageId: message.messageId,
    to: message.destination,
    sender: message.sender,
    sentAt: formatDateTime(sentAt),
    doneAt: doneAt === undefined ? undefined : formatDateTime(doneAt),
    messageCount: 1,
    callbackData: message.reports?.callbackData,
    platform: entityId === undefined && applicationId === undefined ? undefined : { entityId, applicationId },
    campaignReferenceId: message.campaignReferenceId,
  };
  return JSON.parse(JSON.stringify(fields));
}
