import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EpochMs } from '../../../src/domain/message.ts';
import { kinds } from '../../../src/store/embedded/segment/count-items.ts';
import { Counts } from '../../../src/store/embedded/segment/counts.ts';
import { countsInMemory } from '../../../src/store/embedded/summary/account-counts.ts';

const minuteMs = 60_000;
type Move = { readonly account: number; readonly minute: number; readonly value: number; readonly amount: number };

function add(counts: Counts, { account, minute, value, amount }: Move): void {
  counts.report(account, minute * minuteMs, [[kinds.error, value, amount]]);
}

/** What an account has of each error in each minute, nothing that is 0. */
function amountsOf(counts: ReturnType<Counts['pack']>, account: number, from: EpochMs, to: EpochMs) {
  const amounts: (readonly [minute: number, item: number, amount: number])[] = [];
  for (const { times, itemStarts, items, amounts: all } of countsInMemory(counts, account, from, to).ranges)
    for (const [cell, time] of times.entries())
      for (let i = itemStarts[cell] ?? 0; i < (itemStarts[cell + 1] ?? 0); i++)
        amounts.push([time / minuteMs, (items[i] ?? 0) & 0xffffff, all[i] ?? 0]);
  return amounts;
}

const move = fc.record({
  account: fc.integer({ min: 1, max: 4 }),
  minute: fc.integer({ min: 0, max: 5 }),
  value: fc.integer({ min: 0, max: 300 }),
  amount: fc.integer({ min: -3, max: 3 }),
});

test('whatever is added, and taken back → the sums of each account, minute and item', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 3000, size: 'max' }), fc.array(move), (kept, undone) => {
      const counts = new Counts();
      for (const one of kept) add(counts, one);
      counts.commit();
      for (const one of undone) add(counts, one);
      counts.undo();
      for (const account of [1, 2, 3, 4]) {
        const sums = new Map<string, readonly [number, number, number]>();
        for (const { minute, value, amount } of kept.filter(one => one.account === account)) {
          const [, , before] = sums.get(`${minute} ${value}`) ?? [minute, value, 0];
          sums.set(`${minute} ${value}`, [minute, value, before + amount]);
        }
        const expected = [...sums.values()]
          .filter(([minute, , sum]) => sum !== 0 && minute >= 1)
          .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        expect(amountsOf(counts.pack(), account, minuteMs, Infinity)).toEqual(expected);
        const own = counts.pack({ account, from: minuteMs, to: Infinity });
        expect(amountsOf(own, account, minuteMs, Infinity)).toEqual(expected);
      }
    }),
  );
});

test('one account among 100,000 → its counts are given by a look at its own', () => {
  const counts = new Counts();
  for (let account = 1; account <= 100_000; account++)
    for (const minute of [0, 1]) add(counts, { account, minute, value: account % 7, amount: 1 });
  const before = counts.visits;
  const own = counts.pack({ account: 70_007, from: 0, to: Infinity });
  expect(amountsOf(own, 70_007, 0, Infinity)).toHaveLength(2);
  expect(counts.visits - before).toBe(2);
});
