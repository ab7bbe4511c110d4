import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextWithin, weekDays } from '../../src/domain/outgoing.ts';
import { limits } from '../../src/limits.ts';
import { parseSendRequest } from '../../src/wire/send/send-request.ts';
import { contents, quickReplies } from '../support/send-contents.ts';

const now = Date.UTC(2026, 5, 1, 12);
const hourMs = 3_600_000;

const base = { sender: 'page-1', destinations: [{ to: 'psid-1' }], content: { type: 'TEXT', text: 'Hello' } };
const request = (message: object, options?: object) => ({
  messages: [{ ...base, ...message }],
  ...(options !== undefined && { options }),
});
const order = (body: unknown) => {
  const { value, violations } = parseSendRequest(body, now);
  if (value === undefined) throw new Error(JSON.stringify(violations));
  return value;
};
const faults = (body: unknown) => (parseSendRequest(body, now).violations ?? []).map(one => one.property);

describe('a request to send', () => {
  it('every kind of content → accepted, kept as it came', () => {
    for (const content of contents) {
      const [message] = order(request({ content })).messages;
      expect(JSON.parse(message?.contentJson ?? '')).toEqual(content);
    }
    const [message] = order(request({ quickReplies })).messages;
    expect(JSON.parse(message?.quickRepliesJson ?? '')).toEqual(quickReplies);
  });

  it('several messages and destinations → one message for each, under one bulk id', () => {
    const { bulkId, messages } = order({
      messages: [
        { ...base, destinations: [{ to: 'a', messageId: 'm-1' }, { to: 'b' }] },
        { ...base, destinations: [{ to: '' }] },
      ],
    });
    expect(messages.map(one => one.destination)).toEqual(['a', 'b', '']);
    expect(new Set(messages.map(one => one.bulkId))).toEqual(new Set([bulkId]));
    expect(messages.map(one => one.isIdGiven)).toEqual([true, false, false]);
    expect(new Set(messages.map(one => one.messageId)).size).toBe(3);
  });

  it('every option → on the message', () => {
    const [message] = order(
      request(
        {
          options: {
            platform: { entityId: 'e', applicationId: 'a' },
            validityPeriod: { amount: 90, timeUnit: 'SECONDS' },
            campaignReferenceId: 'c',
            smsFailover: { text: 'instead', regional: { turkeyIys: { recipientType: 'TACIR' } } },
          },
          webhooks: {
            delivery: { url: 'https://example.com/r', intermediateReport: true, notify: true },
            seen: { url: 'https://example.com/s' },
            contentType: 'application/xml',
            callbackData: 'mine',
          },
        },
        { schedule: { bulkId: 'bulk' } },
      ),
    ).messages;
    expect(message).toMatchObject({
      bulkId: 'bulk',
      entityId: 'e',
      applicationId: 'a',
      campaignReferenceId: 'c',
      hasFailover: true,
      dueAt: now,
      expiresAt: now + 90_000,
      reports: {
        deliveryUrl: 'https://example.com/r',
        intermediate: true,
        notify: true,
        seenUrl: 'https://example.com/s',
        contentType: 'application/xml',
        callbackData: 'mine',
      },
    });
  });

  it('ids that are empty → as if they were not given', () => {
    const named = { platform: { entityId: '', applicationId: '' }, campaignReferenceId: '' };
    const body = {
      messages: [
        {
          sender: 's',
          destinations: [{ to: 'a', messageId: '' }],
          content: { type: 'TEXT', text: '' },
          options: named,
        },
      ],
      options: { schedule: { bulkId: '' } },
    };
    const { value } = parseSendRequest(body, now);
    const [message] = value?.messages ?? [];
    expect([value?.bulkId, message?.messageId].every(id => /^[0-9a-f-]{36}$/.test(id ?? ''))).toBe(true);
    expect(message).toMatchObject({ isIdGiven: false });
    for (const name of ['entityId', 'applicationId', 'campaignReferenceId']) expect(message).not.toHaveProperty(name);
  });

  it('a period of any length in any unit → as long, 48 hours at most', () => {
    const unitsMs = { SECONDS: 1000, MINUTES: 60_000, HOURS: hourMs };
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.constantFrom('SECONDS' as const, 'MINUTES' as const, 'HOURS' as const),
        (amount, timeUnit) => {
          const [message] = order(request({ options: { validityPeriod: { amount, timeUnit } } })).messages;
          expect((message?.expiresAt ?? 0) - now).toBe(Math.min(amount * unitsMs[timeUnit], 48 * hourMs));
        },
      ),
    );
    expect(order(request({ options: { validityPeriod: { amount: 5 } } })).messages[0]?.expiresAt).toBe(now + 300_000);
  });

  it('a schedule with a speed → each message at its own time, its validity counted from there', () => {
    const destinations = [{ to: 'a' }, { to: 'b' }, { to: 'c' }];
    const sendAt = new Date(now + hourMs).toISOString();
    const { messages } = order(
      request({ destinations }, { schedule: { sendAt, sendingSpeedLimit: { amount: 2, timeUnit: 'HOUR' } } }),
    );
    expect(messages.map(one => one.dueAt - now)).toEqual([hourMs, 1.5 * hourMs, 2 * hourMs]);
    expect(messages.map(one => one.expiresAt - one.dueAt)).toEqual([48, 48, 48].map(hours => hours * hourMs));
  });

  it('a speed and windows → no message outside its window, nor those of one window faster than the speed when it opens', () => {
    const time = fc.record({ hour: fc.integer({ min: 0, max: 23 }), minute: fc.integer({ min: 0, max: 59 }) });
    const windows = fc
      .record({ days: fc.subarray([...weekDays], { minLength: 1 }), from: time, to: time })
      .filter(({ from, to }) => {
        const minutes = (to.hour * 60 + to.minute - from.hour * 60 - from.minute + 1440) % 1440;
        return minutes >= 60;
      });
    const bulks = fc.record({
      those: fc.array(windows, { minLength: 1, maxLength: 3 }),
      count: fc.integer({ min: 1, max: 40 }),
      amount: fc.integer({ min: 1, max: 400 }),
      timeUnit: fc.constantFrom('MINUTE', 'HOUR'),
    });
    fc.assert(
      fc.property(bulks, ({ those, count, amount, timeUnit }) => {
        const messages = those.map(deliveryTimeWindow => ({
          ...base,
          destinations: Array.from({ length: count }, (_, index) => ({ to: `p${index}` })),
          options: { deliveryTimeWindow },
        }));
        const sent = order({ messages, options: { schedule: { sendingSpeedLimit: { amount, timeUnit } } } }).messages;
        const intervalMs = (timeUnit === 'HOUR' ? hourMs : hourMs / 60) / amount;
        for (const { window, dueAt } of sent) expect(nextWithin(window, dueAt) - dueAt).toBeLessThanOrEqual(1);
        for (const [, own] of Map.groupBy(sent, one => JSON.stringify(one.window)))
          for (const [index, { dueAt }] of own.entries())
            if (index > 0) expect(dueAt - (own[index - 1]?.dueAt ?? 0)).toBeGreaterThanOrEqual(intervalMs - 1);
      }),
    );
  });

  it('a schedule in the past → now; one beyond 180 days → refused', () => {
    const at = (ms: number) => request({}, { schedule: { sendAt: new Date(ms).toISOString() } });
    expect(order(at(now - hourMs)).messages[0]?.dueAt).toBe(now);
    expect(faults(at(now + limits.sendAheadMs + 1))).toEqual(['options.schedule.sendAt']);
    expect(faults(at(now + limits.sendAheadMs))).toEqual([]);
    expect(faults(request({}, { schedule: { sendAt: 'tomorrow' } }))).toEqual(['options.schedule.sendAt']);
  });

  it('many violations → all of them in one answer, each at its place', () => {
    const body = {
      messages: [
        {
          sender: '',
          destinations: [{ messageId: 'x'.repeat(201) }],
          content: { type: 'TEXT', text: 'x'.repeat(2001) },
        },
        { ...base, content: { type: 'LOCATION', latitude: 91, longitude: -181 }, quickReplies: [{ type: 'NONE' }] },
        {
          ...base,
          options: { deliveryTimeWindow: { days: [] }, platform: { entityID: 'e' } },
          webhooks: { contentType: 'text/plain' },
        },
        7,
      ],
      options: { schedule: { bulkId: 'b'.repeat(101), sendingSpeedLimit: { amount: 0 } } },
    };
    expect(faults(body)).toEqual([
      'messages[0].sender',
      'messages[0].destinations[0].messageId',
      'messages[0].destinations[0].to',
      'messages[0].content.text',
      'messages[1].content.latitude',
      'messages[1].content.longitude',
      'messages[1].quickReplies[0].type',
      'messages[2].options.deliveryTimeWindow.days',
      'messages[2].options.platform.entityID',
      'messages[2].webhooks.contentType',
      'messages[3]',
      'options.schedule.bulkId',
      'options.schedule.sendingSpeedLimit.amount',
    ]);
  });

  it('what lies at a bound → accepted; one beyond → refused at its place', () => {
    const url = (chars: number) => `https://e.com/${'x'.repeat(chars - 14)}`;
    const bounds: readonly [length: number, property: string, message: (text: string) => object][] = [
      [2000, 'content.text', text => ({ content: { type: 'TEXT', text } })],
      [200, 'destinations[0].messageId', messageId => ({ destinations: [{ to: 'a', messageId }] })],
      [255, 'options.campaignReferenceId', campaignReferenceId => ({ options: { campaignReferenceId } })],
      [255, 'options.platform.entityId', entityId => ({ options: { platform: { entityId } } })],
      [255, 'options.platform.applicationId', applicationId => ({ options: { platform: { applicationId } } })],
      [4000, 'webhooks.callbackData', callbackData => ({ webhooks: { callbackData } })],
      [20, 'quickReplies[0].title', title => ({ quickReplies: [{ type: 'TEXT', title, payload: 'p' }] })],
      [1000, 'quickReplies[0].payload', payload => ({ quickReplies: [{ type: 'TEXT', title: 't', payload }] })],
      [
        66,
        'options.smsFailover.regional.southKorea.title',
        title => ({
          options: { smsFailover: { text: 't', regional: { southKorea: { title } } } },
        }),
      ],
      [
        80,
        'content.payload.elements[0].title',
        title => ({
          content: { type: 'TEMPLATE', payload: { type: 'GENERIC', elements: [{ title }] } },
        }),
      ],
      [
        65,
        'content.payload.title',
        title => ({ content: { type: 'TEMPLATE', payload: { type: 'OPT_IN', payload: 'p', title } } }),
      ],
    ];
    for (const [length, property, message] of bounds) {
      expect(faults(request(message('x'.repeat(length)))), property).toEqual([]);
      expect(faults(request(message('x'.repeat(length + 1)))), property).toEqual([`messages[0].${property}`]);
    }
    for (const [type, length] of [
      ['IMAGE', 1000],
      ['VIDEO', 800],
      ['AUDIO', 800],
      ['DOCUMENT', 800],
    ] as const) {
      expect(faults(request({ content: { type, url: url(length) } }))).toEqual([]);
      expect(faults(request({ content: { type, url: url(length + 1) } }))).toEqual(['messages[0].content.url']);
    }
  });

  it('a text of emoji → counted in code points, as in the description of the API', () => {
    expect(faults(request({ content: { type: 'TEXT', text: '😀'.repeat(2000) } }))).toEqual([]);
    expect(faults(request({ content: { type: 'TEXT', text: `${'😀'.repeat(2000)}x` } }))).toEqual([
      'messages[0].content.text',
    ]);
  });

  it('any value anywhere → an order or violations, never an exception', () => {
    const places = ['sender', 'destinations', 'content', 'options', 'webhooks', 'quickReplies'] as const;
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.jsonValue(), (place, value) => {
        const { value: sent, violations } = parseSendRequest(request({ [place]: value }), now);
        expect((sent === undefined) !== (violations === undefined)).toBe(true);
        if (violations !== undefined) expect(violations.length).toBeGreaterThan(0);
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        const { value: sent, violations } = parseSendRequest(value, now);
        expect((sent === undefined) !== (violations === undefined)).toBe(true);
      }),
    );
  });

  it('more than a request may ask for → refused before anything is made', () => {
    const destinations = Array.from({ length: limits.sendMessagesMax + 1 }, (_, index) => ({ to: `p${index}` }));
    expect(faults(request({ destinations }))).toEqual(['messages']);
    const content = { type: 'OPT_IN_FOLLOWUP', text: 'x'.repeat(60_000) };
    expect(faults(request({ content, destinations: destinations.slice(0, 1000) }))).toEqual(['messages']);
  });

  it('a window with half of its times, or less than an hour → refused', () => {
    const within = (from?: object, to?: object) =>
      faults(request({ options: { deliveryTimeWindow: { days: ['MONDAY'], from, to } } }));
    const at = (hour: number, minute: number) => ({ hour, minute });
    const place = ['messages[0].options.deliveryTimeWindow'];
    expect(within(at(8, 0))).toEqual(place);
    expect(within(at(8, 0), at(8, 59))).toEqual(place);
    expect(within(at(8, 0), at(8, 0))).toEqual(place);
    expect(within(at(8, 0), at(9, 0))).toEqual([]);
    expect(within(at(23, 30), at(0, 29))).toEqual(place);
    expect(within(at(23, 30), at(0, 30))).toEqual([]);
  });
});
