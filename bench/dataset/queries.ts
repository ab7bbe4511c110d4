import { mix, scattered } from './numbers.ts';
import {
  absentSender,
  application,
  applicationCount,
  bulkId,
  bulkNumber,
  campaign,
  campaignCount,
  destination,
  destinationNumber,
  entity,
  entityCount,
  type LogShape,
  messageId,
  rareCampaign,
  rareSender,
  sender,
  senderCount,
} from './shape.ts';

export const logsPath = '/messenger/1/logs';

/** A kind of query: `parameters` gives the `number`th of its kind, spread over the values that occur in the log. */
export type QueryKind = {
  readonly name: string;
  readonly title: string;
  /** It has to look through the whole log for the few that match. */
  readonly rare: boolean;
  parameters(shape: LogShape, number: number): Readonly<Record<string, string>>;
};

const anyIndex = (shape: LogShape, number: number) => scattered(number, shape.messages);
const windowMs = 10 * 60_000;

const kind = (name: string, title: string, parameters: QueryKind['parameters'], rare = false): QueryKind => ({
  name,
  title,
  rare,
  parameters,
});

/** Each filter of the contract alone, then what is rare. */
export const queryKinds: readonly QueryKind[] = [
  kind('sender', 'sender', (_, n) => ({ sender: sender(n % senderCount) })),
  kind('destination', 'destination', (shape, n) => ({
    destination: destination(destinationNumber(shape, anyIndex(shape, n))),
  })),
  kind('bulkId', 'bulkId', (shape, n) => ({ bulkId: bulkId(bulkNumber(anyIndex(shape, n))) })),
  kind('messageId', 'messageId', (shape, n) => ({ messageId: messageId(shape, anyIndex(shape, n)) })),
  kind('messageIds', 'messageId, 50 of them', (shape, n) => ({
    messageId: Array.from({ length: 50 }, (_, i) => messageId(shape, anyIndex(shape, n * 50 + i))).join(','),
  })),
  kind('generalStatus', 'generalStatus, common', (_, n) => ({
    generalStatus: n % 2 === 0 ? 'DELIVERED' : 'REJECTED',
  })),
  kind('entityId', 'entityId', (_, n) => ({ entityId: entity(n % entityCount) })),
  kind('applicationId', 'applicationId', (_, n) => ({ applicationId: application(n % applicationCount) })),
  kind('campaignReferenceId', 'campaignReferenceId', (_, n) => ({ campaignReferenceId: campaign(n % campaignCount) })),
  kind('window', 'sentSince and sentUntil, ten minutes', (shape, n) => {
    const since = shape.firstSentAt + (mix(shape.seed, n, 20) % Math.max(1, shape.spanMs - windowMs));
    return { sentSince: dateTime(since), sentUntil: dateTime(since + windowMs) };
  }),
  kind('combined', 'sender, application and a day', (shape, n) => ({
    sender: sender(n % senderCount),
    applicationId: application(n % applicationCount),
    sentUntil: dateTime(shape.firstSentAt + Math.floor(shape.spanMs / 2)),
  })),
  kind('rare-status', 'generalStatus, 1 in 100,000', () => ({ generalStatus: 'EXPIRED' }), true),
  kind('rare-sender', 'sender of ten messages', () => ({ sender: rareSender }), true),
  kind('rare-campaign', 'campaignReferenceId of ten messages', () => ({ campaignReferenceId: rareCampaign }), true),
  kind(
    'rare-pair',
    'a sender and a rare status',
    (_, n) => ({ sender: sender(n % senderCount), generalStatus: 'EXPIRED' }),
    true,
  ),
  kind('absent', 'a sender without messages', () => ({ sender: absentSender }), true),
];

export function path(parameters: Readonly<Record<string, string>>): string {
  return `${logsPath}?${new URLSearchParams(parameters)}`;
}

/** `count` paths of one kind, the same for the same shape. */
export function paths(query: QueryKind, shape: LogShape, count: number, limit: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => path({ ...query.parameters(shape, n), limit: String(limit) }));
}

/** The path of a summary from the first message to the last, so that it is the same whenever it is asked for. */
export function summaryPath(shape: LogShape, parameters: Readonly<Record<string, string>>): string {
  const range = { sentSince: dateTime(shape.firstSentAt), sentUntil: dateTime(shape.firstSentAt + shape.spanMs) };
  return `${logsPath}/summary?${new URLSearchParams({ ...range, ...parameters })}`;
}

function dateTime(moment: number): string {
  return new Date(moment).toISOString();
}
