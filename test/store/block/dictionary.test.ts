import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { makeDictionary } from '../../../src/store/block/dictionary.ts';
import { dictionaryBytesMax, frameOf, frameRows, packFrame, zstdOptions } from '../../../src/store/block/layout.ts';

const anyBodies = fc.array(fc.oneof(fc.uint8Array({ maxLength: 400 }), fc.constant(new Uint8Array(300).fill(7))), {
  maxLength: 40,
  size: 'max',
});
/** Letters of few kinds and of many, so that there are tables of every shape. */
const anyTexts = fc
  .tuple(fc.integer({ min: 1, max: 250 }), fc.array(fc.string({ minLength: 20, maxLength: 300 }), { maxLength: 40 }))
  .map(([kinds, texts]) =>
    texts.map(text => Uint8Array.from(Buffer.from(text.repeat(3)), (byte, i) => (byte * i) % kinds)),
  );
const anyFrames = fc.array(fc.oneof(anyBodies, anyTexts), { maxLength: 30, size: 'max' });

/** As the bodies of volumes are: much alike, and each with numbers of its own. */
const body = (i: number) =>
  Buffer.from(
    `[1,${1_800_000_000_000 + i * 977},null,"EUR"]\n${(i * 7919) % 100_003}sender-${i % 7}{"text":"Your order ${i} is on its way"}`,
  );
const frameFrom = (first: number) => Array.from({ length: frameRows }, (_, i) => body(first + i));

test('any samples and frames → what is packed with the dictionary is unpacked as it was', () => {
  fc.assert(
    fc.property(anyTexts, anyFrames, fc.oneof(anyBodies, anyTexts), (samples, frames, bodies) => {
      const dictionary = makeDictionary(samples, frames);
      const { packed, unpackedBytes } = packFrame(bodies, dictionary);
      const whole = frameOf(bodies);
      expect(unpackedBytes).toBe(whole.byteLength);
      expect(zstdDecompressSync(packed, zstdOptions(dictionary)).equals(whole)).toBe(true);
    }),
    { numRuns: 150 },
  );
});

test('bodies that are much alike → tables are part of it, and short frames get shorter by them', () => {
  const samples = Array.from({ length: 64 }, (_, i) => body(i * 100));
  const frames = Array.from({ length: 32 }, (_, i) => frameFrom(i * 200 + 50));
  const [content, whole] = [makeDictionary(samples), makeDictionary(samples, frames)];
  expect(Buffer.from(whole ?? []).readUInt32LE(0)).toBe(0xec30a437);
  const bytesWith = (dictionary: Uint8Array | undefined) =>
    Array.from({ length: 50 }, (_, i) => packFrame(frameFrom(i * 111 + 7), dictionary).packed.byteLength).reduce(
      (a, b) => a + b,
    );
  expect(bytesWith(whole)).toBeLessThan(bytesWith(content) * 0.95);
});

test('no samples, or more than a dictionary takes → none, or one of bounded size', () => {
  expect(makeDictionary([])).toBeUndefined();
  expect(makeDictionary([new Uint8Array()])).toBeUndefined();
  const long = Array.from({ length: 64 }, (_, i) => new Uint8Array(100_000).fill(i));
  expect(makeDictionary(long, [long])?.byteLength).toBeLessThan(dictionaryBytesMax + 1024);
});
