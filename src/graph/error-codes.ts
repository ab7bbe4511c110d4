/**
 * What a refusal does beside failing its message:
 * - `permanent`: nothing.
 * - `retry`: it is tried again so many times before it counts.
 * - `service`: the same, unless several messages in a row meet it: then Graph itself is at fault, and it is as an outage.
 * - `throttled`: the page slows down, and the message is tried again while it is valid.
 * - `outage`: Graph itself is away, which is no message's fault: the same.
 * - `page`: all that the page sends would fail alike, so it pauses until somebody mends it.
 * - `page-for-now`: the same, but Meta lifts it by itself.
 * - `unknown`: it may have been sent; only its echo tells.
 */
export type Effect = 'permanent' | 'retry' | 'service' | 'throttled' | 'outage' | 'page' | 'page-for-now' | 'unknown';

export type CodeRow = readonly [
  code: number | readonly [from: number, to: number],
  /** `undefined` for an error without a subcode, `'*'` for any. */
  subcode: number | undefined | '*',
  error: string,
  effect: Effect,
  retries?: number,
];

/** Tried again before a fault of the moment counts. */
export const retriesMax = 5;

/** Meta's codes and the registry's error for each; the first row that fits holds. */
// biome-ignore format: a table reads as a table
export const codeRows: readonly CodeRow[] = [
  [1, 1357046, 'EC_PROVIDER_TIMEOUT', 'unknown'],
  [1, '*', 'EC_PROVIDER_INTERNAL_ERROR', 'service', 3],
  [2, 2018344, 'EC_ACCOUNT_ISSUE', 'page'],
  [2, '*', 'EC_PROVIDER_INTERNAL_ERROR', 'service', retriesMax],
  [3, '*', 'EC_FORBIDDEN_ACCESS', 'page'],
  [4, 2018354, 'EC_FREQUENCY_CAPPING', 'permanent'],
  [4, '*', 'EC_TOO_MANY_REQUESTS', 'throttled'],
  [9, 2018352, 'EC_FREQUENCY_CAPPING', 'permanent'],
  [10, 2018278, 'EC_NO_SESSION', 'permanent'],
  [10, 2534022, 'EC_NO_SESSION', 'permanent'],
  [10, 2018065, 'EC_NO_SESSION', 'permanent'],
  [10, 2018108, 'EC_BLOCKED_USER', 'permanent'],
  [10, 1893015, 'EC_MARKETING_OPT_OUT', 'permanent'],
  [10, 1893063, 'EC_LIMITED_FUNCTIONALITY', 'page-for-now'],
  [10, 1404170, 'EC_LIMITED_FUNCTIONALITY', 'permanent'],
  [10, 2018336, 'EC_FORBIDDEN_ACCESS', 'permanent'],
  [10, 2534077, 'EC_FORBIDDEN_ACCESS', 'permanent'],
  [10, '*', 'EC_FORBIDDEN_ACCESS', 'page'],
  [17, '*', 'EC_TOO_MANY_REQUESTS', 'throttled'],
  [32, '*', 'EC_TOO_MANY_REQUESTS', 'throttled'],
  [341, '*', 'EC_TOO_MANY_REQUESTS', 'throttled'],
  [80001, '*', 'EC_TOO_MANY_REQUESTS', 'throttled'],
  [80006, '*', 'EC_TOO_MANY_REQUESTS', 'throttled'],
  [613, 1893016, 'EC_FREQUENCY_CAPPING', 'permanent'],
  [613, 2018338, 'EC_LIMITED_FUNCTIONALITY', 'permanent'],
  [613, '*', 'EC_TOO_MANY_REQUESTS', 'throttled'],
  [100, 33, 'EC_UNKNOWN_USER', 'permanent'],
  [100, 2018001, 'EC_UNKNOWN_USER', 'permanent'],
  [100, 2018008, 'EC_MEDIA_HOSTING_ERROR', 'retry', 2],
  [100, 2018294, 'EC_MEDIA_HOSTING_ERROR', 'retry', 1],
  [100, 2018047, 'EC_MEDIA_UPLOAD_ERROR', 'permanent'],
  [100, 2018109, 'EC_MEDIA_METADATA_ERROR', 'permanent'],
  [100, 2534037, 'EC_FORBIDDEN_ACCESS', 'permanent'],
  [100, 2018041, 'EC_INVALID_TEMPLATE', 'permanent'],
  [100, 2018053, 'EC_INVALID_TEMPLATE', 'permanent'],
  [100, '*', 'EC_BAD_REQUEST', 'permanent'],
  [102, '*', 'EC_UNAUTHORIZED_ACCESS', 'page'],
  [190, '*', 'EC_UNAUTHORIZED_ACCESS', 'page'],
  [200, 1545041, 'EC_BLOCKED_USER', 'permanent'],
  [200, 2018027, 'EC_FORBIDDEN_ACCESS', 'permanent'],
  [200, 2018028, 'EC_FORBIDDEN_ACCESS', 'permanent'],
  [200, 2018021, 'EC_FORBIDDEN_ACCESS', 'permanent'],
  [230, '*', 'EC_BLOCKED_USER', 'permanent'],
  [[200, 299], '*', 'EC_FORBIDDEN_ACCESS', 'page'],
  [368, '*', 'EC_LIMITED_FUNCTIONALITY', 'page-for-now'],
  [551, '*', 'EC_BLOCKED_USER', 'permanent'],
  [1200, '*', 'EC_PROVIDER_INTERNAL_ERROR', 'service', retriesMax],
  [2022, '*', 'EC_LIMITED_FUNCTIONALITY', 'page'],
  [10303, '*', 'EC_BAD_REQUEST', 'permanent'],
  [10900, '*', 'EC_DUPLICATE_REQUEST', 'permanent'],
  [10903, '*', 'EC_DUPLICATE_REQUEST', 'permanent'],
  [10904, '*', 'EC_ACCOUNT_ISSUE', 'page'],
  [1545041, '*', 'EC_NO_SESSION', 'permanent'],
  [2018014, '*', 'EC_BAD_REQUEST', 'permanent'],
  [2018015, '*', 'EC_BAD_REQUEST', 'permanent'],
  [2018300, '*', 'EC_FORBIDDEN_ACCESS', 'permanent'],
  [2018321, '*', 'EC_PROVIDER_INTERNAL_ERROR', 'retry', retriesMax],
  [2018144, '*', 'EC_MESSAGE_TYPE_EXHAUSTED', 'permanent'],
  [2534015, '*', 'EC_BAD_REQUEST', 'permanent'],
  [2534025, '*', 'EC_BAD_REQUEST', 'permanent'],
  [2300000, '*', 'EC_BAD_REQUEST', 'permanent'],
  [2300001, '*', 'EC_BAD_REQUEST', 'permanent'],
  [2300028, '*', 'EC_TOO_MANY_REQUESTS', 'throttled'],
  [2300052, '*', 'EC_FREQUENCY_CAPPING', 'permanent'],
];
