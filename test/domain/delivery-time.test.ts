import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classOf, msOf, quantile } from '../../src/domain/delivery-time.ts';

const anyMs = fc.oneof(fc.nat(1000), fc.nat(2 ** 31 - 1), fc.maxSafeNat());

describe('delivery times', () => {
  it('any time → its class stands for it to within 1 %', () => {
    fc.assert(
      fc.property(anyMs, ms => {
        expect(Math.abs(msOf(classOf(ms)) - ms)).toBeLessThanOrEqual(ms / 100);
      }),
    );
  });

  it('a greater time → no smaller class', () => {
    fc.assert(
      fc.property(anyMs, anyMs, (a, b) => {
        expect(classOf(Math.max(a, b))).toBeGreaterThanOrEqual(classOf(Math.min(a, b)));
      }),
    );
  });

  it('every class up to a month → the class of the time that stands for it', () => {
    const last = classOf(31 * 24 * 3_600_000);
    for (let one = 0; one <= last; one++) expect(classOf(msOf(one))).toBe(one);
  });

  it('a receipt dated before its message → 0 ms', () => {
    expect(msOf(classOf(-5))).toBe(0);
  });

  it('quantiles by nearest rank → those of the sorted list', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100), { minLength: 1 }), fc.constantFrom(0.5, 0.95, 1), (times, share) => {
        const counts = new Map<number, number>();
        for (const ms of times) counts.set(classOf(ms), (counts.get(classOf(ms)) ?? 0) + 1);
        const sorted = times.toSorted((a, b) => a - b);
        expect(quantile(counts, share)).toBe(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]);
      }),
    );
  });

  it('no times → no quantile', () => {
    expect(quantile(new Map(), 0.5)).toBeUndefined();
  });
});
