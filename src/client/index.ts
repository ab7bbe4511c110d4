export { type Authorization, type CallOptions, type ClientOptions, SentlogClient } from './client.ts';
export { ConnectionError, SentlogError, UnexpectedAnswer } from './errors.ts';
export type { RetryOptions } from './retry.ts';
export type {
  Content,
  DeliveryError,
  Log,
  LogSubmission,
  LogsFilter,
  LogsPage,
  LogsQuery,
  Message,
  Platform,
  Price,
  RecordedChunk,
  RecordResult,
  Rejection,
  Status,
  TimelineEntry,
  Violation,
} from './types.ts';
