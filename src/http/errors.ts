import type { Violation } from '../domain/message.ts';
import { isFileOutage, Unavailable } from '../failures.ts';

/** Every error the API answers with. The wording is the vendor's where it has one. */
export const errorTable = {
  E400: {
    status: 400,
    description: 'Request cannot be processed.',
    action: 'Check the syntax, violations and adjust the request.',
  },
  E401: {
    status: 401,
    description: 'The request lacks valid authentication credentials for the requested resource.',
    action: 'Check the resources and adjust authentication credentials.',
  },
  E403: {
    status: 403,
    description: 'Insufficient permissions to access the requested resource.',
    action: 'Repeat the request with new or different credentials.',
  },
  E404: {
    status: 404,
    description: 'Requested resource not found.',
    action: 'Check the path and the identifiers in it.',
  },
  E405: {
    status: 405,
    description: 'The method is not supported for the requested resource.',
    action: 'Use one of the methods named in the Allow header.',
  },
  E408: {
    status: 408,
    description: 'The request did not arrive in time.',
    action: 'Send the whole request without long pauses.',
  },
  E413: {
    status: 413,
    description: 'The request body is too large.',
    action: 'Send less at once.',
  },
  E414: { status: 414, description: 'The request line is too long.', action: 'Ask for fewer values at once.' },
  E415: {
    status: 415,
    description: 'The media type or encoding of the request body is not supported.',
    action: 'Check the Content-Type and Content-Encoding headers.',
  },
  E429: {
    status: 429,
    description: 'Too many requests sent.',
    action: 'Check request rate limit specified in the API endpoint documentation resource.',
  },
  E431: { status: 431, description: 'The request headers are too large.', action: 'Send fewer or shorter headers.' },
  E500: { status: 500, description: 'Something went wrong.', action: 'Contact the support.' },
  E503: {
    status: 503,
    description: 'The service cannot process the request now.',
    action: 'Repeat the request after the time in the Retry-After header.',
  },
} as const;

export type ErrorCode = keyof typeof errorTable;

type ErrorDetails = {
  readonly violations?: readonly Violation[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the routes that it speaks of, where none of them took the call. */
  readonly path?: string;
  readonly cause?: unknown;
};

/** An error that is the caller's to know; anything else that is thrown answers `E500`. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly violations: readonly Violation[];
  readonly headers: Readonly<Record<string, string>>;
  readonly path: string | undefined;

  constructor(code: ErrorCode, { violations = [], headers = {}, path, cause }: ErrorDetails = {}) {
    super(errorTable[code].description, { cause });
    this.name = 'ApiError';
    this.code = code;
    this.status = errorTable[code].status;
    this.violations = violations;
    this.headers = headers;
    this.path = path;
  }
}

/** A 400 with one violation. */
export function invalid(property: string, violation: string): ApiError {
  return new ApiError('E400', { violations: [{ property, violation }] });
}

export function unavailable(retryAfterMs: number, cause?: unknown): ApiError {
  return new ApiError('E503', { headers: { 'retry-after': wholeSeconds(retryAfterMs) }, cause });
}

/** Seconds for a `Retry-After` header: rounded up, at least one. */
export function wholeSeconds(durationMs: number): string {
  return String(Math.max(1, Math.ceil(durationMs / 1000)));
}

export type ErrorAnswer = {
  readonly errorCode: ErrorCode;
  readonly description: string;
  readonly action: string;
  readonly violations: readonly Violation[];
  readonly resources: readonly { readonly name: string; readonly url: string }[];
};

/** What is said of an error, all five keys of it. */
export function errorAnswer(
  code: ErrorCode,
  violations: readonly Violation[] = [],
  resources: ErrorAnswer['resources'] = [],
): ErrorAnswer {
  const { description, action } = errorTable[code];
  return { errorCode: code, description, action, violations, resources };
}

/** The one place where what was thrown becomes what is answered. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof Unavailable) return unavailable(error.retryAfterMs, error);
  if (isFileOutage(error)) return unavailable(1000, error);
  if (error instanceof ClientGone)
    return new ApiError('E400', {
      violations: [{ property: 'body', violation: 'did not arrive whole' }],
      cause: error,
    });
  return frameworkError(error) ?? new ApiError('E500', { cause: error });
}

/** The connection broke: there is nobody left to answer. */
export class ClientGone extends Error {
  constructor(cause?: unknown) {
    super('the client went away', { cause });
    this.name = 'ClientGone';
  }
}

/** What fastify itself refuses, before a handler of ours is asked. */
function frameworkError(error: unknown): ApiError | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  switch (error.code) {
    case 'FST_ERR_BAD_URL':
      return new ApiError('E400', {
        violations: [{ property: 'path', violation: 'is not percent-encoded UTF-8' }],
        cause: error,
      });
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new ApiError('E404', { cause: error });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_INVALID_TYPE':
      return new ApiError('E415', { cause: error });
    default:
      return isCallersFault(error) ? new ApiError('E400', { cause: error }) : undefined;
  }
}

function isCallersFault(error: Error): boolean {
  const status = 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 && status < 500;
}
