import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { noError, pendingAccepted } from '../../src/domain/registry.ts';
import { limits } from '../../src/limits.ts';
import { contentTypes } from '../../src/wire/log-schemas.ts';
import { parseRecordText } from '../../src/wire/record/log-record.ts';
import { logJson } from '../../src/wire/text/log-text.ts';
import { anyError, anyStatus, present } from '../support/arbitraries.ts';

const message = {
  messageId: 'm-1',
  sender: '44113496000',
  destination: '66855538125',
  content: { type: 'TEXT', text: 'hello' },
};

const parseRecord = (record: unknown) => parseRecordText(JSON.stringify(record));

function submissionOf(record: unknown) {
  const { submission, violations } = parseRecord(record);
  if (submission === undefined) throw new Error(`refused: ${JSON.stringify(violations)}`);
  return submission;
}

const refusedProperties = (record: unknown) => parseRecord(record).violations?.map(({ property }) => property);

describe('a sound record', () => {
  test('a message → its submission', () => {
    const record = {
      ...message,
      bulkId: 'b',
      sentAt: '2023-02-01T23:15:03.379+0000',
      doneAt: '2023-02-01T23:16:34.582Z',
      seenAt: '2023-02-01T23:17:00+01:00',
      at: '2023-02-01T23:16:34Z',
      messageCount: 2,
      price: { pricePerMessage: 0, currency: 'EUR' },
      status: 26,
      error: 'NO_ERROR',
      platform: { entityId: 'e', applicationId: 'a' },
      campaignReferenceId: 'c',
    };
    expect(submissionOf(record)).toEqual({
      messageId: 'm-1',
      sender: '44113496000',
      destination: '66855538125',
      contentJson: '{"type":"TEXT","text":"hello"}',
      bulkId: 'b',
      sentAt: Date.UTC(2023, 1, 1, 23, 15, 3, 379),
      doneAt: Date.UTC(2023, 1, 1, 23, 16, 34, 582),
      seenAt: Date.UTC(2023, 1, 1, 22, 17),
      at: Date.UTC(2023, 1, 1, 23, 16, 34),
      messageCount: 2,
      price: { pricePerMessage: 0, currency: 'EUR' },
      status: pendingAccepted,
      error: noError,
      entityId: 'e',
      applicationId: 'a',
      campaignReferenceId: 'c',
    });
  });

  test('a messageId alone → a submission of nothing else', () => {
    expect(submissionOf({ messageId: 'm' })).toEqual({ messageId: 'm' });
  });

  test('null for a field without a value → as if it were absent', () => {
    const nulls = {
      bulkId: null,
      doneAt: null,
      price: null,
      status: null,
      error: { id: 0, description: null },
      platform: { entityId: null, applicationId: 'a' },
      seenAt: null,
    };
    expect(submissionOf({ ...message, ...nulls })).toEqual(
      submissionOf({ ...message, error: { id: 0 }, platform: { applicationId: 'a' } }),
    );
  });

  test.each(contentTypes)('content of type %s → taken as it is', type => {
    const content = { type, anything: [1, null, { deep: 'é😀' }], 'a.b': false };
    expect(submissionOf({ ...message, content }).contentJson).toBe(JSON.stringify(content));
  });

  test('content of 64 levels, of 64 KiB → taken', () => {
    let deep: object = {};
    for (let level = 2; level < 64; level++) deep = { deep };
    expect(submissionOf({ ...message, content: { type: 'TEXT', deep } }).contentJson).toContain('deep');
    const bare = JSON.stringify({ type: 'TEXT', text: '' }).length;
    const content = { type: 'TEXT', text: 'x'.repeat(limits.contentBytesMax - bare) };
    expect(submissionOf({ ...message, content }).contentJson).toHaveLength(limits.contentBytesMax);
  });

  test('ids as long as may be, in any script → taken', () => {
    const wide = '😀'.repeat(255);
    expect(submissionOf({ ...message, sender: wide, messageId: 'é'.repeat(200) })).toMatchObject({ sender: wide });
  });
});

