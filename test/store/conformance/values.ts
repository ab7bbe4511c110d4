import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Submission } from '../../../src/domain/message.ts';
import { unregisteredErrors, unregisteredStatuses } from '../../../src/domain/registry.ts';
import { summaryRange } from '../../../src/domain/summary.ts';
import { limits } from '../../../src/limits.ts';
import { anyError, anyStatus } from '../../support/arbitraries.ts';
import { runs } from '../../support/properties.ts';
import { follow } from './changes.ts';
import {
  absentSubscriber,
  account,
  engineFor,
  find1,
  findIds,
  horizon,
  logOf,
  message,
  now,
  type OpenEngine,
  openings,
  outcome,
  query,
  record,
  recordAll,
} from './engine.ts';

const hostileTexts: readonly string[] = [
  "'; DROP TABLE message; --",
  '"quoted"',
  'back\\slash',
  '%',
  '_',
  '?1',
  '$name',
  ':name',
  ' leading and trailing ',
  ' ',
  '\u00a0',
  '\u200b',
  '\ufeffbom first',
  '\u202eright to left',
  'שלום',
  'e\u0301',
  '\u00e9',
  '🎈',
  '👩‍👩‍👧‍👦',
  '\u{10ffff}',
  '\uffff',
  '\u2028',
  'ß',
  'ẞ',
  'İ',
  'i',
  'I',
  '1',
  '01',
  '1.0',
  '1e0',
  '-0',
  '0x1',
  '9007199254740993',
  'null',
  'undefined',
  'NaN',
  'true',
  '[]',
  '{}',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'a,b',
  'a;b',
  'a|b',
  'a/b',
  '../../etc/passwd',
  'a:b',
  'costarring',
  'liquid',
  'plumless',
  'buckeroo',
];

/** Sixty-four texts that the common 31-times hash cannot tell apart. */
const collidingTexts = Array.from({ length: 64 }, (_, i) =>
  Array.from({ length: 6 }, (_, bit) => ((i >> bit) & 1 ? 'Aa' : 'BB')).join(''),
);

const idFields = [
  'messageId',
  'sender',
  'destination',
  'bulkId',
  'entityId',
  'applicationId',
  'campaignReferenceId',
] as const;

/** Any text an id may be: whole characters, none of them a control character. */
const anyId = (charsMax: number) =>
  fc
    .string({ minLength: 1, maxLength: 40, unit: 'binary', size: 'max' })
    .map(text => text.replaceAll(/\p{Cc}/gu, '').slice(0, charsMax))
    .filter(text => text !== '' && text.isWellFormed());

const anyContent = fc
  .record({
    type: fc.constantFrom('TEXT', 'IMAGE'),
    text: fc.string({ unit: 'binary', maxLength: 200 }),
    more: fc.jsonValue(),
  })
  .map(content => JSON.stringify(content));

/** Further fields of a log that came from elsewhere. */
const anyExtra = fc.jsonValue({ maxDepth: 2 }).map(value => `{ "further" : ${JSON.stringify(value)}, "n":1.00}`);

