import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { queryOf } from '../../src/client/query.ts';
import { parseLogsQuery } from '../../src/wire/query/filter-query.ts';
import { KnownValues } from '../../web/src/view/known-values.ts';
import { filterOf, listFields, only, searchOf, viewOf } from '../../web/src/view/view.ts';
import { listOf, listText, searchFields, waysToWrite } from '../../web/src/view/written.ts';

describe('what somebody writes', () => {
  test.each([
    ['+44 7700 900123', ['+44 7700 900123', '447700900123', '+447700900123']],
    ['447700900123', ['447700900123', '+447700900123']],
    ['0044 7700 900123', ['0044 7700 900123', '447700900123', '+447700900123']],
    ['seen', ['seen']],
  ])('a number as %s → looked for with its plus and without', (text, ways) => {
    for (const field of ['destination', 'sender'] as const) expect(waysToWrite(field, text).flat()).toEqual(ways);
  });

  test.each(['Blocked user', 'blocked_user', 'EC_BLOCKED_USER'])('an error as %s → looked for by its name', text => {
    expect(waysToWrite('error', text).flat()).toContain('EC_BLOCKED_USER');
  });

  test('ids in a list → each of them, unless they are more than can be asked for', () => {
    expect(waysToWrite('messageId', 'a, b\nc')).toEqual([['a', 'b', 'c']]);
    expect(waysToWrite('bulkId', ' a\r\n')).toEqual([['a']]);
    expect(waysToWrite('messageId', `${'x'.repeat(2048)}\ny`)).toEqual([]);
    expect(waysToWrite('messageId', 'spring 1, of 2')).toEqual([['spring 1, of 2'], ['spring', '1', 'of', '2']]);
  });

  test('whatever values a list holds → the form shows them so that it reads the same ones', () => {
    const value = fc
      .stringMatching(/^[a,;"'\\ ]{1,9}$/)
      .map(text => text.trim())
      .filter(text => text !== '');
    const values = fc.uniqueArray(value, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(values, fc.constantFrom(...listFields), (values, field) => {
        expect(listOf(field, listText(field, values))).toEqual(values);
      }),
    );
  });

  test('any text → the log is asked for what it takes: digits are the number of an error where it takes that alone', () => {
    const texts = fc.oneof(fc.stringMatching(/^-?\d{1,20}$/), fc.constantFrom('EC_X', '0', '007'));
    fc.assert(
      fc.property(texts, text => {
        const written = searchFields.flatMap(field =>
          waysToWrite(field, text).map(values => {
            const view = { conditions: { [field]: values }, not: {}, range: { last: 'all' }, zone: 'UTC' } as const;
            return queryOf(filterOf(view, 0)).toString();
          }),
        );
        for (const query of written) expect(parseLogsQuery(query)).not.toHaveProperty('violations');
      }),
    );
  });
});

test('what figures name → suggested too, though no row of it was read', () => {
  const known = new KnownValues();
  known.seeFigures({
    failures: {
      errors: [{ name: 'EC_MEDIA_HOSTING_ERROR', count: 3 }],
      senders: [{ sender: 'media-sender', count: 3 }],
      campaigns: [{ campaignReferenceId: 'media-week', count: 1 }],
    },
  });
  const row = { messages: 1, failed: 0, deliveryMs: { count: 1 }, prices: [] };
  known.seeFigures({
    breakdown: {
      by: ['entityId', 'applicationId'],
      rows: [
        { ...row, entityId: 'media-house' },
        { ...row, applicationId: 'media-app' },
      ],
      more: 0,
    },
  });
  expect(known.holding('media', 9).map(({ field, value }) => `${field} ${value}`)).toEqual([
    'error EC_MEDIA_HOSTING_ERROR',
    'applicationId media-app',
    'entityId media-house',
    'campaignReferenceId media-week',
  ]);
  expect(known.holding('hosting err', 9)).toEqual([{ field: 'error', value: 'EC_MEDIA_HOSTING_ERROR' }]);
});

describe('values that are known', () => {
  const known = new KnownValues();
  known.add('campaignReferenceId', 'Black Friday, 2026');
  known.add('campaignReferenceId', 'autumn-black');
  known.add('error', 'EC_BLOCKED_USER');
  known.add('entityId', 'harbour-coffee');

  test.each([
    ['black', ['Black Friday, 2026', 'autumn-black']],
    ['blocked u', ['EC_BLOCKED_USER']],
    ['COFFEE', ['harbour-coffee']],
    ['reject', ['REJECTED']],
    ['', []],
    ['nothing of this', []],
  ])('%s → those that hold it, whose beginning it is first', (text, values) => {
    expect(known.holding(text, 8).map(({ value }) => value)).toEqual(values);
  });

  test('at most as many as are asked for', () => {
    expect(known.holding('e', 2)).toHaveLength(2);
  });
});

test('a value that is left out, chosen → sought, and no longer left out; what else is asked stays', () => {
  const view = viewOf('?generalStatus[not]=REJECTED&generalStatus[not]=EXPIRED&sender[not]=a&destination=b');
  const chosen = only(view, 'generalStatus', ['REJECTED']);
  expect(chosen.conditions).toEqual({ destination: ['b'], generalStatus: ['REJECTED'] });
  expect(chosen.not).toEqual({ sender: ['a'] });
  expect(only(chosen, 'generalStatus', [])).toEqual({ ...view, not: { sender: ['a'] } });
});

describe('a link that asks for what cannot be looked for', () => {
  test.each([
    ['?sender=a&sender=b', ['sender=b']],
    ['?generalStatus=DELIVERD&generalStatus=REJECTED', ['generalStatus=DELIVERD']],
    ['?destination[not]=a&destination[not]=b', ['destination[not]=b']],
    ['?last=3w&sentSince=soon&tz=Atlantis', ['last=3w', 'sentSince=soon', 'tz=Atlantis']],
    ['?destnation=a&errorName=X&live=off', ['destnation=a', 'errorName=X']],
    [
      '?messageId=a&messageId=b&error=X&last=6h&tz=utc&sentUntil=2026-01-01T00:00:00.000Z&live=off&open=m&room=access&by=sender&compare=week',
      undefined,
    ],
  ])('%s → told, and left out of the next address', (search, ignored) => {
    const view = viewOf(search);
    expect(view.ignored).toEqual(ignored);
    expect(viewOf(searchOf(view)).ignored).toBeUndefined();
  });
});
