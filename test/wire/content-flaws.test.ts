import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contentFlaws } from '../../src/wire/record/content-flaws.ts';
import { contents } from '../support/send-contents.ts';

test('every kind of content, with further fields and null for what may be absent → no flaw', () => {
  for (const one of contents) {
    const content = { ...one, type: String(one.type) };
    expect(contentFlaws(content)).toEqual([]);
    expect(contentFlaws(Object.assign({ further: { of: ['any', 'kind'] } }, content))).toEqual([]);
  }
  expect(contentFlaws(Object.assign({ type: 'LOCATION', latitude: 1, longitude: 2 }, { name: null }))).toEqual([]);
});

test('a type that the schema does not have → no flaw, whatever it holds', () => {
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      expect(contentFlaws(Object.assign({ type: 'A_NEW_TYPE' }, { text: value }))).toEqual([]);
    }),
  );
});

test.each<[string, { type: string } & Record<string, unknown>, string[]]>([
  ['a text that is missing', { type: 'TEXT' }, ['content.text']],
  ['a text that is null', { type: 'TEXT', text: null }, ['content.text']],
  ['a text that is too long', { type: 'TEXT', text: 'x'.repeat(2001) }, ['content.text']],
  ['a text that is none', { type: 'TEXT', text: 5 }, ['content.text']],
  ['an address that is none', { type: 'IMAGE', url: 'nowhere' }, ['content.url']],
  ['an address that is too long', { type: 'VIDEO', url: `https://x/${'x'.repeat(800)}` }, ['content.url']],
  ['a place beyond the pole', { type: 'LOCATION', latitude: 91, longitude: 0 }, ['content.latitude']],
  ['another action', { type: 'SENDER_ACTION', senderAction: 'DANCE' }, ['content.senderAction']],
  ['a template of no type', { type: 'TEMPLATE', payload: { text: 'x' } }, ['content.payload.type']],
  [
    'buttons without what they need',
    {
      type: 'TEMPLATE',
      payload: { type: 'BUTTON', text: 'x', buttons: [{ type: 'URL', title: 't' }, { type: 'CALL' }] },
    },
    ['content.payload.buttons[0].url', 'content.payload.buttons[1].title', 'content.payload.buttons[1].payload'],
  ],
  ['a comment of nothing', { type: 'COMMENT' }, ['content.content']],
  ['a comment of a flawed image', { type: 'COMMENT', content: { type: 'IMAGE' } }, ['content.content.url']],
])('%s → told at its place', (_what, content, properties) => {
  expect(contentFlaws(content).map(({ property }) => property)).toEqual(properties);
});
