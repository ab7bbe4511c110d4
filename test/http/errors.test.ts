import { describe, expect, test } from 'vitest';
import { ApiError, asApiError, type ErrorCode, errorAnswer, errorTable, wholeSeconds } from '../../src/http/errors.ts';

describe('the table of errors', () => {
  test('every code → is E and its status, with its words', () => {
    const codes = Object.entries(errorTable);
    expect(codes.map(([code]) => code)).toEqual(codes.map(([, { status }]) => `E${status}`));
    for (const [, { description, action }] of codes) expect(description && action).toMatch(/^[A-Z].*\.$/);
  });

  test.each<[ErrorCode, string, string]>([
    ['E400', 'Request cannot be processed.', 'Check the syntax, violations and adjust the request.'],
    [
      'E401',
      'The request lacks valid authentication credentials for the requested resource.',
      'Check the resources and adjust authentication credentials.',
    ],
    [
      'E403',
      'Insufficient permissions to access the requested resource.',
      'Repeat the request with new or different credentials.',
    ],
    [
      'E429',
      'Too many requests sent.',
      'Check request rate limit specified in the API endpoint documentation resource.',
    ],
    ['E500', 'Something went wrong.', 'Contact the support.'],
  ])("%s → the vendor's words", (code, description, action) => {
    expect(errorAnswer(code)).toEqual({
      errorCode: code,
      description,
      action,
      violations: [],
      resources: [],
    });
  });
});

describe('asApiError', () => {
  test.each([[new Error('x')], ['a text'], [undefined], [{ statusCode: 418 }]])('%o → E500, its cause kept', thrown => {
    const error = asApiError(thrown);
    expect(error.code).toBe('E500');
    expect(error.cause).toBe(thrown);
  });

  test('an error that is the caller’s to know → itself', () => {
    const error = new ApiError('E404');
    expect(asApiError(error)).toBe(error);
  });
});

test.each([
  [0, '1'],
  [1, '1'],
  [1000, '1'],
  [1001, '2'],
  [60_000, '60'],
])('%i ms → %s whole seconds', (durationMs, seconds) => {
  expect(wholeSeconds(durationMs)).toBe(seconds);
});
