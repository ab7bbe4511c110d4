import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from '../../scripts/demo/random.ts';
import { simulatedMessage } from '../../simulator/messages.ts';
import { deliveryJson, deliveryXml, seenJson, simulatedReport } from '../../simulator/webhooks.ts';
import { BadWebhook, webhookReports } from '../../src/mirror/webhook.ts';

const sentAt = Date.parse('2026-03-01T12:00:00Z');
const some = fc
  .string({ minLength: 1, maxLength: 10 })
  .map(seed => simulatedMessage({ messageId: `m-${seed.length}`, sentAt, pace: 0.01 }, new Random(seed)));

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
    expect(() => webhookReports(body, form)).toThrow(BadWebhook);
  });

  test('any text → reports, or refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('json', 'xml'), (body, form) => {
        try {
          expect(webhookReports(body, form).reports).toEqual([]);
        } catch (error) {
          expect(error).toBeInstanceOf(BadWebhook);
        }
      }),
    );
  });
});
