import type { Binding, EpochMs, MessageIdentity } from './message.ts';
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
