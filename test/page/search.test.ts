import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { queryOf } from '../../src/client/query.ts';
import { filterFields } from '../../src/domain/filter-fields.ts';
import { textFlaw } from '../../src/domain/text-search.ts';
import { asWritten, parseLogsQuery } from '../../src/wire/query/filter-query.ts';
import { searchOf, viewOf } from '../../web/src/view/address.ts';
import { KnownValues } from '../../web/src/view/known-values.ts';
import { filterOf, listFields, only } from '../../web/src/view/view.ts';
import { isWords, listOf, listText, searchFields, waysToWrite } from '../../web/src/view/written.ts';

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

  test('any text → offered as words where the log takes it so; what an address has beyond that is told', () => {
    const term = fc.stringMatching(/^(?:[a-z]{1,3}|"a b"|"|-|—|\u{1f600}|é)$/u);
    const texts = fc.array(term, { minLength: 1, maxLength: 60 }).map(terms => terms.join(' '));
    fc.assert(
      fc.property(texts, text => {
        if (isWords(text)) expect(textFlaw(text)).toBeUndefined();
        const { conditions, ignored } = viewOf(`?${new URLSearchParams({ text })}`);
        expect(isWords(text) ? conditions.text : ignored).toEqual([isWords(text) ? text : `text=${text}`]);
      }),
    );
    const many = (count: number) => Array.from({ length: count }, (_, index) => `w${index}`).join(' ');
    expect([20, 21].map(count => isWords(many(count)))).toEqual([true, false]);
    expect([20, 21].map(count => textFlaw(many(count)) === undefined)).toEqual([true, false]);
    expect([200, 201].map(count => isWords('x'.repeat(count)))).toEqual([true, false]);
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
  expect(known.holding('media', 9).map(({ field, values }) => `${field} ${values}`)).toEqual([
    'error EC_MEDIA_HOSTING_ERROR',
    'applicationId media-app',
    'entityId media-house',
    'campaignReferenceId media-week',
  ]);
  expect(known.holding('hosting err', 9)).toEqual([{ field: 'error', values: ['EC_MEDIA_HOSTING_ERROR'] }]);
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
    ['failed', ['UNDELIVERABLE,EXPIRED,REJECTED']],
    ['Failures', ['UNDELIVERABLE,EXPIRED,REJECTED']],
    ['DELIVERED_TO_HANDSET', ['DELIVERED']],
    ['undeliverable not sent', ['UNDELIVERABLE']],
    ['', []],
    ['nothing of this', []],
  ])('%s → those that hold it, whose beginning it is first', (text, values) => {
    expect(known.holding(text, 8).map(({ values }) => values.join())).toEqual(values);
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
    ['?destnation=a&live=off', ['destnation=a']],
    ['?sender[0]=a&entityId=b&entityId[1]=c', ['sender[0]=a', 'entityId[1]=c']],
    ['?generalStatus=EXPIRED,LOST', ['generalStatus=LOST']],
    ['?errorName=EC_X&errorId=5', ['errorId=5']],
    ['?errorName[not]=5&errorId=EC_X', ['errorName[not]=5', 'errorId=EC_X']],
    ['?last=1h&last=2h&sentSince=2026-11-28T21:00Z', ['last=1h', 'last=2h']],
    ['?sentUntil=2026-11-28T21:00Z&sentBefore=2026-11-29T21:00Z', ['sentBefore=2026-11-29T21:00Z']],
    ['?compare=week&compare=yesterday&live=maybe&room=cellar', ['compare=yesterday', 'live=maybe', 'room=cellar']],
    ['?bulkId=,%20&sender=', ['bulkId=, ']],
    ['?limit=10&by=sender&by=error&open=a&open=b', ['limit=10', 'by=error', 'open=b']],
    [
      '?messageId=a&messageId=b&error=X&tz=utc&sentUntil=2026-01-01T00:00:00.000Z&live=off&open=m&room=access&by=sender&compare=week',
      undefined,
    ],
  ])('%s → told, and left out of the next address', (search, ignored) => {
    const view = viewOf(search);
    expect(view.ignored).toEqual(ignored);
    expect(viewOf(searchOf(view)).ignored).toBeUndefined();
  });
});