describe('a flawed record', () => {
  test.each<[string, object, string[]]>([
    ['no messageId', { messageId: undefined }, ['messageId']],
    ['messageId null', { messageId: null }, ['messageId']],
    ['an empty messageId', { messageId: '' }, ['messageId']],
    ['a long messageId', { messageId: 'x'.repeat(201) }, ['messageId']],
    ['a long sender', { sender: 'x'.repeat(256) }, ['sender']],
    ['a sender that is a number', { sender: 44113496000 }, ['sender']],
    ['a destination that is no text', { destination: 5 }, ['destination']],
    ['a control character', { destination: 'a\u0000b' }, ['destination']],
    ['a C1 control character', { bulkId: 'a\u0085' }, ['bulkId']],
    ['a line break', { campaignReferenceId: 'a\nb' }, ['campaignReferenceId']],
    ['half a surrogate pair', { bulkId: 'a\ud800b' }, ['bulkId']],
    ['a date without an offset', { sentAt: '2023-02-01T23:15:03.379' }, ['sentAt']],
    ['a date that is a number', { doneAt: 1675293303379 }, ['doneAt']],
    ['no message', { messageCount: 0 }, ['messageCount']],
    ['too many messages', { messageCount: 1001 }, ['messageCount']],
    ['half a message', { messageCount: 1.5 }, ['messageCount']],
    ['a negative price', { price: { pricePerMessage: -0.01, currency: 'EUR' } }, ['price.pricePerMessage']],
    ['a price without a currency', { price: { pricePerMessage: 1 } }, ['price.currency']],
    ['a currency in small letters', { price: { pricePerMessage: 1, currency: 'eur' } }, ['price.currency']],
    ['a currency of four letters', { price: { pricePerMessage: 1, currency: 'EURO' } }, ['price.currency']],
    ['a price that is a number', { price: 0.15 }, ['price']],
    ['a long entity', { platform: { entityId: 'x'.repeat(256) } }, ['platform.entityId']],
    ['an unknown platform field', { platform: { entity: 'x' } }, ['platform.entity']],
    ['content that is a text', { content: 'hello' }, ['content']],
    ['content that is a list', { content: [{ type: 'TEXT' }] }, ['content']],
    ['content without a type', { content: { text: 'hello' } }, ['content.type']],
    ['content of no type', { content: { type: 5 } }, ['content.type']],
    ['a status that is a list', { status: [5] }, ['status']],
    ['an unknown status', { status: { id: 12345 } }, ['status.id']],
    ['a flag that is a text', { error: { id: 0, permanent: 'yes' } }, ['error.permanent']],
    ['a long description', { status: { id: 5, description: 'x'.repeat(1001) } }, ['status.description']],
    ['an unknown error', { error: 'EC_NOTHING' }, ['error']],
    ['an unknown field', { senderr: 'x' }, ['senderr']],
    ['a field of every object', { constructor: 'x' }, ['constructor']],
    ['a list', { sender: ['x'] }, ['sender']],
  ])('%s → its violation', (_what, fields, properties) => {
    expect(refusedProperties({ ...message, ...fields })).toEqual(properties);
  });

  test('content too large → a violation', () => {
    const text = 'x'.repeat(limits.contentBytesMax);
    expect(refusedProperties({ ...message, content: { type: 'TEXT', text } })).toEqual(['content']);
    const wide = 'é'.repeat(limits.contentBytesMax / 2);
    expect(refusedProperties({ ...message, content: { type: 'TEXT', text: wide } })).toEqual(['content']);
  });

  test('nesting of a hundred thousand levels → a violation, not an exhausted stack', () => {
    const levels = 100_000;
    const nested = `${'['.repeat(levels)}${']'.repeat(levels)}`;
    const content = parseRecordText(`{"messageId":"m","content":{"type":"TEXT","deep":${nested}}}`);
    expect(content.violations).toEqual([{ property: 'content', violation: expect.stringContaining('64 levels') }]);
    const sender = parseRecordText(`{"messageId":"m","sender":${nested}}`);
    expect(sender.violations).toEqual([{ property: 'sender', violation: expect.any(String) }]);
  });

  test('everything wrong at once → every violation at once', () => {
    const record = {
      sender: 5,
      destination: true,
      sentAt: 'yesterday',
      messageCount: 0,
      price: { pricePerMessage: -1, currency: 'x' },
      status: { id: 4711 },
      error: { id: 4102 },
      platform: { entityId: 5 },
      content: { type: '' },
      surprise: 1,
    };
    expect(refusedProperties(record)?.toSorted()).toEqual(
      [
        'sender',
        'destination',
        'sentAt',
        'messageCount',
        'price.pricePerMessage',
        'price.currency',
        'status.id',
        'error.id',
        'platform.entityId',
        'content.type',
        'surprise',
        'messageId',
      ].toSorted(),
    );
  });

  test('a mistyped field → a violation with the nearest known one', () => {
    const [violation] = parseRecord({ ...message, campaignReferenceID: 'x' }).violations ?? [];
    expect(violation?.violation).toContain('campaignReferenceId');
  });

  test('a flawed record with a sound messageId → named by it', () => {
    expect(parseRecord({ messageId: 'm', sender: 1 })).toMatchObject({ messageId: 'm' });
    expect(parseRecord({ messageId: 'x'.repeat(300) })).not.toHaveProperty('messageId');
  });

  test('no sound messageId → what a new message must have is asked for in the same answer', () => {
    const lacking = ['messageId', 'sender', 'destination', 'content'];
    expect(refusedProperties({})).toEqual(lacking);
    expect(refusedProperties({ messageId: '', sender: null })).toEqual(lacking);
    expect(refusedProperties({ messageId: 'm', bulkId: 5 })).toEqual(['bulkId']);
  });

  test.each(['null', '[]', '5', '"x"', 'true'])('%s → a violation of the whole record', text => {
    expect(parseRecordText(text).violations).toEqual([{ property: '', violation: 'must be a JSON object' }]);
  });

  test('text that is not JSON → a violation that says so', () => {
    expect(parseRecordText('{"messageId":').violations).toEqual([
      { property: '', violation: expect.stringContaining('not JSON') },
    ]);
  });

  test('__proto__ → an unknown field, at every level, and no object changes', () => {
    const text = '{"messageId":"m","__proto__":{"sender":"x"},"platform":{"entityId":"e","__proto__":{"name":"y"}}}';
    const { violations } = parseRecordText(text);
    expect(violations?.map(({ property }) => property)).toEqual(['__proto__', 'platform.__proto__']);
    expect({}).not.toHaveProperty('sender');
    const content = '{"type":"TEXT","__proto__":{"type":"SMS"}}';
    const taken = parseRecordText(`{"messageId":"m","content":${content}}`);
    expect(taken.submission?.contentJson).toBe(content);
  });

  test('empty texts, null and what has no price → absent, as if they were not there', () => {
    const absent = [null, ''];
    for (const none of absent) {
      const ids = { bulkId: none, campaignReferenceId: none, platform: { entityId: none, applicationId: none } };
      const dates = { sentAt: none, doneAt: none, seenAt: none, at: none };
      const codes = { status: none, error: { id: 0, name: none, description: none, groupName: none } };
      expect(submissionOf({ ...message, ...ids, ...dates, ...codes })).toEqual(submissionOf({ ...message, error: 0 }));
      expect(submissionOf({ messageId: 'm', sender: none, destination: none })).toEqual({ messageId: 'm' });
    }
    const prices = [
      { pricePerMessage: null, currency: null },
      { pricePerMessage: 0, currency: 'UNKNOWN' },
      { pricePerMessage: 0.15, currency: null },
      { pricePerMessage: 'UNKNOWN', currency: 'EUR' },
      { pricePerMessage: '', currency: '' },
      'UNKNOWN',
      null,
    ];
    for (const price of prices) expect(submissionOf({ ...message, price })).toEqual(submissionOf(message));
    expect(refusedProperties({ ...message, price: {} })).toEqual(['price.pricePerMessage', 'price.currency']);
    expect(refusedProperties({ ...message, messageId: '' })).toEqual(['messageId']);
  });

  test('codes and content types that are not registered → told beside the submission', () => {
    const parsed = (fields: object) => parseRecord({ ...message, ...fields }).unregistered;
    expect(parsed({ status: 5, error: 0 })).toBeUndefined();
    expect(parsed({ status: { id: 777, groupId: 3 }, error: { name: 'EC_NEW', groupId: 1 } })).toEqual([
      'status',
      'error',
    ]);
    expect(parsed({ content: { type: 'A_TYPE_TO_COME' }, sentAt: null })).toEqual(['content type']);
  });

  test.each(['0', '-0', '-0.0', '-1e-400', '-0e5', '0.00'])('a price of %s → 0', price => {
    const { submission } = parseRecordText(`{"messageId":"m","price":{"pricePerMessage":${price},"currency":"EUR"}}`);
    expect(submission?.price).toEqual({ pricePerMessage: 0, currency: 'EUR' });
  });

  test.each([1e300, 10_000_001, '1e999', -1e-300])('a price of %s → refused with its reason', price => {
    const text = `{"messageId":"m","price":{"pricePerMessage":${price},"currency":"EUR"}}`;
    expect(parseRecordText(text).violations).toEqual([
      { property: 'price.pricePerMessage', violation: 'must be a number from 0 to 10000000' },
    ]);
  });

  test.each([
    '{"type":"TEXT","text":"x","recipientId":10150098461530577,"orderId":781250306873012345}',
    '{"type":"TEXT","n":[1e-400,1E999,-0.0,0.10,1.0e+2,123456789012345678901234567890]}',
    '{"type":"IMAGE","type":"TEXT","text":"a","text":"b"}',
    '{"2":"two","1":"one","type":"TEXT","01":0}',
    '{ "type"\t:\r\n "TEXT" , "a" : [ ] }',
    '{"type":"TEXT","\\u0074ext":"\\u0000\\ud800\\/é\u2028\u007f\ufeff"}',
    '{"type":"TEXT","__proto__":{"a":1},"constructor":null}',
    '{"type":"TEXT","content":{"content":"\\"content\\":{}"},"\\"content":1}',
    '{"type":"TEXT","text":"}]\\\\\\"{[","n":{"a":[[],{}]}}',
  ])('content %s → kept to the byte, wherever it stands', content => {
    const [before, after] = ['"messageId":"m","sender":"content"', '"campaignReferenceId":"\\u0022content\\u0022"'];
    const names = ['"content"', '"\\u0063ontent"', '"content" \n'];
    for (const name of names)
      for (const fields of [`${before},${name}:${content}`, `${name}: ${content} ,${before},${after}`]) {
        const { submission, violations } = parseRecordText(` {${fields}}\r`);
        expect([violations, submission?.contentJson]).toEqual([undefined, content]);
      }
    const twice = `{${before},"content":{"type":"TEXT","first":1},${after},"c\\u006Fntent":${content}}`;
    expect(parseRecordText(twice).submission?.contentJson).toBe(content);
  });

  test('any JSON, spaced in any way → its content to the byte', () => {
    const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 3 });
    const anySpaced = fc
      .tuple(fc.jsonValue({ maxDepth: 4 }), fc.array(space, { minLength: 1 }))
      .map(([value, spaces]) => {
        let next = 0;
        // Between the parts of the text, and never within a string.
        return JSON.stringify(value).replaceAll(
          /"(?:\\.|[^"\\])*"|[[\]{},:]|[^"[\]{},:]+/g,
          part => `${spaces[next++ % spaces.length]}${part}${spaces[next++ % spaces.length]}`,
        );
      });
    fc.assert(
      fc.property(anySpaced, anySpaced, (inner, other) => {
        const content = `{"type":"TEXT","inner":${inner}}`;
        const { submission } = parseRecordText(`{"content":${other},"messageId":"m","content":${content}}`);
        expect(submission?.contentJson).toBe(content);
        expect(parseRecordText(`{"content":${content},"messageId":"m"}`).submission?.contentJson).toBe(content);
      }),
    );
  });

  test('thousands of unknown fields → a bounded list', () => {
    const fields = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`field${at}`, 1]));
    expect(parseRecord({ ...message, ...fields }).violations).toHaveLength(100);
  });

  test('any JSON → a submission or violations, never an exception', () => {
    const names = fc.constantFrom(
      'messageId',
      'sender',
      'status',
      'price',
      'content',
      'platform',
      'sentAt',
      'id',
      '__proto__',
    );
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom(5, 87, 'NO_ERROR', '2023-02-01T00:00:00Z', 'EUR'));
    const record = fc.dictionary(names, fc.oneof(value, fc.dictionary(names, value)));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), record), value => {
        const { submission, violations } = parseRecord(value);
        expect((submission === undefined) !== (violations === undefined)).toBe(true);
        if (violations !== undefined) expect(violations.length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe('what is read', () => {
  test('any log → can be posted, and means the same', () => {
    const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(text => !/\p{C}/u.test(text));
    const moment = fc.integer({ min: 1_600_000_000_000, max: 1_900_000_000_000 });
    const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
    const anyLog = fc
      .record({
        sender: id,
        destination: id,
        messageId: id,
        sentAt: moment,
        messageCount: fc.integer({ min: 1, max: 1000 }),
        content: fc.dictionary(fc.string(), fc.jsonValue()),
        type: fc.constantFrom(...contentTypes),
        status: anyStatus,
        error: anyError,
        bulkId: optional(id),
        entityId: optional(id),
        applicationId: optional(id),
        campaignReferenceId: optional(id),
        doneAt: optional(moment),
        price: optional(
          fc.record({
            pricePerMessage: fc.double({ min: 0, max: limits.pricePerMessageMax, noNaN: true }),
            currency: fc.constant('EUR'),
          }),
        ),
      })
      .map(({ content, type, ...fields }) => ({ ...fields, contentJson: JSON.stringify({ ...content, type }) }));
    fc.assert(
      fc.property(
        anyLog,
        ({ sentAt, sender, destination, messageId, messageCount, contentJson, status, error, ...rest }) => {
          const log = {
            sentAt,
            sender,
            destination,
            messageId,
            messageCount,
            contentJson,
            status,
            error,
            ...present(rest),
          };
          const { submission } = parseRecordText(logJson({ ...log, at: sentAt }), 'kept');
          expect(submission).toEqual(log);
        },
      ),
    );
  });
});
