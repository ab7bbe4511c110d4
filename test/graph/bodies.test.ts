import fc from 'fast-check';
import { Compile } from 'typebox/compile';
import { describe, expect, it } from 'vitest';
import { graphBody, isRefusal, laneOf } from '../../src/graph/bodies.ts';
import { present } from '../../src/wire/present.ts';
import { type QuickReply, type SendContent, sendContentSchema } from '../../src/wire/send/send-content.ts';
import { contents } from '../support/send-contents.ts';

const metadata = 'id-1';
const body = (content: SendContent, quickReplies?: readonly QuickReply[]) =>
  graphBody({ messageId: metadata, destination: 'psid', content, ...(quickReplies && { quickReplies }) });
const url = 'https://example.com/x';
const direct = { recipient: { id: 'psid' }, messaging_type: 'RESPONSE' };
const attachment = (type: string) => ({
  ...direct,
  message: { attachment: { type, payload: { url, is_reusable: false } }, metadata },
});
const template = (payload: object) => ({ attachment: { type: 'template', payload }, metadata });

describe('the Graph body', () => {
  it('text and media → as Meta takes them, with the message id as metadata', () => {
    expect(body({ type: 'TEXT', text: 'Hello' })).toEqual({ ...direct, message: { text: 'Hello', metadata } });
    expect(body({ type: 'TEXT', text: '' })).toEqual({ ...direct, message: { text: '', metadata } });
    expect(body({ type: 'IMAGE', url })).toEqual(attachment('image'));
    expect(body({ type: 'VIDEO', url })).toEqual(attachment('video'));
    expect(body({ type: 'AUDIO', url })).toEqual(attachment('audio'));
    expect(body({ type: 'DOCUMENT', url })).toEqual(attachment('file'));
  });

  it('a sender action → alone', () => {
    for (const senderAction of ['MARK_SEEN', 'TYPING_ON', 'TYPING_OFF'] as const)
      expect(body({ type: 'SENDER_ACTION', senderAction })).toEqual({
        recipient: { id: 'psid' },
        sender_action: senderAction.toLowerCase(),
      });
  });

  it('templates → in the words of Meta, without empty lists', () => {
    const buttons = [
      { type: 'URL' as const, title: 'Open', url },
      { type: 'POSTBACK' as const, title: 'Yes', payload: 'YES' },
      { type: 'CALL' as const, title: 'Call', payload: '+385' },
    ];
    const graphButtons = [
      { type: 'web_url', title: 'Open', url },
      { type: 'postback', title: 'Yes', payload: 'YES' },
      { type: 'phone_number', title: 'Call', payload: '+385' },
    ];
    expect(body({ type: 'TEMPLATE', payload: { type: 'BUTTON', text: 'Choose', buttons } })).toEqual({
      ...direct,
      message: template({ template_type: 'button', text: 'Choose', buttons: graphButtons }),
    });
    const elements = [
      { title: 'One', subtitle: 'First', imageUrl: url, defaultAction: { url }, buttons },
      { title: 'Two', buttons: [] },
    ];
    const generic = template({
      template_type: 'generic',
      elements: [
        {
          title: 'One',
          subtitle: 'First',
          image_url: url,
          default_action: { type: 'web_url', url },
          buttons: graphButtons,
        },
        { title: 'Two' },
      ],
    });
    expect(body({ type: 'TEMPLATE', payload: { type: 'GENERIC', elements } })).toEqual({ ...direct, message: generic });
    expect(body({ type: 'TEMPLATE', payload: { type: 'MARKETING_MESSAGE', elements } })).toEqual({
      recipient: { notification_messages_token: 'psid' },
      messaging_type: 'RESPONSE',
      message: generic,
    });
  });

  it('opt-in templates → notification messages', () => {
    const look = { title: 'News?', imageUrl: url, notificationMessagesCtaText: 'ALLOW' as const };
    const graphLook = { title: 'News?', image_url: url, notification_messages_cta_text: 'ALLOW' };
    const frame = { imageAspectRatio: 'SQUARE' as const, notificationMessagesTimezone: 'Europe/Zagreb' };
    const graphFrame = { image_aspect_ratio: 'SQUARE', notification_messages_timezone: 'Europe/Zagreb' };
    expect(body({ type: 'TEMPLATE', payload: { type: 'OPT_IN', payload: 'p', ...look, ...frame } })).toEqual({
      ...direct,
      message: template({ template_type: 'notification_messages', payload: 'p', ...graphLook, ...graphFrame }),
    });
    const elements = [{ payload: 'p', ...look }];
    expect(body({ type: 'TEMPLATE', payload: { type: 'OPT_IN_CAROUSEL', elements, ...frame } })).toEqual({
      ...direct,
      message: template({
        template_type: 'notification_messages',
        elements: [{ payload: 'p', ...graphLook, notification_messages_frequency: 'DAILY' }],
        ...graphFrame,
      }),
    });
  });

  it('a location → a card that opens a map, cut to what Meta takes', () => {
    const map = 'https://www.google.com/maps/search/?api=1&query=45.8%2C-15.97';
    const card = (element: object) => ({
      ...direct,
      message: template({
        template_type: 'generic',
        elements: [
          {
            ...element,
            default_action: { type: 'web_url', url: map },
            buttons: [{ type: 'web_url', title: 'Open map', url: map }],
          },
        ],
      }),
    });
    const place = { type: 'LOCATION' as const, latitude: 45.8, longitude: -15.97 };
    expect(body(place)).toEqual(card({ title: '45.8, -15.97' }));
    expect(body({ ...place, address: 'a'.repeat(90) })).toEqual(
      card({ title: 'a'.repeat(80), subtitle: 'a'.repeat(80) }),
    );
    expect(body({ ...place, name: 'Office', address: 'Square 1' })).toEqual(
      card({ title: 'Office', subtitle: 'Square 1' }),
    );
  });

  it('any names, addresses and degrees → no more than Meta takes, no half of a pair, no exponent; empty texts as if absent', () => {
    const label = fc.option(fc.string({ unit: 'binary', maxLength: 100 }), { nil: undefined });
    const turn = fc.double({ min: -90, max: 90, noNaN: true });
    fc.assert(
      fc.property(label, label, turn, turn, (name, address, latitude, longitude) => {
        const place = { latitude, longitude, ...present({ name, address }) };
        const made = JSON.parse(JSON.stringify(body({ type: 'LOCATION', ...place })));
        const [{ title, subtitle, default_action: action }] = made.message.attachment.payload.elements;
        const [lat, lng] = `${decodeURIComponent(action.url)}`.split('query=')[1]?.split(',') ?? [];
        for (const text of [title, subtitle ?? ''])
          expect([text.isWellFormed(), text.length <= 80]).toEqual([true, true]);
        expect(name || address || `${lat}, ${lng}`).toContain(title);
        expect(subtitle === undefined).toBe(!address);
        expect([lat, lng].join()).toMatch(/^-?\d+(\.\d+)?,-?\d+(\.\d+)?$/);
        expect(Number(lat)).toBeCloseTo(latitude, 6);
      }),
    );
    const empty = { subtitle: '', imageUrl: '' };
    const templateOf = (content: SendContent) => JSON.stringify(body(content));
    const generic = { type: 'GENERIC' as const, elements: [{ title: 'One', ...empty, buttons: [] }] };
    expect(templateOf({ type: 'TEMPLATE', payload: generic })).toContain('"elements":[{"title":"One"}]');
    const optIn = { type: 'OPT_IN' as const, payload: 'p', title: '', imageUrl: '', notificationMessagesTimezone: '' };
    expect(templateOf({ type: 'TEMPLATE', payload: optIn })).toContain(
      '"payload":{"template_type":"notification_messages","payload":"p"}',
    );
  });

  it('replies to comments and posts, and follow-ups → to the one they answer', () => {
    const content = { type: 'TEXT' as const, text: 'Thanks' };
    const message = { text: 'Thanks', metadata };
    expect(body({ type: 'COMMENT', content })).toEqual({ recipient: { comment_id: 'psid' }, message });
    expect(body({ type: 'POST', content })).toEqual({ recipient: { post_id: 'psid' }, message });
    expect(body({ type: 'OPT_IN_FOLLOWUP', text: 'Thanks' })).toEqual({
      recipient: { notification_messages_token: 'psid' },
      message,
    });
  });

  it('quick replies → of the message', () => {
    const replies = [
      { type: 'TEXT' as const, title: 'Red', payload: 'RED', imageUrl: url },
      { type: 'PHONE_NUMBER' as const },
      { type: 'EMAIL' as const },
    ];
    expect(body({ type: 'TEXT', text: 'Colour?' }, replies)).toEqual({
      ...direct,
      message: {
        text: 'Colour?',
        quick_replies: [
          { content_type: 'text', title: 'Red', payload: 'RED', image_url: url },
          { content_type: 'user_phone_number' },
          { content_type: 'user_email' },
        ],
        metadata,
      },
    });
  });

  it('what has no meaning at Meta → refused by the platform', () => {
    const action = { type: 'SENDER_ACTION' as const, senderAction: 'TYPING_ON' as const };
    const refusals = [
      body({ type: 'COMMENT', content: action }),
      body({ type: 'POST', content: action }),
      body(action, [{ type: 'EMAIL' }]),
      body({ type: 'MARKETING_MESSAGE', campaignId: 'c', content: { type: 'TEXT', payload: { text: 't' } } }),
    ];
    expect(refusals.map(one => isRefusal(one) && [one.status.groupId, one.status.id, one.error.id])).toEqual([
      [5, 100, 7006],
      [5, 100, 7006],
      [5, 100, 7006],
      [5, 100, 7083],
    ]);
  });

  it('every content that is accepted → a body or a refusal, and JSON', () => {
    const check = Compile(sendContentSchema);
    for (const content of contents) {
      if (!check.Check(content)) throw new Error(`not a content: ${JSON.stringify(content)}`);
      const made = body(content);
      if (!isRefusal(made)) expect(JSON.parse(JSON.stringify(made))).toEqual(made);
      expect(laneOf(content.type)).toBe(['AUDIO', 'VIDEO'].includes(content.type) ? 'media' : 'text');
    }
  });
});
