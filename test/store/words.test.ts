import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  deliveryErrors,
  noError,
  pendingAccepted,
  statuses,
  unregisteredErrors,
  unregisteredStatuses,
} from '../../src/domain/registry.ts';
import { errorBegins, errorMarks, errorWith, statusWith, wordsOf } from '../../src/store/words.ts';
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

test('the name and number of any unregistered error → marked in its words, and in no other', () => {
  const isMarked = (words: string | undefined, marks: readonly string[]) =>
    marks.some(mark => words?.split(errorBegins)[1]?.includes(mark));
  const text = fc.string({ unit: fc.constantFrom(...'"\\\\{}:,ei1 name', '"e":{', '"name":"', '"id":1,', '\ud800') });
  const code = fc.record({ id: fc.option(fc.nat(12)), name: fc.option(text), description: text, furtherJson: text });
  const present = ({ id, name, ...more }: { id: number | null; name: string | null }) => ({
    ...more,
    ...(id !== null && { id }),
    ...(name !== null && { name }),
  });
  fc.assert(
    fc.property(code, code, text, text, (status, error, extraJson, asked) => {
      const [anyStatus, anyError] = [unregisteredStatuses[1], unregisteredErrors[2]];
      if (anyStatus === undefined || anyError === undefined) throw new Error('the registry has no such group');
      const said = {
        status: { ...anyStatus, ...present(status) },
        error: { ...anyError, ...present(error) },
        extraJson,
      };
      const words = wordsOf(said);
      for (const name of [asked, error.name, status.name])
        if (name !== null) expect(isMarked(words, errorMarks('errorName', name))).toBe(name === error.name);
      for (let id = 0; id < 13; id++) expect(isMarked(words, errorMarks('errorId', String(id)))).toBe(id === error.id);
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
