import type { Binding, EpochMs, LogRecord, MessageIdentity } from './message.ts';
import type { StatusGroupName } from './registry.ts';

/** Which messages are asked for; all given conditions must hold, an empty filter means every message. */
export type Filter = {
  readonly sender?: string;
  readonly destination?: string;
  /** One of; never an empty list. */
  readonly bulkIds?: readonly string[];
  /** One of; never an empty list. */
  readonly messageIds?: readonly string[];
  readonly generalStatus?: StatusGroupName;
  /** Inclusive lower bound on `sentAt`. */
  readonly sentSince?: EpochMs;
  /** Exclusive upper bound on `sentAt`, so that consecutive ranges tile. */
  readonly sentUntil?: EpochMs;
  readonly entityId?: string;
  readonly applicationId?: string;
  /** One of; never an empty list. */
  readonly campaignReferenceIds?: readonly string[];
};

/** Whether a log is among those that somebody asks for. */
export type Matches = (log: LogRecord) => boolean;

/** Whether nothing but a time is asked for. */
export function asksForTimeOnly(filter: Filter): boolean {
  return Object.entries(filter).every(([name, value]) => value === undefined || /^sent(Since|Until)$/.test(name));
}

/** Narrows a filter to what a bound key may see; `undefined` when nothing can match both. */
export function restrict(filter: Filter, binding: Binding): Filter | undefined {
  if (binding.applicationId !== undefined && (filter.applicationId ?? binding.applicationId) !== binding.applicationId)
    return undefined;
  if (binding.entityId !== undefined && (filter.entityId ?? binding.entityId) !== binding.entityId) return undefined;
  return { ...filter, ...binding };
}

/** Whether a bound key may see and change a message. */
export function isWithin(message: MessageIdentity, { applicationId, entityId }: Binding): boolean {
  return (
    (applicationId === undefined || message.applicationId === applicationId) &&
    (entityId === undefined || message.entityId === entityId)
  );
}

/** Whether a log is among those asked for, as it is given. */
export function matches(log: LogRecord, filter: Filter): boolean {
  return matcher(filter)(log);
}

/** As `matches`, for many logs: a long list of values costs each of them no more than a short one. */
export function matcher(filter: Filter): Matches {
  const { generalStatus } = filter;
  const hasIdentity = identityMatcher(filter);
  return log => (generalStatus === undefined || log.status.groupName === generalStatus) && hasIdentity(log);
}

/** As `matches`, but for the status, which may change. */
export function matchesIdentity(message: MessageIdentity, filter: Filter): boolean {
  return identityMatcher(filter)(message);
}

function identityMatcher(filter: Filter): (message: MessageIdentity) => boolean {
  const bulkIds = filter.bulkIds && new Set(filter.bulkIds);
  const messageIds = filter.messageIds && new Set(filter.messageIds);
  const campaignReferenceIds = filter.campaignReferenceIds && new Set(filter.campaignReferenceIds);
  return message =>
    (filter.sentSince === undefined || message.sentAt >= filter.sentSince) &&
    (filter.sentUntil === undefined || message.sentAt < filter.sentUntil) &&
    is(filter.sender, message.sender) &&
    is(filter.destination, message.destination) &&
    is(filter.entityId, message.entityId) &&
    is(filter.applicationId, message.applicationId) &&
    isOneOf(bulkIds, message.bulkId) &&
    isOneOf(messageIds, message.messageId) &&
    isOneOf(campaignReferenceIds, message.campaignReferenceId);
}

function is(asked: string | undefined, value: string | undefined): boolean {
  return asked === undefined || asked === value;
}

function isOneOf(asked: ReadonlySet<string> | undefined, value: string | undefined): boolean {
  return asked === undefined || (value !== undefined && asked.has(value));
}
