import fc from 'fast-check';
import { Compile } from 'typebox/compile';
import { describe, expect, it } from 'vitest';
import { graphBody, isRefusal } from '../../src/graph/bodies.ts';
import { contentOfEcho } from '../../src/graph/echo-content.ts';
import { limits } from '../../src/limits.ts';
import { isFields } from '../../src/simulator/refusals.ts';
import { sendContentSchema } from '../../src/wire/send/send-content.ts';
import { oddlyChanged } from '../support/odd-json.ts';
import { contents } from '../support/send-contents.ts';

const check = Compile(sendContentSchema);

/** What Meta's echo tells of a message that was sent so. */
function echoOf(content: unknown): Readonly<Record<string, unknown>> {
  if (!check.Check(content)) throw new Error('no content');
  const body = graphBody({ messageId: 'm', destination: 'p', content });
  if (isRefusal(body) || body.message === undefined) throw new Error('not sent');
  const { attachment, ...message } = body.message;
  const attached = attachment === undefined ? {} : { attachments: [attachment] };
  return { mid: 'mid', is_echo: true, app_id: 123, ...message, ...attached };
}

/** Meta has no place, and a marketing message is a card; an empty list of buttons is none. */
const comesBack = (content: Readonly<Record<string, unknown>>) =>
  ['TEXT', 'IMAGE', 'VIDEO', 'AUDIO', 'DOCUMENT', 'TEMPLATE'].includes(String(content.type)) &&
  !JSON.stringify(content).includes('MARKETING');
const withoutEmpty = (content: unknown) => JSON.parse(JSON.stringify(content).replaceAll(',"buttons":[]', ''));

describe('the content of an echo', () => {
  it.each(contents.filter(comesBack))('$type → what was sent', content => {
    expect(JSON.parse(contentOfEcho(echoOf(content)))).toEqual(withoutEmpty(content));
  });

  it('a place → the card that stands for it', () => {
    const place = { type: 'LOCATION', latitude: 1, longitude: 2 };
    expect(JSON.parse(contentOfEcho(echoOf(place)))).toMatchObject({ type: 'TEMPLATE', payload: { type: 'GENERIC' } });
  });

  it('what stands beside a content that is known → kept as it came', () => {
    const quick_replies = [{ content_type: 'text', title: 'A', payload: 'B' }];
    const echo = { mid: 'mid', is_echo: true, text: 'Hi', quick_replies, reply_to: { mid: 'other' } };
    expect(JSON.parse(contentOfEcho(echo))).toEqual({
      type: 'TEXT',
      text: 'Hi',
      quick_replies,
      reply_to: { mid: 'other' },
    });
  });

  it('numbers of any length, equal keys, in any order → as they are written', () => {
    const beside =
      '"sticker_id" : 10150098461530577,"2":1.10,"1":[1e400,-0],"quick":{"a":1,"a" : 2},"__proto__":{"b":0}';
    const keptOf = (kind: string) => {
      const text = `{"mid":"mid",${kind},"is_echo":true,${beside.replace(' : ', ':')},"app_id":1}`;
      return contentOfEcho(JSON.parse(text), text);
    };
    const kept = beside.replace(' : ', ':');
    expect(keptOf('"text":"Hi"')).toBe(`{${kept},"type":"TEXT","text":"Hi"}`);
    const attached = '"attachments":[{"type":"fallback","n":12345678901234567890}]';
    expect(keptOf(attached)).toBe(`{"type":"UNKNOWN","raw":{${attached},${kept}}}`);
  });

  it('what the vendor has no content for → UNKNOWN, as it came', () => {
    const unknown = [
      {
        attachments: [
          { type: 'image', payload: { url: 'https://a/1' } },
          { type: 'image', payload: {} },
        ],
      },
      { attachments: [{ type: 'fallback', title: 'A page', url: 'https://a/', payload: null }] },
      { attachments: [{ type: 'image', payload: { sticker_id: 369 } }] },
      { attachments: [{ type: 'template', payload: { template_type: 'receipt', order_number: '1' } }] },
      { text: 'x'.repeat(2001) },
      {},
    ];
    for (const raw of unknown)
      expect(JSON.parse(contentOfEcho({ mid: 'mid', is_echo: true, app_id: 1, ...raw }))).toEqual({
        type: 'UNKNOWN',
        raw,
      });
    expect(contentOfEcho({ text: 'x'.repeat(limits.contentBytesMax) })).toBe('{"type":"UNKNOWN"}');
  });

  it('whatever Meta tells → a content that the log takes', () => {
    const messages = fc.dictionary(
      fc.constantFrom('mid', 'text', 'attachments', 'attachment', 'type', 'quick_replies', '__proto__'),
      fc.jsonValue(),
    );
    const templates = fc.record({
      attachments: fc.array(fc.record({ type: fc.constant('template'), payload: fc.jsonValue() })),
    });
    const odd = fc
      .constantFrom(...contents.filter(comesBack).map(echoOf))
      .chain(echo => oddlyChanged(echo, ['type', 'image', 'template']))
      .filter(isFields);
    fc.assert(
      fc.property(fc.oneof(messages, templates, odd), message => {
        const json = contentOfEcho(message);
        expect(typeof JSON.parse(json).type).toBe('string');
        expect(Buffer.byteLength(json)).toBeLessThanOrEqual(limits.contentBytesMax);
      }),
      { numRuns: 1000 },
    );
  });
});
