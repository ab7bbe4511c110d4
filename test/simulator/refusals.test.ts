import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { graphBody, isRefusal } from '../../src/graph/bodies.ts';
import { limits } from '../../src/limits.ts';
import { DrivenClock } from '../../src/simulator/driven-clock.ts';
import { SimulatedMeta } from '../../src/simulator/meta.ts';
import { isFields, refusalOf } from '../../src/simulator/refusals.ts';
import { defaultTerms } from '../../src/simulator/terms.ts';
import type { SendContent } from '../../src/wire/send/send-content.ts';
import { parseSendRequest } from '../../src/wire/send/send-request.ts';
import { oddlyChanged } from '../support/odd-json.ts';
import { contents, quickReplies } from '../support/send-contents.ts';

type Message = { readonly content: object; readonly quickReplies?: readonly object[]; readonly messageId?: string };

const now = Date.UTC(2026, 5, 1, 12);
const url = 'https://example.com/x';
const text: SendContent = { type: 'TEXT', text: 'Hello' };
const urlButton = { type: 'URL', title: 'Open', url };
const template = (payload: object): Message => ({ content: { type: 'TEMPLATE', payload } });
const generic = (element: object) =>
  template({ type: 'GENERIC', elements: [{ title: 'One', imageUrl: url, ...element }] });
const withButton = (button: object) => template({ type: 'BUTTON', text: 'Choose', buttons: [button] });
const carousel = (title: string, count = 1) =>
  template({ type: 'OPT_IN_CAROUSEL', elements: Array.from({ length: count }, () => ({ payload: 'topic', title })) });
const inside = (type: string, { content }: Message): Message => ({ content: { type, content } });

/** Where a request has a bound, and where Meta has one: `undefined` where there is none. */
type Bounds = { readonly ours: number | undefined; readonly metas: number };
type TextBound = Bounds & { readonly of: (text: string) => Message };
type CountBound = Bounds & { readonly of: (count: number) => Message };

const both = (bound: number): Bounds => ({ ours: bound, metas: bound });
const metasAlone = (metas: number): Bounds => ({ ours: undefined, metas });

const textBounds: Readonly<Record<string, TextBound>> = {
  text: { ...both(2000), of: some => ({ content: { type: 'TEXT', text: some } }) },
  'text of a comment': { ...both(2000), of: some => inside('COMMENT', { content: { type: 'TEXT', text: some } }) },
  'text of a post': { ...both(2000), of: some => inside('POST', { content: { type: 'TEXT', text: some } }) },
  'text of a follow-up': { ...metasAlone(2000), of: some => ({ content: { type: 'OPT_IN_FOLLOWUP', text: some } }) },
  'title of a card': { ...both(80), of: title => generic({ title }) },
  'subtitle of a card': { ...both(80), of: subtitle => generic({ subtitle }) },
  'title of a card in a comment': { ...both(80), of: title => inside('COMMENT', generic({ title })) },
  'title of an opt-in': { ...both(65), of: title => template({ type: 'OPT_IN', payload: 'topic', title }) },
  'title in a carousel of opt-ins': { ...both(65), of: title => carousel(title) },
  'text of a template': {
    ...metasAlone(640),
    of: some => template({ type: 'BUTTON', text: some, buttons: [urlButton] }),
  },
  'title of a button to call': {
    ...both(20),
    of: title => withButton({ type: 'CALL', title, payload: '+385911234567' }),
  },
  'title of a button with an address': { ...metasAlone(20), of: title => withButton({ ...urlButton, title }) },
  'title of a postback': { ...metasAlone(20), of: title => withButton({ type: 'POSTBACK', title, payload: 'YES' }) },
  'payload of a postback': {
    ...metasAlone(1000),
    of: payload => withButton({ type: 'POSTBACK', title: 'Yes', payload }),
  },
  'title of a quick reply': {
    ...both(20),
    of: title => ({ content: text, quickReplies: [{ type: 'TEXT', title, payload: 'RED' }] }),
  },
  'payload of a quick reply': {
    ...both(1000),
    of: payload => ({ content: text, quickReplies: [{ type: 'TEXT', title: 'Red', payload }] }),
  },
  'title of a quick reply to a picture': {
    ...both(20),
    of: title => ({ content: { type: 'IMAGE', url }, quickReplies: [{ type: 'TEXT', title, payload: 'RED' }] }),
  },
};

