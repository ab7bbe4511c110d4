import fc from 'fast-check';
import { expect, test } from 'vitest';
import { deliveryErrors, noError, pendingAccepted, statuses } from '../../src/domain/registry.ts';
import { errorWith, statusWith, wordsOf } from '../../src/store/words.ts';
import { anyError, anyStatus } from '../support/arbitraries.ts';

test('any status and error, registered or not, in whatever words → read back as they were', () => {
  fc.assert(
    fc.property(fc.option(anyStatus), fc.option(anyError), (status, error) => {
      const words = wordsOf({ ...(status && { status }), ...(error && { error }) });
      if (status) expect(statusWith(status.key, words)).toEqual(status);
      if (error) expect(errorWith(error.key, words)).toEqual(error);
    }),
  );
});

test("the registry's own entries → no words, and the very entries again", () => {
  for (const status of statuses)
    expect([wordsOf({ status }), statusWith(status.key, null)]).toEqual([undefined, status]);
  for (const error of deliveryErrors)
    expect([wordsOf({ error }), errorWith(error.key, null)]).toEqual([undefined, error]);
  expect(statusWith(pendingAccepted.key, wordsOf({ error: { ...noError, description: 'fine' } }))).toBe(
    pendingAccepted,
  );
});

test.each([
  ['SQLite', { statusDescription: 'on its way', statusAction: 'wait', errorDescription: 'fine' }],
  ['PostgreSQL', { status: 'on its way', action: 'wait', error: 'fine' }],
])('what version 0.1.0 wrote over %s → read as it was', (_engine, words) => {
  const text = JSON.stringify(words);
  expect(statusWith(pendingAccepted.key, text)).toEqual({
    ...pendingAccepted,
    description: 'on its way',
    action: 'wait',
  });
  expect(errorWith(noError.key, text)).toEqual({ ...noError, description: 'fine' });
});
