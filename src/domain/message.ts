import type { DeliveryError, Status } from './registry.ts';

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMs = number;

/** The number an account has in `accounts`; at least 1, never reused. */
export type AccountId = number;

export type Price = { readonly pricePerMessage: number; readonly currency: string };

/** What identifies a message; fixed from the moment it is recorded. */
export type MessageIdentity = {
  readonly messageId: string;
  readonly sender: string;
  readonly destination: string;
  readonly sentAt: EpochMs;
  readonly messageCount: number;
  /** The content as JSON text (an object with a `type`): it is stored and served without being parsed again. */
  readonly contentJson: string;
  readonly bulkId?: string;
  readonly entityId?: string;
  readonly applicationId?: string;
  readonly campaignReferenceId?: string;
};

/** What became of a message; reports change it. */
export type MessageState = {
  readonly status: Status;
  readonly error: DeliveryError;
  /** When the newest report that shaped this state happened. */
  readonly at: EpochMs;
  readonly doneAt?: EpochMs;
  readonly price?: Price;
  readonly seenAt?: EpochMs;
  /**
   * The JSON text of an object: further fields that a log came with from elsewhere, as they came. Those of its `price` and
   * `platform` stand in objects of these names; those of its status and error are theirs (`furtherJson`).
   */
  readonly extraJson?: string;
};

/** One outbound message with its present state: a row of the log. */
export type LogRecord = MessageIdentity & MessageState;

/**
 * One record as it came in: a new message, or a report on a known one. Which of the two it is depends on whether the
 * account already has the `messageId`, so only the store can tell; every field but the id may be absent here.
 */
export type Submission = Partial<MessageIdentity> &
  Partial<Omit<MessageState, 'status' | 'error'>> & {
    readonly messageId: string;
    readonly status?: Status;
    readonly error?: DeliveryError;
  };

/** A step in a message's life: the state it was recorded with, then an accepted report each, oldest first. */
export type TimelineEntry = {
  readonly at: EpochMs;
  readonly status: Status;
  readonly error: DeliveryError;
  readonly receivedAt: EpochMs;
};

/**
 * One message with what was reported of it. Of very many reports the timeline has the first `limits.timelineFirstMax`
 * and the newest `limits.timelineNewestMax`; `omitted` counts those that stood between.
 */
export type MessageHistory = {
  readonly log: LogRecord;
  readonly timeline: readonly TimelineEntry[];
  readonly omitted: number;
};

/** What is wrong with one property; `property` is a path such as `limit` or `results[3].price.currency`. */
export type Violation = { readonly property: string; readonly violation: string };

/** A key bound to an application or an entity sees and writes only that one's messages. */
export type Binding = { readonly applicationId?: string; readonly entityId?: string };
