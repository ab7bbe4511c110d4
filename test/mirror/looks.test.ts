import fc from 'fast-check';
import { expect, test } from 'vitest';
import { looksFrom, messagesBefore, withLook } from '../../src/mirror/looks.ts';
import type { Look } from '../../src/mirror/place.ts';
import { begunAt, minute } from './driven.ts';

const page = fc.record({
  from: fc.integer({ min: 0, max: 400 }),
  width: fc.integer({ min: 1, max: 200 }),
  afterMs: fc.integer({ min: 0, max: 2 * minute }),
  pending: fc.array(fc.integer({ min: 0, max: 199 }), { maxLength: 5 }),
  isWhole: fc.boolean(),
});

test('any pages → ranges apart and in order; nothing is taken for looked at later, or for fewer pending, than it was', () => {
  fc.assert(
    fc.property(fc.array(page, { minLength: 1, maxLength: 40 }), pages => {
      let [looks, now]: [readonly Look[], number] = [[], begunAt];
      const lookedAt = new Map<number, number>();
      const pendingAt = new Map<number, number>();
      for (const { from, width, afterMs, pending, isWhole } of pages) {
        now += afterMs;
        const start = begunAt + from * 10_000;
        const until = start + width * 10_000;
        // What was never read is not looked at by what is pending.
        const isKnown = looks.some(look => look.from < until && look.until > start);
        if (!isWhole && !isKnown) continue;
        const sentAt = pending.filter(at => at < width).map(at => start + at * 10_000);
        const shown = { from: start, until, at: now, pendingSentAt: sentAt };
        looks = withLook(looks, { ...shown, ...(isWhole && { messages: 9 }) }, begunAt + 8000 * 1000);
        for (let at = start; at < until; at += 10_000) {
          lookedAt.set(at, now);
          pendingAt.set(at, sentAt.filter(one => one === at).length);
        }
      }
      for (const [i, look] of looks.entries()) {
        expect(look.from).toBeLessThan(look.until);
        expect(look.from).toBeGreaterThanOrEqual(looks[i - 1]?.until ?? 0);
      }
      for (const [at, when] of lookedAt) {
        const look = looks.find(one => at >= one.from && at < one.until);
        expect(look?.at ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(when);
        if ((pendingAt.get(at) ?? 0) > 0) expect(look?.pending).toBeGreaterThan(0);
      }
      const middle = begunAt + 2_000_000;
      expect(looksFrom(looks, middle).every(look => look.from >= middle)).toBe(true);
    }),
  );
});

test('messages before a moment → those of what was looked at before it, and a part of what it is in', () => {
  const look = { at: 0, pending: 0, changing: 0 };
  const looks = [
    { ...look, from: 0, until: 100, messages: 50 },
    { ...look, from: 200, until: 300, messages: 10 },
  ];
  expect(messagesBefore(looks, [0, 50, 100, 150, 200, 250, 900])).toEqual([0, 25, 50, 50, 50, 55, 60]);
});
