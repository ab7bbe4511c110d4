import type { FilterField } from '../domain/filter-fields.ts';
import type { StatusGroupName } from '../domain/registry.ts';

type ValueOf<F extends FilterField> = F['kind'] extends 'group'
  ? StatusGroupName
  : F['kind'] extends 'code'
    ? string | number
    : string;

/** Of each field that logs can be filtered by the value asked for, or a list of which a log has one. */
export type LogsConditions = {
  readonly [F in FilterField as F['name']]?:
    | ValueOf<F>
    | (F['many'] extends true ? readonly ValueOf<F>[] : never)
    | undefined;
};

/** Which logs are asked for; all given conditions must hold. A list means one of; a text is one value, commas and all. */
export type LogsFilter = LogsConditions & {
  /** None of these values: a log that has none of a field is not left out by it. */
  readonly not?: LogsConditions | undefined;
  /** Inclusive. A text is sent as it stands: `2026-02-22T17:42:05.390+0100`. */
  readonly sentSince?: Date | string | undefined;
  /** Exclusive. */
  readonly sentUntil?: Date | string | undefined;
};

export type LogsQuery = LogsFilter & {
  /** 1 … 1000; the server's default is 50. */
  readonly limit?: number | undefined;
  /** Asks for a `cursor` in the answer. */
  readonly useCursor?: boolean | undefined;
  /** The `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
};

export type Price = { readonly pricePerMessage: number; readonly currency: string };

/**
 * A code that the server has no entry for has of `id`, `name` and `description` what it came with, and in a mirrored log the
 * group that it has at its source: one of `StatusGroupName`, another, or none.
 */
export type Status = {
  readonly groupId?: number;
  readonly groupName?: string;
  readonly id?: number;
  readonly name?: string;
  readonly description?: string;
  readonly action?: string;
};

export type DeliveryError = {
  readonly groupId?: number;
  readonly groupName?: string;
  readonly id?: number;
  readonly name?: string;
  readonly description?: string;
  readonly permanent?: boolean;
};

export type Platform = { readonly entityId?: string; readonly applicationId?: string };

/** What was sent; what else it holds depends on `type`. */
export type Content = { readonly type: string; readonly [field: string]: unknown };

/** One outbound message. Dates are texts such as `2023-02-01T23:15:03.379+0000`, which `new Date` reads. */
export type Log = {
  readonly sender: string;
  readonly destination: string;
  readonly bulkId?: string;
  readonly messageId: string;
  readonly sentAt: string;
  readonly doneAt?: string;
  readonly messageCount: number;
  readonly price?: Price;
  readonly status: Status;
  readonly error: DeliveryError;
  readonly platform?: Platform;
  readonly content: Content;
  readonly campaignReferenceId?: string;
};

export type LogsPage = {
  readonly results: readonly Log[];
  /** When it was asked for; without a `nextCursor` on the last page. */
  readonly cursor?: { readonly limit: number; readonly nextCursor?: string };
  /** Messages were looked through for `text` until the time was over: those sent later than this. The cursor goes on from there. */
  readonly searchedSince?: string;
};

/** A page with the text that it was answered in. */
export type AnsweredPage = LogsPage & { readonly text: string };

/** A log to record, or a report on a known one: `messageId` and what is to be said of it. */
export type LogSubmission = Partial<Omit<Log, 'status' | 'error'>> & {
  readonly messageId: string;
  /** By `id`, by `name`, or whole. */
  readonly status?: Partial<Status>;
  readonly error?: Partial<DeliveryError>;
  readonly seenAt?: string;
  /** When what is reported happened. */
  readonly at?: string;
};

export type Violation = { readonly property: string; readonly violation: string };

/** `index` counts the records of the call from 0. */
export type Rejection = {
  readonly index: number;
  readonly messageId?: string;
  readonly violations: readonly Violation[];
};

export type RecordResult = {
  readonly recorded: number;
  readonly updated: number;
  /** 0 for a key that may only write, for which these count as updated: they would tell what a message is. */
  readonly unchanged: number;
  /** Reports whose message was not there when they were taken, if any: they are applied when it is recorded. */
  readonly waiting?: number;
  /** Contents that were taken though they are not as the vendor's schema has them, if any. */
  readonly flawed?: number;
  readonly rejected: readonly Rejection[];
  /** How many were rejected, when those are too many to list. */
  readonly rejectedCount?: number;
};

/** What became of the next records of a stream; `records` of them, the first being number `first` of the stream. */
export type RecordedChunk = RecordResult & { readonly first: number; readonly records: number };

/** One step in a message's life. */
export type TimelineEntry = {
  readonly at: string;
  readonly status: Status;
  readonly error: DeliveryError;
  readonly receivedAt: string;
};

/** One log with what was reported of it, oldest first. */
export type Message = Log & {
  readonly timeline: readonly TimelineEntry[];
  /** How many reports the timeline leaves out, between its first ones and its newest; absent when it has all. */
  readonly omitted?: number;
  readonly seenAt?: string;
};

/** Messages by the group of their status; a count of 0 is a count. */
export type GroupCounts = Readonly<Record<StatusGroupName, number>>;

/** From `sentAt` to `doneAt` of `count` delivered messages. */
export type DeliveryMs = { readonly p50?: number; readonly p95?: number; readonly count: number };

/** A sum is absent where a price in it is too great to be added. */
export type PriceSum = { readonly currency: string; readonly sum?: number; readonly count: number };

export type BreakdownField = 'sender' | 'campaignReferenceId' | 'applicationId' | 'entityId' | 'error';

/** Figures of the messages that have these values; a field of `by` is absent where they have none. */
export type BreakdownRow = { readonly [field in BreakdownField]?: string } & {
  readonly messages: number;
  readonly failed: number;
  readonly deliveryMs: DeliveryMs;
  readonly prices: readonly PriceSum[];
};

/**
 * By messages, the most first; by failed ones where `error` is among the fields. Of figures that are compared, the same
 * rows in the same order. `more` rows are not told.
 */
export type Breakdown = {
  readonly by: readonly BreakdownField[];
  readonly rows: readonly BreakdownRow[];
  readonly more: number;
};

/**
 * Figures of all that matches. With `complete` false time ran out, and what is absent then is unknown, and not 0; or
 * messages are missing, as `gaps` says.
 */
export type Summary = {
  readonly from: string;
  readonly to: string;
  readonly bucketMs: number;
  readonly complete: boolean;
  /** What a mirror could not read before it was gone. */
  readonly gaps?: readonly { readonly from: string; readonly to: string; readonly reason: string }[];
  readonly total?: number;
  readonly groups?: GroupCounts;
  readonly buckets: readonly { readonly from: string; readonly groups: GroupCounts }[];
  readonly deliveryMs?: DeliveryMs;
  readonly prices?: readonly PriceSum[];
  /** What stands most often in failed messages. */
  readonly failures?: {
    readonly errors?: readonly { readonly name: string; readonly count: number }[];
    readonly senders?: readonly { readonly sender: string; readonly count: number }[];
    readonly campaigns?: readonly { readonly campaignReferenceId: string; readonly count: number }[];
  };
  /** Where `by` was given; absent where there was not the time for it, or are too many rows. */
  readonly breakdown?: Breakdown;
  /** Of the range that it was to be compared with; without figures where the log does not keep all of that. */
  readonly compared?: Omit<Summary, 'compared'>;
};

export type AccessToken = { readonly accessToken: string; readonly expiresInMs: number };
