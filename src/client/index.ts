export {
  type Authorization,
  type CallOptions,
  type ClientOptions,
  SentlogClient,
  type SummaryOptions,
} from './client.ts';
export { ConnectionError, SentlogError, UnexpectedAnswer } from './errors.ts';
export {
  type Account,
  type Key,
  type Mirror,
  readAccount,
  readMirrors,
  readSenders,
  type Sender,
  type User,
} from './management.ts';
export type { RetryOptions } from './retry.ts';
export type { StreamEvent } from './stream.ts';
export type {
  AccessToken,
  AnsweredPage,
  Breakdown,
  BreakdownField,
  BreakdownRow,
  Content,
  DeliveryError,
  DeliveryMs,
  GroupCounts,
  Log,
  LogSubmission,
  LogsConditions,
  LogsFilter,
  LogsPage,
  LogsQuery,
  Message,
  Platform,
  Price,
  PriceSum,
  RecordedChunk,
  RecordResult,
  Rejection,
  Status,
  Summary,
  TimelineEntry,
  Violation,
} from './types.ts';
