import fc from 'fast-check';
import { Compile } from 'typebox/schema';
import { describe, expect, test } from 'vitest';
import { valuesOf } from '../../src/domain/filter.ts';
import { filterFields } from '../../src/domain/filter-fields.ts';
import {
  parseEmptyQuery,
  parseExportQuery,
  parseLogsQuery,
  parseStreamQuery,
  parseSummaryQuery,
} from '../../src/wire/query/filter-query.ts';
import { listValue } from '../../src/wire/query/list-text.ts';
import { pageParameters, streamParameters } from '../../src/wire/query/query-schemas.ts';
import { anyText } from '../support/any-text.ts';

function asked(raw: string) {
  const { value, violations } = parseLogsQuery(raw);
  if (value === undefined) throw new Error(`refused: ${JSON.stringify(violations)}`);
  return value;
}

const refusedProperties = (raw: string) => parseLogsQuery(raw).violations?.map(({ property }) => property);

describe('parseLogsQuery', () => {
  test('nothing → every message, fifty to a page, no cursor', () => {
    expect(asked('')).toEqual({ filter: {}, limit: 50, useCursor: false });
    expect(asked('&&')).toEqual({ filter: {}, limit: 50, useCursor: false });
  });

  test("the vendor's example → its filter", () => {
    const raw =
      'bulkId=BULK-ID-123-xyz&messageId=MESSAGE-ID-123-xyz%2CMESSAGE-ID-124-xyz&sentSince=2020-02-22T17:42:05.390+01:00' +
      '&sentUntil=2020-02-23T17:42:05.390+01:00&entityId=promotional-traffic-entity' +
      '&applicationId=marketing-automation-application&campaignReferenceId=summersale';
    expect(asked(raw).filter).toEqual({
      bulkId: ['BULK-ID-123-xyz'],
      messageId: ['MESSAGE-ID-123-xyz', 'MESSAGE-ID-124-xyz'],
      sentSince: Date.UTC(2020, 1, 22, 16, 42, 5, 390),
      sentUntil: Date.UTC(2020, 1, 23, 16, 42, 5, 390),
      entityId: 'promotional-traffic-entity',
      applicationId: 'marketing-automation-application',
      campaignReferenceId: ['summersale'],
    });
  });

  test.each([
    'bulkId=a,b',
    'bulkId=a%2Cb',
    'bulkId=a&bulkId=b',
    'bulkId[]=a&bulkId[]=b',
    'bulkId%5B%5D=a&bulkId=b',
    'bulkId[]=a,b',
    'bulkId=a,b&bulkId[]=a',
    'bulkId=,a,,b,',
    'bulkId=&bulkId=a&bulkId=b',
    'bulkId[0]=a&bulkId[1]=b',
    'bulkId%5B0%5D=a&bulkId[17]=b,a&bulkId=b',
  ])('%s → one of a and b', raw => {
    expect(asked(raw).filter).toEqual({ bulkId: ['a', 'b'] });
  });

  test('blanks around a value → it may have been recorded with them or without', () => {
    expect(asked('bulkId=+a+,%20%20b%20').filter).toEqual({ bulkId: ['a', 'b', ' a ', '  b '] });
    expect(asked('bulkId=%20,+').filter).toEqual({ bulkId: [' '] });
    expect(asked('bulkId=%5C+a,b%5C+').filter).toEqual({ bulkId: [' a', 'b '] });
    expect(asked('generalStatus=+EXPIRED').filter).toEqual({ generalStatus: ['EXPIRED'] });
  });

  test.each(['bulkId', 'messageId'])('%s of 2048 characters together → taken; one more → a violation', name => {
    const long = 'x'.repeat(2000);
    expect(asked(`${name}=${long},${'y'.repeat(48)}`).filter).toEqual({ [name]: [long, 'y'.repeat(48)] });
    expect(asked(`${name}=${'x'.repeat(2048)}`).filter).toEqual({ [name]: ['x'.repeat(2048)] });
    expect(refusedProperties(`${name}=${long},${'y'.repeat(49)}`)).toEqual([name]);
    expect(refusedProperties(`${name}=${long}&${name}[]=${'y'.repeat(49)}`)).toEqual([name]);
  });

  test('every field, to ask for and to leave out → read alike, and bounded alike', () => {
    for (const { name, many, kind } of filterFields) {
      const value = { group: 'REJECTED', code: '7', number: '+1', text: 'x', words: 'x' }[kind];
      const written = encodeURIComponent(value);
      const read = many ? [value] : value;
      expect(asked(`${name}=${written}`).filter).toEqual({ [name]: read });
      expect(asked(`${name}[not]=${written}`).filter).toEqual({ not: { [name]: read } });
      // Many short values as well as one long one.
      const long = Array(2049).fill(value).join(',');
      if (many)
        for (const parameter of [name, `${name}[not]`])
          for (const parse of [parseLogsQuery, parseExportQuery, parseSummaryQuery, parseStreamQuery])
            expect(parse(`${parameter}=${long}`).violations?.map(({ property }) => property)).toEqual([parameter]);
    }
  });

  test.each([
    ['sender=44113496000', { sender: '44113496000' }],
    ['destination=a%20b', { destination: 'a b' }],
    ['destination=a+b', { destination: 'a b' }],
    ['destination=+447900900123', { destination: ['+447900900123', ' 447900900123'] }],
    ['sender=%20447900900123', { sender: ['+447900900123', ' 447900900123'] }],
    ['sender=+Shop', { sender: ' Shop' }],
    ['entityId=+1', { entityId: ' 1' }],
    ['campaignReferenceId=Black%20Friday%5C,+2026', { campaignReferenceId: ['Black Friday, 2026'] }],
    ['sender=%2B44', { sender: '+44' }],
    ['sender=a=b', { sender: 'a=b' }],
    ['sender=%C3%A9', { sender: 'é' }],
    ['sender=\u00c3\u00a9', { sender: 'é' }],
    ['entityId=e', { entityId: 'e' }],
    ['applicationId=a,b', { applicationId: 'a,b' }],
    ['generalStatus=ACCEPTED', { generalStatus: ['ACCEPTED'] }],
    ['generalStatus=DELIVERED', { generalStatus: ['DELIVERED'] }],
    [
      'generalStatus=DELIVERED,EXPIRED&generalStatus[]=REJECTED',
      { generalStatus: ['DELIVERED', 'EXPIRED', 'REJECTED'] },
    ],
    ['errorName=EC_A,EC_B', { errorName: ['EC_A', 'EC_B'] }],
    ['errorId=0,7003&errorId[0]=5', { errorId: ['0', '7003', '5'] }],
    ['sender[not]=+44', { not: { sender: ['+44', ' 44'] } }],
    ['sender%5Bnot%5D=a&sender=b', { sender: 'b', not: { sender: 'a' } }],
    ['generalStatus[not]=PENDING,ACCEPTED', { not: { generalStatus: ['PENDING', 'ACCEPTED'] } }],
    ['bulkId[not][]=a&bulkId[not][1]=b&bulkId[not]=c%5C,d', { not: { bulkId: ['a', 'b', 'c,d'] } }],
  ])('%s → %o', (raw, filter) => {
    expect(asked(raw).filter).toEqual(filter);
  });

  test('sentBefore → the bound of sentUntil; both → a violation that names the two bounds', () => {
    const early = '2020-02-22T00:00:00Z';
    const late = '2020-02-23T00:00:00Z';
    expect(asked(`sentBefore=${early}`).filter).toEqual({ sentUntil: Date.UTC(2020, 1, 22) });
    for (const raw of [`sentBefore=${early}&sentUntil=${late}`, `sentUntil=${early}&sentBefore=${late}`])
      expect(parseLogsQuery(raw).violations).toEqual([
        { property: 'sentBefore', violation: expect.stringMatching(/sentSince.*sentUntil/) },
      ]);
  });

  test.each(['bulkId', 'messageId', 'campaignReferenceId'] as const)('%s of any values → the values', name => {
    const value = fc
      .string({ unit: fc.constantFrom(...', \\\\,, aé+&=%[]'), minLength: 1, maxLength: 12 })
      .filter(text => text !== '');
    fc.assert(
      fc.property(fc.uniqueArray(value, { minLength: 1, maxLength: 5 }), fc.boolean(), (values, indexed) => {
        const written = values.map(listValue).map(encodeURIComponent);
        const raw = written.map((text, at) => `${name}${indexed ? `[${at}]` : ''}=${text}`).join('&');
        expect(asked(raw).filter).toEqual({ [name]: values });
        // In one parameter a value that ends in a backslash would take the comma after it.
        if (!values.some(text => text.endsWith('\\')))
          expect(valuesOf(asked(`${name}=${written.join(' , ')}`).filter, name)?.slice(0, values.length)).toEqual(
            values,
          );
      }),
      { seed: 11 },
    );
  });

  test('a long run of blanks in a list → read in one pass', () => {
    const blanks = ' '.repeat(60_000);
    expect(asked(`campaignReferenceId=${blanks}a,${blanks},b${blanks}`).filter).toEqual({
      campaignReferenceId: ['a', 'b', `${blanks}a`, blanks, `b${blanks}`],
    });
  });

  test('a range that ends before it begins → taken', () => {
    const { filter } = asked('sentSince=2020-02-23T00:00:00Z&sentUntil=2020-02-22T00:00:00Z');
    expect(filter.sentSince).toBeGreaterThan(filter.sentUntil ?? Number.NaN);
  });

  test('limit → from 1 to 1000', () => {
    expect(asked('limit=1').limit).toBe(1);
    expect(asked('limit=1000').limit).toBe(1000);
  });

  test('an empty place to go on from → none, in the description too', () => {
    expect(parseStreamQuery('lastEventId=')).toEqual({ value: { filter: {} } });
    for (const place of [streamParameters.lastEventId, pageParameters.cursor]) {
      expect(Compile(place).Check('')).toBe(true);
      expect(Compile(place).Check('a\u0000')).toBe(false);
    }
  });

  test('useCursor and cursor → a cursor is asked for', () => {
    expect(asked('useCursor=true')).toMatchObject({ useCursor: true });
    expect(asked('useCursor=false')).toMatchObject({ useCursor: false });
    expect(asked('cursor=abc')).toMatchObject({ useCursor: true, cursor: 'abc' });
    expect(asked('useCursor=true&cursor=')).toEqual({ filter: {}, limit: 50, useCursor: true });
  });

  test.each([
    ['limit=0', ['limit']],
    ['limit=1001', ['limit']],
    ['limit=-5', ['limit']],
    ['limit=1.5', ['limit']],
    ['limit=1e2', ['limit']],
    ['limit=0x10', ['limit']],
    ['limit=2147483648', ['limit']],
    ['limit=99999999999999999999', ['limit']],
    ['limit=ten', ['limit']],
    ['limit=', ['limit']],
    ['limit', ['limit']],
    ['limit=50&limit=50', ['limit']],
    ['sender=a&sender=b', ['sender']],
    ['sender=', ['sender']],
    ['sender=%00', ['sender']],
    ['sender=a%0Ab', ['sender']],
    ['sender[]=a', ['sender[]']],
    ['bulkId=', ['bulkId']],
    ['bulkId=,,', ['bulkId']],
    ['bulkId=a%01', ['bulkId']],
    ['bulkId[x]=a', ['bulkId[x]']],
    ['sender[0]=a', ['sender[0]']],
    ['errorId=%20,+', ['errorId']],
    ['generalStatus=delivered', ['generalStatus']],
    ['generalStatus=OK', ['generalStatus']],
    ['generalStatus=DELIVERED,OK', ['generalStatus']],
    ['generalStatus[not]=ok', ['generalStatus[not]']],
    ['errorId=EC_A', ['errorId']],
    ['errorId=01', ['errorId']],
    ['errorId=9007199254740991,-9007199254740992', ['errorId']],
    ['errorId[not]=1.5', ['errorId[not]']],
    ['errorName=', ['errorName']],
    ['sender[not]=a&sender[not]=b', ['sender[not]']],
    ['sender[not][0]=a', ['sender[not][0]']],
    ['limit[not]=1', ['limit[not]']],
    ['sentSince[not]=2020-02-22T00:00:00Z', ['sentSince[not]']],
    ['useCursor=yes', ['useCursor']],
    ['cursor=', ['cursor']],
    ['useCursor=false&cursor=', ['cursor']],
    ['sentSince=2020-02-22', ['sentSince']],
    ['sentSince=2020-02-22T17:42:05.390', ['sentSince']],
    ['sentUntil=', ['sentUntil']],
    ['sentBefore=now', ['sentBefore']],
    ['sender=%', ['sender']],
    ['sender=%zz', ['sender']],
    ['sender=%ff', ['sender']],
    ['sender=%ED%A0%80', ['sender']],
    ['%zz=1', ['query']],
    ['sender=\u00ff', ['query']],
    ['Sender=a', ['Sender']],
    ['toString=a', ['toString']],
    ['__proto__=a', ['__proto__']],
  ])('%s → a violation of %j', (raw, properties) => {
    expect(refusedProperties(raw)).toEqual(properties);
  });

  test.each([
    ['bulkid', 'bulkId'],
    ['sentsince', 'sentSince'],
    ['campaignRef', 'campaignReferenceId'],
    ['status', 'generalStatus'],
    ['curser', 'cursor'],
    ['limt', 'limit'],
    ['sendre', 'sender'],
  ])('the mistyped %s → a violation that names %s', (name, nearest) => {
    expect(parseLogsQuery(`${name}=x`).violations).toEqual([
      { property: name, violation: expect.stringMatching(new RegExp(`nearest is ${nearest}$`)) },
    ]);
  });

  test.each(['foo', 'mcc', 'p', 'xml', 'channel', 'toString', 'from'])(
    '%s, which is near to none → no name is proposed',
    name => {
      expect(parseLogsQuery(`${name}=x`).violations).toEqual([
        { property: name, violation: 'is not a known parameter' },
      ]);
    },
  );

  test('everything wrong at once → every violation at once', () => {
    const raw =
      'limit=0&useCursor=x&sentSince=x&sentUntil=x&sentBefore=x&generalStatus=x&bulkId=&sender=a&sender=b&nope=1';
    expect(refusedProperties(raw)?.toSorted()).toEqual(
      [
        'limit',
        'useCursor',
        'sentSince',
        'sentUntil',
        'sentBefore',
        'generalStatus',
        'bulkId',
        'sender',
        'nope',
      ].toSorted(),
    );
  });

  test('thousands of unknown parameters → a bounded list', () => {
    expect(refusedProperties(Array.from({ length: 5000 }, (_, at) => `p${at}`).join('&'))).toHaveLength(100);
  });

  test('any query → asked or refused, never an exception', () => {
    const name = fc.constantFrom(
      'sender',
      'bulkId',
      'bulkId[]',
      'limit',
      'cursor',
      'sentSince',
      'x',
      '%',
      '=',
      '&',
      ',',
      '+',
      '%2',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(name, anyText)), parts => {
        for (const raw of [parts.join('='), parts.join('&'), parts.join('')]) {
          const { value, violations } = parseLogsQuery(raw);
          expect((value === undefined) !== (violations === undefined)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('parseExportQuery', () => {
  test('no format → ndjson', () => {
    expect(parseExportQuery('sender=a').value).toEqual({ filter: { sender: 'a' }, format: 'ndjson' });
    expect(parseExportQuery('format=csv').value).toEqual({ filter: {}, format: 'csv' });
  });

  test('what only pages have → unknown', () => {
    const { violations } = parseExportQuery('limit=5&useCursor=true&cursor=x&format=xml');
    expect(violations?.map(({ property }) => property)).toEqual(['limit', 'useCursor', 'cursor', 'format']);
  });
});

describe('parseEmptyQuery', () => {
  test('any parameter → unknown', () => {
    expect(parseEmptyQuery('').violations).toBeUndefined();
    expect(parseEmptyQuery('a=1').violations).toEqual([{ property: 'a', violation: 'is not a known parameter' }]);
  });
});
