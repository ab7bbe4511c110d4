import fc from 'fast-check';
import { XMLParser } from 'fast-xml-parser';
import { describe, expect, test, vi } from 'vitest';
import { Random } from '../../scripts/demo/random.ts';
import { simulatedMessage } from '../../simulator/messages.ts';
import { deliveryJson, deliveryXml, seenJson, simulatedReport } from '../../simulator/webhooks.ts';
import { readWebhook } from '../../src/http/body/webhook-reports.ts';
import { ApiError } from '../../src/http/errors.ts';
import { limits } from '../../src/limits.ts';
import { oddlyChanged } from '../support/odd-json.ts';
import { webhookReports } from '../support/webhook-reports.ts';

const sentAt = Date.parse('2026-03-01T12:00:00Z');
const some = fc
  .string({ minLength: 1, maxLength: 10 })
  .map(seed => simulatedMessage({ messageId: `m-${seed.length}`, sentAt, pace: 0.01 }, new Random(seed)));

const xmlOf = (item: string, times: number) =>
  `<DeliveryReports><results>${item.repeat(times)}</results></DeliveryReports>`;

describe('a webhook of delivery reports', () => {
  test('the same in JSON and in XML → the same reports', () => {
    fc.assert(
      fc.property(fc.array(some, { maxLength: 5 }), fc.integer({ min: 0, max: 3_600_000 }), (messages, afterMs) => {
        const reports = messages.map(message => simulatedReport(message, sentAt + afterMs));
        const read = webhookReports(deliveryJson(reports), 'json');
        expect(read.flaws).toEqual([]);
        expect(read.reports.map(one => one.messageId)).toEqual(messages.map(one => one.messageId));
        expect(webhookReports(deliveryXml(reports), 'xml')).toEqual(read);
      }),
    );
  });

  test('seen reports → when; what is no report → counted and left', () => {
    const seen = webhookReports(seenJson([{ messageId: 'm', seenAt: sentAt, from: 'p', to: 's', sentAt }]), 'json');
    expect(seen).toEqual({ reports: [{ messageId: 'm', seenAt: sentAt }], others: 0, flaws: [] });
    const inbound = '{"results":[{"sender":"p","messageId":"in","message":{"text":"hello"}},5,null]}';
    expect(webhookReports(inbound, 'json')).toEqual({ reports: [], others: 3, flaws: [] });
  });

  test('a field that nobody knows, anywhere in a report → kept, as it is of a message that is read', () => {
    const status = { groupId: 3, groupName: 'DELIVERED', id: 5, name: 'DELIVERED_TO_HANDSET' };
    const [plain] = webhookReports(JSON.stringify({ results: [{ messageId: 'm', status }] }), 'json').reports;
    const further = { ...status, by: { whom: 'x' } };
    const [kept] = webhookReports(JSON.stringify({ results: [{ messageId: 'm', status: further }] }), 'json').reports;
    expect(kept).toEqual({ ...plain, status: { ...plain?.status, furtherJson: '{"by":{"whom":"x"}}' } });
  });

  test('whatever stands in a report, and wherever → read, counted, or told as amiss', () => {
    const status = { groupId: 3, groupName: 'DELIVERED', id: 5, name: 'DELIVERED_TO_HANDSET', description: 'd' };
    const error = { groupId: 0, groupName: 'OK', id: 0, name: 'NO_ERROR', description: 'n', permanent: false };
    const price = { pricePerMessage: 0.1, currency: 'EUR' };
    const doneAt = '2026-03-01T12:00:00.000+0000';
    const odd = oddlyChanged({ messageId: 'm', status, error, price, doneAt, seenAt: doneAt });
    fc.assert(
      fc.property(odd, result => {
        const read = webhookReports(JSON.stringify({ results: [result] }), 'json');
        expect(read.reports.length + read.others + read.flaws.length).toBeGreaterThan(0);
      }),
      { numRuns: 1000 },
    );
  });

  /** As no double can hold it, or no program writes it that parsed it before. */
  const anyNumber = fc
    .tuple(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.constantFrom('', '.10', 'e400', 'e-400', '.5E+1'))
    .map(([whole, end]) => `${whole}${end}`);

  test('fields that nobody knows with any numbers, beside a field that is wrong or not → kept as they are written', () => {
    fc.assert(
      fc.property(anyNumber, anyNumber, fc.boolean(), (one, other, isFlawed) => {
        const further = (number: string) => `"2":${number},"a":{"b" : [${number}],"b":${number}},"2a":${number}`;
        const doneAt = isFlawed ? '"doneAt":"yesterday",' : '';
        const result =
          `{"messageId":"m",${doneAt}"status":{"id":5,${further(one)}},"error":{"id":0,${further(other)}},` +
          `"price":{"pricePerMessage":0.1,"currency":"EUR",${further(one)}},"answer":${one}}`;
        const { reports, flaws } = webhookReports(`{"results":[${result}]}`, 'json');
        expect(flaws).toHaveLength(isFlawed ? 1 : 0);
        expect(reports).toMatchObject([
          {
            status: { id: 5, furtherJson: `{${further(one)}}` },
            error: { id: 0, furtherJson: `{${further(other)}}` },
            extraJson: `{"price":{${further(one)}}}`,
          },
        ]);
        const xml =
          `<DeliveryReports><results><result><messageId>m</messageId><status><id>5</id><by><id>${one}</id></by></status>` +
          `<price><pricePerMessage>0.10</pricePerMessage><currency>EUR</currency><id>${one}</id></price></result></results></DeliveryReports>`;
        expect(webhookReports(xml, 'xml').reports).toMatchObject([
          {
            status: { id: 5, furtherJson: `{"by":{"id":"${one}"}}` },
            price: { pricePerMessage: 0.1 },
            extraJson: `{"price":{"id":"${one}"}}`,
          },
        ]);
      }),
    );
  });

  test('further fields, and one that is wrong → the rest is taken', () => {
    const result = {
      messageId: 'm',
      status: { groupId: 3, id: 5, name: 'DELIVERED_TO_HANDSET' },
      doneAt: 'yesterday',
      new: [1],
    };
    const { reports, flaws } = webhookReports(JSON.stringify({ results: [result], also: 1 }), 'json');
    expect(reports).toMatchObject([{ messageId: 'm', status: { name: 'DELIVERED_TO_HANDSET' } }]);
    expect(flaws).toHaveLength(1);
  });

  test.each([
    ['json', '{"results":'],
    ['json', '[]'],
    ['xml', '<DeliveryReports><results>'],
    ['xml', '<other/>'],
    ['xml', '<!DOCTYPE a [<!ENTITY b "bbbb">]><DeliveryReports><results/></DeliveryReports>'],
  ] as const)('%s %s → refused with the reason', (form, body) => {
    expect(() => webhookReports(body, form)).toThrow(ApiError);
  });

  test.each([
    ['zeros', 'json', `{"results":[${Array(10_000).fill('0').join()}]}`],
    ['reports', 'json', `{"results":[${Array(5000).fill('{"messageId":"m","status":{"id":5}}').join()}]}`],
    ['reports', 'xml', xmlOf('<result><messageId>m</messageId><status><id>5</id></status></result>', 5000)],
    ['nothing', 'xml', xmlOf('<result/>', 10_000)],
  ] as const)('many %s, as %s → read in small steps', (_, form, body) => {
    const parse = vi.spyOn(XMLParser.prototype, 'parse');
    const most = Math.max(...readWebhook(body, form));
    expect(most).toBeLessThan(form === 'xml' ? 10_000 : 1000);
    for (const [text] of parse.mock.calls) expect(text.length).toBeLessThan(limits.webhookFrameCharsMax);
    parse.mockRestore();
  });

  test.each([
    ['a frame of attributes', `<DeliveryReports ${'a=""'.repeat(50_000)}/>`],
    ['more results than there can be', xmlOf('<result/>', limits.webhookReportsMax + 1)],
    ['a frame without results', xmlOf('<other/>', 50_000)],
    ['tags that never end', '<a '.repeat(50_000)],
    ['results that never end', '<result>'.repeat(50_000)],
    ['comments without end', xmlOf('<!---->', 200_000)],
    ['texts without end', xmlOf('<![CDATA[]]>', 200_000)],
    ['a result in depth', xmlOf(`<result>${'<a>'.repeat(400)}${'</a>'.repeat(400)}</result>`, 1)],
  ])('%s → refused, and no more than may be is parsed', (_, body) => {
    const parse = vi.spyOn(XMLParser.prototype, 'parse');
    expect(() => webhookReports(body, 'xml')).toThrow(ApiError);
    for (const [text] of parse.mock.calls) expect(text.length).toBeLessThanOrEqual(limits.webhookResultCharsMax);
    parse.mockRestore();
  });

  const sound = {
    json: '{"messageId":"m","status":{"id":5}}',
    xml: '<result><messageId>m</messageId><status><id>5</id></status></result>',
  };
  test.each([
    ['json', `{"results":[{"answer":"${'x'.repeat(limits.webhookResultCharsMax)}"},${sound.json}]}`, 1],
    ['xml', `<DeliveryReports><result>${'<a/>'.repeat(50_000)}</result>${sound.xml}</DeliveryReports>`, 1],
    ['xml', xmlOf(`<result>${'<a/>'.repeat(limits.webhookResultTagsMax)}</result>${sound.xml}`, 1), 1],
    ['xml', `<DeliveryReports><!-- <result> -->${sound.xml}<!-- </result> --></DeliveryReports>`, 0],
    ['xml', `<DeliveryReports><a><![CDATA[<result>]]></a>${sound.xml}</DeliveryReports>`, 0],
  ] as const)('%s: beside what is no report → the report is taken', (form, body, others) => {
    expect(webhookReports(body, form)).toMatchObject({ reports: [{ messageId: 'm' }], others, flaws: [] });
  });

  test.each(['<!--', '<![CDATA['])('%s without end → refused, looked through once', open => {
    expect(() => webhookReports(`<DeliveryReports>${open.repeat(100_000)}`, 'xml')).toThrow(ApiError);
  });

  test('any text → reports, or refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('json', 'xml'), (body, form) => {
        try {
          expect(webhookReports(body, form).reports).toEqual([]);
        } catch (error) {
          expect(error).toBeInstanceOf(ApiError);
        }
      }),
    );
  });
});
