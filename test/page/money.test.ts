import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { roughText } from '../../web/src/view/format.ts';
import { Decimals, priceText, sumText } from '../../web/src/view/money.ts';

const decimalsIn = (text: string) => /\.(\d+) /.exec(text)?.[1]?.length ?? 0;

describe('prices', () => {
  test('prices of one currency, in any order → one number of decimals, and none is cut', () => {
    const price = fc
      .tuple(fc.integer({ min: 0, max: 99_999_999 }), fc.constantFrom(100, 1_000_000))
      .map(([count, parts]) => count / parts);
    fc.assert(
      fc.property(fc.array(price, { minLength: 1, maxLength: 20 }), amounts => {
        const prices = amounts.map(pricePerMessage => ({ pricePerMessage, currency: 'EUR' }));
        const decimals = new Decimals();
        for (const one of prices) decimals.see(one);
        const texts = prices.map(one => priceText(one, decimals));
        expect(new Set(texts.map(decimalsIn)).size).toBe(1);
        expect(texts.map(text => Number(text.split(' ')[0]?.replaceAll(',', '')))).toEqual(amounts);
        expect(decimalsIn(sumText(123.4, 'EUR', decimals))).toBe(decimalsIn(texts[0] ?? ''));
      }),
    );
  });

  test('a currency of its own → decimals of its own; a sum of less than these show → not 0', () => {
    const decimals = new Decimals();
    decimals.see({ pricePerMessage: 0.0063, currency: 'EUR' });
    expect(priceText({ pricePerMessage: 0.5, currency: 'SEK' }, decimals)).toBe('0.50 SEK');
    expect(priceText({ pricePerMessage: 0.5, currency: 'EUR' }, decimals)).toBe('0.5000 EUR');
    expect(sumText(0.0008, 'SEK', decimals)).toBe('0.0008 SEK');
    expect(sumText(0.000_000_12, 'SEK', decimals)).toBe('0.00000012 SEK');
    expect(sumText(0.1 + 0.2, 'SEK', decimals)).toBe('0.30 SEK');
    expect(priceText({ pricePerMessage: 1_234_567.1, currency: 'VND' }, decimals)).toBe('1,234,567.1 VND');
  });

  test.each([
    ['JPY', 12, '12 JPY'],
    ['KRW', 1500, '1,500 KRW'],
    ['BHD', 0.5, '0.500 BHD'],
    ['XQZ', 3, '3.00 XQZ'],
    ['JPY', 0.55, '0.55 JPY'],
    ['', 3, '3.00 '],
  ])('%s → as many decimals as it has, and what a price needs', (currency, pricePerMessage, text) => {
    const decimals = new Decimals();
    expect(priceText({ pricePerMessage, currency }, decimals)).toBe(text);
    decimals.see({ pricePerMessage, currency });
    expect(sumText(pricePerMessage, currency, decimals)).toBe(text);
  });
});

test.each([
  [0, '0 ms'],
  [127, '127 ms'],
  [843, '≈ 840 ms'],
  [999, '≈ 1.0 s'],
  [4213, '≈ 4.2 s'],
  [9960, '≈ 10 s'],
  [42_130, '≈ 42 s'],
  [59_900, '≈ 1 min'],
  [321_000, '≈ 5 min 20 s'],
  [7_260_000, '≈ 2 h 2 min'],
])('a median of %s ms → %s: no digit that a row could contradict', (ms, text) => {
  expect(roughText(ms)).toBe(text);
});
