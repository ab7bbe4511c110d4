import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Line, LineSplitter } from '../../src/http/body/lines.ts';

const lineBytesMax = 40;

function split(pieces: readonly Uint8Array[]): readonly Line[] {
  const splitter = new LineSplitter(lineBytesMax);
  const lines = pieces.flatMap(piece => [...splitter.push(Buffer.from(piece))]);
  return [...lines, ...splitter.end()].filter(line => typeof line !== 'number');
}

const texts = (...pieces: string[]) =>
  split(pieces.map(piece => Buffer.from(piece))).map(line => line.text ?? line.flaw);

const tooLong = `is longer than ${lineBytesMax} bytes`;

describe('LineSplitter', () => {
  test.each<[string, string[], string[]]>([
    ['nothing', [], []],
    ['empty pieces', ['', ''], []],
    ['lines', ['a\nb\n'], ['a', 'b']],
    ['a last line without its end', ['a\nb'], ['a', 'b']],
    ['blank lines', ['\n\na\n \t\r\n\nb\n\n'], ['a', 'b']],
    ['lines that end in CR LF', ['a\r\nb\r\n'], ['a\r', 'b\r']],
    ['a line in three pieces', ['a', 'b', 'c\nd'], ['abc', 'd']],
    ['a newline alone in its piece', ['a', '\n', 'b', '\n'], ['a', 'b']],
    ['a byte order mark', ['\ufeffa\nb'], ['a', 'b']],
    ['a byte order mark before a blank line', ['\ufeff\nb'], ['b']],
    ['a byte order mark further on', ['a\n\ufeffb'], ['a', '\ufeffb']],
    ['a line as long as may be', ['x'.repeat(40)], ['x'.repeat(40)]],
    ['the same after a byte order mark', [`\ufeff${'x'.repeat(40)}`], ['x'.repeat(40)]],
    ['a byte more', ['x'.repeat(41), '\na'], [tooLong, 'a']],
    ['far more', ['x'.repeat(1000), 'x'.repeat(1000), '\na\n'], [tooLong, 'a']],
    ['too long at the end', ['a\n', 'x'.repeat(100)], ['a', tooLong]],
    ['too long in bytes, not in characters', ['é'.repeat(21)], [tooLong]],
  ])('%s → its lines', (_what, pieces, lines) => {
    expect(texts(...pieces)).toEqual(lines);
  });

  test('a line that is not UTF-8 → its flaw, and the others are read', () => {
    const bytes = Buffer.concat([Buffer.from('é\n'), Buffer.of(0x61, 0xff), Buffer.from('\n😀\n')]);
    expect(split([bytes])).toEqual([{ text: 'é' }, { flaw: 'is not UTF-8' }, { text: '😀' }]);
  });

  test('any bytes, however they come in pieces → the same lines', () => {
    const part = fc.oneof(
      fc
        .constantFrom('\n', '\r\n', ' ', '\ufeff', 'é', '😀', '{"a":1}', 'x'.repeat(39), 'y'.repeat(60))
        .map(text => Buffer.from(text)),
      fc.uint8Array({ maxLength: 4 }).map(bytes => Buffer.from(bytes)),
    );
    const body = fc.array(part, { maxLength: 30 }).map(parts => Buffer.concat(parts));
    fc.assert(
      fc.property(body, fc.array(fc.nat(), { maxLength: 20 }), (bytes, cuts) => {
        const places = [0, ...cuts.map(cut => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
        const whole = split([bytes]);
        expect(split(pieces)).toEqual(whole);
        expect(split([...bytes].map(byte => Buffer.of(byte)))).toEqual(whole);
      }),
      { numRuns: 1000 },
    );
  });
});