const countBounds: Readonly<Record<string, CountBound>> = {
  cards: {
    ...both(10),
    of: count =>
      template({ type: 'GENERIC', elements: Array.from({ length: count }, () => ({ title: 'One', imageUrl: url })) }),
  },
  'buttons of a card': {
    ...both(3),
    of: count => generic({ buttons: Array.from({ length: count }, () => urlButton) }),
  },
  'buttons of a template': {
    ...metasAlone(3),
    of: count => template({ type: 'BUTTON', text: 'Choose', buttons: Array.from({ length: count }, () => urlButton) }),
  },
  'opt-ins of a carousel': { ...both(5), of: count => carousel('News?', count) },
  'quick replies': {
    ...metasAlone(13),
    of: count => ({ content: text, quickReplies: Array.from({ length: count }, () => ({ type: 'EMAIL' })) }),
  },
};

/** Whether a request with the message is taken, and whether Meta takes what is made of it then. */
function taken({ messageId = 'id-1', ...message }: Message): { readonly byUs: boolean; readonly byMeta?: boolean } {
  const destinations = [{ to: 'psid', messageId }];
  const { value } = parseSendRequest({ messages: [{ sender: 'page', destinations, ...message }] }, now);
  const [sent] = value?.messages ?? [];
  if (sent === undefined) return { byUs: false };
  const { destination, contentJson, quickRepliesJson = 'null' } = sent;
  const replies = JSON.parse(quickRepliesJson) ?? undefined;
  const body = graphBody({
    messageId,
    destination,
    content: JSON.parse(contentJson),
    ...(replies && { quickReplies: replies }),
  });
  if (isRefusal(body)) throw new Error('the message is for nobody at Meta');
  return { byUs: true, byMeta: refusalOf(JSON.parse(JSON.stringify(body))) === undefined };
}

function expected({ ours, metas }: Bounds, length: number) {
  if (ours !== undefined && length > ours) return { byUs: false };
  return { byUs: true, byMeta: length <= metas };
}

/** One, two, three or four bytes in UTF-8; one or two units in UTF-16; several that are seen as one. */
const unit = fc.constantFrom('a', 'é', '€', '語', '\u0301', '😀', '\u{1f468}', '\u200d', '\u{e0067}');
/** So many characters as the description of the API counts them. */
const ofLength = (length: number) =>
  fc.noShrink(fc.array(unit, { minLength: length, maxLength: length }).map(units => units.join('')));