describe('an address as the API takes it', () => {
  const conditionsIn = (search: string) => viewOf(search).conditions;

  test.each([
    ['generalStatus=EXPIRED,REJECTED', { generalStatus: ['EXPIRED', 'REJECTED'] }],
    ['generalStatus=EXPIRED&generalStatus=REJECTED', { generalStatus: ['EXPIRED', 'REJECTED'] }],
    ['messageId=a,%20b&messageId[1]=c&messageId[]=d', { messageId: ['a', 'b', 'c', 'd'] }],
    ['campaignReferenceId=Black+Friday%5C,+2026,Easter', { campaignReferenceId: ['Black Friday, 2026', 'Easter'] }],
    ['errorName=EC_X,EC_Y', { error: ['EC_X', 'EC_Y'] }],
    ['errorId=5&errorId[1]=7', { error: ['5', '7'] }],
    ['error=EC_X,EC_Y', { error: ['EC_X', 'EC_Y'] }],
    ['sender=a,b', { sender: ['a,b'] }],
  ])('%s → read as it is meant, by what is asked for and by what is left out', (search, conditions) => {
    expect(viewOf(`?${search}`)).toMatchObject({ conditions, not: {} });
    const left = search.replaceAll(/(^|&)(\w+)/g, '$1$2[not]');
    const view = viewOf(`?${left}`);
    expect(view).toMatchObject({ conditions: {}, not: conditions });
    expect(view.ignored).toBeUndefined();
  });

  test('names and numbers of errors that are left out → both', () => {
    expect(viewOf('?errorName[not]=EC_X&errorId[not]=5').not).toEqual({ error: ['EC_X', '5'] });
  });

  test.each([
    ['2026-11-28T21:00Z', '2026-11-28T21:00:00.000Z'],
    ['2026-11-28t21:00:30.5z', '2026-11-28T21:00:30.500Z'],
    ['2026-11-28T21:00:00+0100', '2026-11-28T20:00:00.000Z'],
    ['2026-11-28T21:00:00-01', '2026-11-28T22:00:00.000Z'],
    ['2026-11-28T21:00:00%2B01:30', '2026-11-28T19:30:00.000Z'],
  ])('a date as %s → that moment, by each name of a bound', (text, moment) => {
    const ms = Date.parse(moment);
    expect(viewOf(`?sentSince=${text}`).range).toEqual({ sinceMs: ms });
    expect(viewOf(`?sentUntil=${text}`).range).toEqual({ untilMs: ms });
    expect(viewOf(`?sentBefore=${text}`).range).toEqual({ untilMs: ms });
  });

  test('any query of the API → asks for the same, or says what it leaves out', () => {
    const value = fc.stringMatching(/^[a-c5,\\ +]{1,6}$/);
    const parameter = fc.constantFrom(
      ...filterFields.flatMap(({ name }) => [name, `${name}[0]`, `${name}[not]`, `${name}[not][1]`]),
    );
    const group = fc.constantFrom('EXPIRED', 'EXPIRED,REJECTED', 'LOST');
    const entry = fc
      .tuple(parameter, value, group)
      .map(([name, value, group]) => [name, name.startsWith('generalStatus') ? group : value] as const);
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 4 }), entries => {
        const search = new URLSearchParams(entries.map(([name, value]) => [name, value])).toString();
        const asked = parseLogsQuery(search);
        const view = viewOf(`?${search}`);
        if ('violations' in asked || view.ignored !== undefined) return;
        const shown = parseLogsQuery(queryOf(filterOf({ ...view, range: { last: 'all' } }, 0)).toString());
        expect('value' in shown && asWritten(shown.value.filter)).toEqual(asWritten(asked.value.filter));
        expect(conditionsIn(searchOf(view))).toEqual(view.conditions);
      }),
    );
  });
});
