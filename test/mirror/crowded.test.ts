import fc from 'fast-check';
import { expect, test } from 'vitest';
import { begunAt, drive, hour, minute, traffic } from './driven.ts';

type Old = { readonly sentAt: number; readonly finalAt: number };

/** Of the messages that were kept, those whose end stood for long enough before the last look, and was not seen. */
function missed(old: readonly Old[], run: { readonly until: number; readonly hasCursor: boolean }, lateMs: number) {
  const made = traffic({ old: old.toSorted((a, b) => a.sentAt - b.sentAt) });
  const { keptAt, seenAt, asked } = drive(made, run);
  const late = [...made.finalAt.entries()].filter(
    ([i, end]) =>
      (keptAt[i] ?? 0) < run.until &&
      end + lateMs < run.until &&
      (seenAt[i] ?? 0) > Math.max(end, keptAt[i] ?? 0) + lateMs,
  );
  return { late: late.length, kept: keptAt.filter(at => at < run.until).length, asked: asked.length };
}

const many = (count: number, sentAt: number, finalAt: number): readonly Old[] =>
  Array.from({ length: count }, () => ({ sentAt, finalAt }));

const sentAt = begunAt - 10 * minute;

test.each([true, false])(
  'more than a page of one millisecond ends → every end is seen soon after, cursors: %s',
  hasCursor => {
    const end = begunAt + 20 * minute;
    const half = [...many(1000, sentAt, sentAt), ...many(1000, sentAt, end)];
    const run = { hasCursor, until: end + 10 * minute };
    expect(missed(half, run, 5 * minute)).toMatchObject({ late: 0, kept: 2000 });
    const others = many(50, sentAt - minute, end);
    const whole = missed([...others, ...many(3000, sentAt, end)], run, 5 * minute);
    expect(whole).toMatchObject({ late: 0, kept: hasCursor ? 3050 : 1050 });
  },
);

test('some end while more than a page of their millisecond stays pending → asked for by their ids, and not all the time', () => {
  // A page shows those that were added last.
  const old = [...many(500, sentAt, begunAt + 5 * minute), ...many(1500, sentAt, begunAt + hour)];
  const until = begunAt + 30 * minute;
  const { late, asked } = missed(old, { hasCursor: true, until }, 20 * minute);
  expect(late).toBe(0);
  expect(asked).toBeLessThan(30 * 40);
});

const crowd = fc.record({
  /** Before the mirror begins; a few of them touch, or share a page. */
  ageMs: fc.oneof(
    fc.integer({ min: 10 * minute, max: 10 * minute + 3 }),
    fc.integer({ min: minute, max: 3 * hour }),
    fc.integer({ min: 46 * hour, max: 46 * hour + 3 }),
  ),
  count: fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.constantFrom(1, 500, 949, 950, 951, 999, 1000, 1001, 2000)),
  /** Of each message in turn: minutes from the beginning until it ends. */
  ends: fc.array(fc.integer({ min: -5, max: 30 }), { minLength: 1, maxLength: 5 }),
});

test('any counts in a millisecond, ending at any moments → every end of what was kept is seen before it leaves', () => {
  fc.assert(
    fc.property(fc.array(crowd, { minLength: 1, maxLength: 4 }), fc.boolean(), (crowds, hasCursor) => {
      const old = crowds.flatMap(({ ageMs, count, ends }) =>
        Array.from({ length: count }, (_, i) => ({
          sentAt: begunAt - ageMs,
          finalAt: begunAt + minute * (ends[i % ends.length] ?? 0),
        })),
      );
      expect(missed(old, { hasCursor, until: begunAt + 125 * minute }, hour).late).toBe(0);
    }),
    { numRuns: 5 },
  );
});