describe('what is taken to be sent, and what the simulated Meta takes of it', () => {
  it.each(Object.entries(textBounds))(
    '%s: any characters up to the bound, one less, one more → as the bounds say',
    (_, bound) => {
      const lengths = [bound.metas - 1, bound.metas, bound.metas + 1].map(length =>
        ofLength(length).map(some => ({ length, some })),
      );
      fc.assert(
        fc.property(fc.oneof(...lengths), ({ length, some }) => {
          expect(taken(bound.of(some))).toEqual(expected(bound, length));
        }),
        { numRuns: 12 },
      );
    },
  );

  it.each(Object.entries(countBounds))('%s: up to the bound, and one more → as the bounds say', (_, bound) => {
    for (let count = 1; count <= bound.metas + 1; count++)
      expect(taken(bound.of(count)), String(count)).toEqual(expected(bound, count));
  });

  it('the longest id of a message, of any characters → taken by both', () => {
    fc.assert(
      fc.property(ofLength(limits.messageIdCharsMax), messageId => {
        expect(taken({ content: text, messageId })).toEqual({ byUs: true, byMeta: true });
      }),
      { numRuns: 12 },
    );
  });

  it('the longest addresses of media → taken by both', () => {
    const longest = { IMAGE: 1000, VIDEO: 800, AUDIO: 800, DOCUMENT: 800 };
    for (const [type, length] of Object.entries(longest))
      expect(taken({ content: { type, url: url.padEnd(length, 'x') } }), type).toEqual({ byUs: true, byMeta: true });
  });

  it('a place with any name and address → taken by both', () => {
    const some = fc.array(unit, { maxLength: 200 }).map(units => units.join(''));
    fc.assert(
      fc.property(some, some, (name, address) => {
        const content = { type: 'LOCATION', latitude: 45.8, longitude: 15.97, name, address };
        expect(taken({ content })).toEqual({ byUs: true, byMeta: true });
      }),
    );
  });

  it('one of every content that a page can send, with quick replies where there may be any → taken by both', () => {
    const isForMeta = ({ type, content }: Readonly<Record<string, unknown>>) =>
      type !== 'MARKETING_MESSAGE' && !JSON.stringify(content ?? {}).includes('SENDER_ACTION');
    for (const content of contents.filter(isForMeta)) {
      expect(taken({ content }), JSON.stringify(content)).toEqual({ byUs: true, byMeta: true });
      if (content.type !== 'SENDER_ACTION')
        expect(taken({ content, quickReplies }), JSON.stringify(content)).toEqual({ byUs: true, byMeta: true });
    }
  });

  it.each<readonly [string, Message]>([
    ['an empty text', { content: { type: 'TEXT', text: '' } }],
    ['an empty follow-up', { content: { type: 'OPT_IN_FOLLOWUP', text: '' } }],
    ['a card with a title alone', template({ type: 'GENERIC', elements: [{ title: 'One' }] })],
    ['a card without a title', generic({ title: '' })],
    ['a template without a text', template({ type: 'BUTTON', text: '', buttons: [urlButton] })],
    ['a button without a title', withButton({ ...urlButton, title: '' })],
    ['a postback without a payload', withButton({ type: 'POSTBACK', title: 'Yes', payload: '' })],
    ['a number to call without +', withButton({ type: 'CALL', title: 'Call', payload: '0385911234567' })],
    ['an opt-in without a payload', template({ type: 'OPT_IN', payload: '' })],
    ['a quick reply without a title', { content: text, quickReplies: [{ type: 'TEXT', title: '', payload: 'RED' }] }],
    [
      'a quick reply without payload and picture',
      { content: text, quickReplies: [{ type: 'TEXT', title: 'Red', payload: '' }] },
    ],
  ])('%s → accepted, and refused by Meta alone', (_, message) => {
    expect(taken(message)).toEqual({ byUs: true, byMeta: false });
  });

  it('what no request from here has, sent by another program → refused beyond its bound', () => {
    const refused = (message: object) => refusalOf({ recipient: { id: 'psid' }, message })?.message;
    const optIn = (payload: object) => ({
      attachment: { type: 'template', payload: { template_type: 'notification_messages', ...payload } },
    });
    const elements = (count: number) => Array.from({ length: count }, () => ({ payload: 'topic', title: 'News?' }));
    const reply = (length: number) => ({
      text: 'Hello',
      quick_replies: [{ content_type: 'text', title: 'Red', payload: '😀'.repeat(length) }],
    });
    expect(refused(optIn({ payload: 'topic', title: '😀'.repeat(65) }))).toBeUndefined();
    expect(refused(optIn({ payload: 'topic', title: '😀'.repeat(66) }))).toContain('title');
    expect(refused(optIn({ elements: elements(5) }))).toBeUndefined();
    expect(refused(optIn({ elements: elements(6) }))).toContain('elements');
    expect(refused(reply(1000))).toBeUndefined();
    expect(refused(reply(1001))).toContain('quick reply');
    expect(refused({ text: 'Hello', metadata: '😀'.repeat(1000) })).toBeUndefined();
    expect(refused({ text: 'Hello', metadata: '😀'.repeat(1001) })).toContain('metadata');
  });
});

it('whatever stands in a call, and wherever → answered, as Graph does', () => {
  const meta = new SimulatedMeta(new DrivenClock(() => now), defaultTerms, () => {});
  const asked = {
    messages: contents.map(content => ({ sender: '1', destinations: [{ to: 'delivered' }], content, quickReplies })),
  };
  const bodies = (parseSendRequest(asked, now).value?.messages ?? []).map(({ contentJson, quickRepliesJson = '' }) =>
    graphBody({
      messageId: 'm',
      destination: 'delivered',
      content: JSON.parse(contentJson),
      quickReplies: JSON.parse(quickRepliesJson),
    }),
  );
  expect(bodies).toHaveLength(contents.length);
  const odd = fc.constantFrom(...bodies).chain(body => oddlyChanged(body, ['id', 'type', 'payload', 'phone_number']));
  fc.assert(
    fc.property(odd.filter(isFields), body => {
      expect(meta.send('1', body).kind).toBe('answer');
    }),
    { numRuns: 1000 },
  );
});
