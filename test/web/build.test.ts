import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { type PageFiles, readPage } from '../../src/http/page/page-files.ts';
import { buildPage } from './support/browser.ts';

const scriptBytesMax = 150_000;
/** Of all that is loaded only where somebody goes. */
const laterBytesMax = 60_000;
let page: PageFiles | undefined;

beforeAll(() => {
  buildPage();
  page = readPage(join(import.meta.dirname, '../../web/dist'));
});

const decoded = { br: brotliDecompressSync, gzip: gunzipSync };

test('every file of the page → compressed beside, but for the smallest, and the same when it is unpacked', () => {
  const files = [...(page?.values() ?? [])];
  expect(files.length).toBeGreaterThanOrEqual(4);
  for (const { forms } of files) {
    const plain = forms.at(-1)?.bytes;
    expect(forms.map(({ encoding }) => encoding)).toEqual(
      (plain?.length ?? 0) < 1400 ? [undefined] : ['br', 'gzip', undefined],
    );
    for (const { encoding, bytes } of forms)
      if (encoding !== undefined) expect(decoded[encoding](bytes)).toEqual(plain);
  }
});

test(`the scripts → at most ${scriptBytesMax} bytes at first, compressed with gzip, and few later`, () => {
  const document = page?.get('/')?.forms.at(-1)?.bytes.toString() ?? '';
  const scripts = [...(page ?? [])].filter(([path]) => path.endsWith('.js'));
  const sizeOf = (those: typeof scripts) =>
    those
      .flatMap(([, { forms }]) => forms.filter(({ encoding }) => encoding === 'gzip'))
      .reduce((sum, { bytes }) => sum + bytes.length, 0);
  const [first, later] = [true, false].map(isFirst => scripts.filter(([path]) => document.includes(path) === isFirst));
  expect(sizeOf(first ?? [])).toBeGreaterThan(0);
  expect(sizeOf(first ?? [])).toBeLessThanOrEqual(scriptBytesMax);
  expect(sizeOf(later ?? [])).toBeLessThanOrEqual(laterBytesMax);
});