/** Values of every kind go in and come out as they were, and are told apart. */
export function valueTests(openEngine: OpenEngine): void {
  describe('texts', () => {
    it('texts of every odd kind in every field → kept, and each found by exactly itself', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 20 });
      const texts = [...hostileTexts, ...collidingTexts];
      // Another one in each field of a message.
      const textOf = (i: number, at: number) => texts[(i + at * 11) % texts.length] ?? '';
      const batch: readonly Submission[] = texts.map((_, i) => ({
        ...message(textOf(i, 0)),
        ...Object.fromEntries(idFields.map((field, at) => [field, textOf(i, at)])),
      }));
      await recordAll(engine.store, batch);
      for await (const store of openings(engine)) {
        for (const [i, sent] of batch.entries()) {
          for (const [at, field] of idFields.entries()) {
            const { logs } = await store.find(query({ filter: filterBy(field, textOf(i, at)) }));
            expect(logs).toEqual([logOf(sent)]);
          }
          expect((await store.history(account, sent.messageId, horizon))?.log).toEqual(logOf(sent));
        }
      }
    });

    it('a text in one field → not found by another', async () => {
      const { store } = await engineFor(openEngine);
      const own = (field: string) => `only ${field}`;
      const ids = Object.fromEntries(idFields.map(field => [field, own(field)]));
      await recordAll(store, [{ ...message('m'), ...ids }]);
      for (const field of idFields)
        for (const other of idFields)
          expect(await findIds(store, filterBy(field, own(other)))).toHaveLength(field === other ? 1 : 0);
    });

    it('ids of the greatest length → kept, told apart by their last character', async () => {
      const { store } = await engineFor(openEngine);
      const long = (end: string, chars: number = limits.idCharsMax) =>
        '🎈'.repeat(Math.floor((chars - 1) / 2)).padEnd(chars - 1, 'x') + end;
      const ids = Object.fromEntries(idFields.map(field => [field, long('a')]));
      const batch = ['a', 'b'].map(end => ({ ...message(''), ...ids, messageId: long(end, limits.messageIdCharsMax) }));
      await recordAll(store, batch);
      expect((await store.find(query())).logs).toEqual(batch.map(logOf).toReversed());
      expect(await findIds(store, { messageId: [long('b', limits.messageIdCharsMax)] })).toHaveLength(1);
      expect(await findIds(store, { sender: long('a') })).toHaveLength(2);
      expect(await findIds(store, { sender: long('b') })).toHaveLength(0);
    });

    it('fields whose texts run together alike → told apart', async () => {
      const { store } = await engineFor(openEngine);
      const batch = [
        message('ab', { bulkId: 'c' }),
        message('a', { bulkId: 'bc' }),
        message('abc'),
        message('a ', { bulkId: 'b', campaignReferenceId: 'c' }),
      ];
      await recordAll(store, batch);
      for (const one of batch) expect(await findIds(store, { messageId: [one.messageId] })).toEqual([one.messageId]);
      expect(await findIds(store, { bulkId: ['bc', 'c'] })).toEqual(['a', 'ab']);
    });

    it('any ids and any content → kept', async () => {
      const { store } = await engineFor(openEngine, { segmentMessagesMax: 20 });
      let recorded = 0;
      const anyFields = fc.record(
        {
          sender: anyId(255),
          destination: anyId(255),
          bulkId: anyId(255),
          entityId: anyId(255),
          contentJson: anyContent,
        },
        { requiredKeys: [] },
      );
      await fc.assert(
        fc.asyncProperty(anyId(150), anyFields, async (text, fields) => {
          const messageId = `${recorded++} ${text}`;
          const submission = message(messageId, fields);
          await recordAll(store, [submission]);
          const { logs } = await store.find(query({ filter: { messageId: [messageId] } }));
          expect(logs).toEqual([logOf(submission)]);
        }),
        { numRuns: runs(80) },
      );
    });
  });

  describe('codes', () => {
    it('codes of every kind, registered or not, in messages and in reports → kept, wherever they are read', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 40 });
      const { next: beginning } = await engine.store.changes({ account, sentSince: horizon, limit: 1 });
      const codes = fc.sample(fc.record({ status: anyStatus, error: anyError, extraJson: anyExtra }), 120);
      // They are settled when the message is recorded, so that each is shown as it came.
      await recordAll(
        engine.store,
        codes.flatMap((fields, i) => [message(`with ${i}`, fields), message(`late ${i}`)]),
      );
      const reports = codes.map((fields, i) => ({ messageId: `late ${i}`, at: now + 1, ...fields }));
      const { updated, rejected } = await record(engine.store, reports);
      expect(rejected).toEqual([]);
      for await (const store of openings(engine)) {
        for (const [i, { status, error, extraJson }] of codes.entries()) {
          expect(await find1(store, `with ${i}`)).toMatchObject({ status, error, extraJson });
          expect(await find1(store, `late ${i}`)).toMatchObject({ extraJson });
          const late = await store.history(account, `late ${i}`, horizon);
          expect(late?.timeline.at(-1)).toMatchObject({ status, error });
        }
        const { changes } = await follow(store, beginning);
        // The order between messages is the engine's.
        const shown = new Map(
          changes.map(({ log: { messageId, status, error, extraJson } }) => [messageId, { status, error, extraJson }]),
        );
        expect(codes.map((_, i) => shown.get(`with ${i}`))).toEqual(codes);
        expect(changes).toHaveLength(2 * codes.length + updated);
      }
    });

    it('failures by errors that are not registered → listed by their names, counted or kept', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 7 });
      const [status] = unregisteredStatuses.filter(({ groupName }) => groupName === 'REJECTED');
      if (status === undefined) throw new Error('nothing stands for rejections');
      const [, base] = unregisteredErrors;
      if (base === undefined) throw new Error('nothing stands for errors');
      const errors = [
        ...Array.from({ length: 6 }, (_, i) => ({ ...base, id: 7000 + i, name: 'EC_NEW', description: `${i}` })),
        ...Array.from({ length: 3 }, () => ({ ...base, id: 7777 })),
        absentSubscriber,
      ] as const;
      await recordAll(
        engine.store,
        errors.map((error, i) => message(`m${i}`, { status: { ...status, id: 900 + i }, error })),
      );
      const expected = [
        { name: 'EC_NEW', count: 6 },
        { name: '7777', count: 3 },
        { name: absentSubscriber.name, count: 1 },
      ];
      for await (const store of openings(engine))
        for (const filter of [{}, { sender: '44113496000' }]) {
          const range = summaryRange(filter, horizon, now, 48);
          const summary = await store.summarize({ account, filter, sentSince: horizon, range, budgetMs: 60_000 });
          expect(summary).toMatchObject({ complete: true, groups: { REJECTED: 10 }, failures: { errors: expected } });
        }
      const again = await engine.reopen();
      await record(again, [{ messageId: 'm0', at: now + 1, status: { ...status, id: 1 }, error: absentSubscriber }]);
      const range = summaryRange({}, horizon, now, 48);
      const { failures } = await again.summarize({ account, filter: {}, sentSince: horizon, range, budgetMs: 60_000 });
      expect(failures?.errors).toEqual([
        { name: 'EC_NEW', count: 5 },
        { name: '7777', count: 3 },
        { name: absentSubscriber.name, count: 2 },
      ]);
    });
  });

  describe('numbers', () => {
    it('prices of every kind of double, in messages and in reports → kept to the last bit, whatever is opened anew', async () => {
      const engine = await engineFor(openEngine, { segmentMessagesMax: 60 });
      const prices = [
        ...[0, -0, 5e-324, 1e-320, 2.2250738585072014e-308, 1e-7, 0.1 + 0.2, 0.15, 123_456.789, 2 ** 31, 2 ** 53],
        ...[1e21, 1e300, Number.MAX_VALUE],
        ...fc.sample(fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), 80),
      ];
      const priced = prices.map(pricePerMessage => ({ price: { pricePerMessage, currency: 'EUR' } }));
      await recordAll(
        engine.store,
        priced.flatMap((fields, i) => [message(`with ${i}`, fields), message(`without ${i}`)]),
      );
      const reports = priced.map((fields, i) => ({ messageId: `without ${i}`, at: now, ...fields }));
      expect(await record(engine.store, reports)).toEqual(outcome({ updated: prices.length }));
      for await (const store of openings(engine)) {
        const { logs } = await store.find(query());
        expect(logs).toHaveLength(2 * prices.length);
        // An engine need not tell -0 from 0.
        for (const { messageId, price } of logs)
          expect((price?.pricePerMessage ?? -1) + 0, messageId).toBe(
            (prices[Number(messageId.split(' ')[1])] ?? -1) + 0,
          );
      }
    });
  });

  describe('content', () => {
    const text = (value: string) => JSON.stringify({ text: value, type: 'TEXT' });

    const contents: readonly (readonly [condition: string, contentJson: string])[] = [
      ['of the greatest size', text('x'.repeat(limits.contentBytesMax - 25))],
      [
        'of the greatest size in three-byte characters',
        text('€'.repeat(Math.floor((limits.contentBytesMax - 25) / 3))),
      ],
      ['with every escape', '{"text":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\\ud83c\\udf88\\ud800","type":"TEXT"}'],
      ['with spaces and another key order', '{ "type" : "TEXT",\n  "text" : "a" }'],
      ['with raw separators of lines', '{"text":"\u2028\u2029\u0085","type":"TEXT"}'],
      ['with numbers that JSON.parse would round', '{"type":"TEXT","n":9007199254740993,"m":1.0,"e":1E400}'],
      ['with a key twice', '{"type":"TEXT","a":1,"a":2}'],
      ['deeply nested', `{"type":"TEXT","a":${'['.repeat(200)}${']'.repeat(200)}}`],
      ['with __proto__', '{"type":"TEXT","__proto__":{"a":1}}'],
    ];

    it('content of every kind and size → kept to the letter', async () => {
      const engine = await engineFor(openEngine);
      await recordAll(
        engine.store,
        contents.map(([condition, contentJson]) => message(condition, { contentJson })),
      );
      for await (const store of openings(engine))
        for (const [condition, contentJson] of contents)
          expect((await find1(store, condition)).contentJson, condition).toBe(contentJson);
    });
  });
}

function filterBy(field: (typeof idFields)[number], value: string) {
  switch (field) {
    case 'messageId':
      return { messageId: [value] };
    case 'bulkId':
      return { bulkId: [value] };
    case 'campaignReferenceId':
      return { campaignReferenceId: [value] };
    default:
      return { [field]: value };
  }
}
