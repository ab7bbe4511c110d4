import { expect, test } from 'vitest';
import { SentlogError } from '../../src/client/index.ts';
import { type AskedComparison, askedByClock, comparisonOf } from '../../web/src/log/comparison.ts';

const refusal = (status: number, ...properties: string[]) =>
  new SentlogError({
    ...{ status, errorCode: `E${status}`, description: '' },
    violations: properties.map(property => ({ property, violation: 'is not taken' })),
  });

/** What is asked of a server that refuses every call that `error` is about. */
function serverOf(error: Error | undefined) {
  const asked: AskedComparison[] = [];
  const ask = async (comparison: AskedComparison) => {
    asked.push(comparison);
    if (error !== undefined && comparison.timeZone !== undefined) throw error;
    return 'figures';
  };
  return { asked, ask };
}

const byZone = comparisonOf({ compare: 'week', zone: 'Europe/Zagreb' });

test('a zone that the server knows → asked once, by its clock', async () => {
  const { asked, ask } = serverOf(undefined);
  expect(await askedByClock(byZone, ask)).toBe('figures');
  expect(asked).toEqual([{ compare: 'week', timeZone: 'Europe/Zagreb' }]);
});

test('a zone that the server does not know → asked again without it', async () => {
  const { asked, ask } = serverOf(refusal(400, 'timeZone'));
  expect(await askedByClock(byZone, ask)).toBe('figures');
  expect(asked).toEqual([byZone, { compare: 'week' }]);
});

test.each([
  ['something else is refused', refusal(400, 'sender')],
  ['the server cannot serve', refusal(503, 'timeZone')],
  ['there is no answer', new TypeError('fetch failed')],
])('%s → told, and not asked again', async (_, error) => {
  const { asked, ask } = serverOf(error);
  await expect(askedByClock(byZone, ask)).rejects.toBe(error);
  expect(asked).toEqual([byZone]);
});
