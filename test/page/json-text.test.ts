import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fieldText, indented } from '../../web/src/view/json-text.ts';

const blanks = /[ \n]+/g;
const strings = /"(?:[^"\\]|\\.)*"/gs;
/** The tokens of a text, whatever stands between them. */
const bare = (text: string) =>
  text.replace(strings, one => one.replaceAll(' ', '\u0001').replaceAll('\n', '\u0002')).replace(blanks, '');

test('any JSON → the same tokens on lines of their own', () => {
  fc.assert(
    fc.property(fc.json(), json => {
      const text = indented(json);
      expect(bare(text)).toBe(bare(json));
      expect(JSON.parse(text)).toEqual(JSON.parse(json));
    }),
  );
});

test('what values would bend → stands as it came', () => {
  const json = '{"2":1,"1":10150098461530577123,"a":1e-400,"a":-0.0,"b":[],"c":{},"d":[1,{"e":"x, {y} \\" z"}]}';
  expect(indented(json)).toBe(
    [
      '{',
      '  "2": 1,',
      '  "1": 10150098461530577123,',
      '  "a": 1e-400,',
      '  "a": -0.0,',
      '  "b": [],',
      '  "c": {},',
      '  "d": [',
      '    1,',
      '    {',
      '      "e": "x, {y} \\" z"',
      '    }',
      '  ]',
      '}',
    ].join('\n'),
  );
});

test('a field of any object → its text, and none of another', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (others, content) => {
      const { content: _, ...rest } = others;
      const text = fieldText(JSON.stringify({ ...rest, content, more: { content: 1 } }), 'content');
      expect(text).toBe(JSON.stringify(content));
      expect(fieldText(JSON.stringify({ ...rest, more: { content: 1 } }), 'content')).toBeUndefined();
    }),
  );
  expect(fieldText('{ "content" : {"id": 10150098461530577123} , "a": 1 }', 'content')).toBe(
    '{"id": 10150098461530577123}',
  );
});
