import { expect, test } from 'vitest';
import { ConnectionError, SentlogError } from '../../src/client/index.ts';
import { refusalToExport } from '../../web/src/api/trouble.ts';

const answered = (status: number, retryAfterMs?: number) =>
  new SentlogError({ status, errorCode: `E${status}`, description: 'no', violations: [], retryAfterMs });

test('an export that is refused or breaks off → why, and what to do about it', () => {
  const ended = 'The key or session is not valid any more.';
  const words = (error: unknown) => refusalToExport(error, ended);
  expect(words(answered(401))).toBe(`${ended} Sign in again to export.`);
  expect(words(answered(403))).toBe('This key may not export.');
  expect(words(answered(429, 2400))).toBe('Too many requests: try again in 3 s.');
  expect(words(new ConnectionError('cut off'))).toBe('The server does not answer.');
  expect(words(answered(500))).toBe('E500 no');
});
