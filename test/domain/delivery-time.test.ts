import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { classOf, msOf, quantiles } from '../../src/domain/delivery-time.ts';

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
      fc.property(fc.array(fc.nat(100), { minLength: 1 }), times => {
        const counts = new Map<number, number>();
        for (const ms of times) counts.set(classOf(ms), (counts.get(classOf(ms)) ?? 0) + 1);
        const sorted = times.toSorted((a, b) => a - b);
        const shares = [0.5, 0.5, 0.95, 1];
        const ranked = shares.map(share => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]);
        expect(quantiles(counts, shares)).toEqual(ranked);
      }),
    );
  });

  it('no times → no quantile', () => {
    expect(quantiles(new Map(), [0.5, 0.95])).toEqual([undefined, undefined]);
  });

  it('a thousand classes in any order, the greatest among them → each is read once, and none is put in order', () => {
    let read = 0;
    class Read extends Map<number, number> {
      override *[Symbol.iterator](): MapIterator<[number, number]> {
        for (const entry of super.entries()) {
          read++;
          yield entry;
        }
      }
    }
    const classes = [classOf(Number.MAX_SAFE_INTEGER), ...Array.from({ length: 999 }, (_, i) => 998 - i)];
    const times = new Read(classes.map(one => [one, 1]));
    for (const way of ['get', 'keys', 'values', 'entries'] as const)
      vi.spyOn(times, way).mockImplementation(() => {
        throw new Error(`${way} reads them once more`);
      });
    expect(quantiles(times, [0.5, 0.95, 1])).toEqual([499, 949, classOf(Number.MAX_SAFE_INTEGER)].map(msOf));
    expect(read).toBe(1000);
  });

  it.each([-(10 ** 12), 0.5, 10 ** 12])('what is no class, %d → an error, at once', wrong => {
    expect(() => quantiles(new Map([[wrong, 1]]), [0.5])).toThrow('do not add up');
    expect(quantiles(new Map([[3, 1]]), [0.5])).toEqual([3]);
  });
});
