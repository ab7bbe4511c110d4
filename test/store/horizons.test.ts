import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { Retentions } from '../../src/accounts/retentions.ts';
import { bigints } from '../../src/postgres/arrays.ts';
import type { Row } from '../../src/postgres/cells.ts';
import { horizonOf, horizonsOf } from '../../src/store/horizons.ts';
import { Past } from '../../src/store/postgres/log/past.ts';

afterEach(() => vi.restoreAllMocks());

const count = 100_000;

/** Looked at in one turn of the thread at most, where each takes a microsecond of it. */
async function mostInATurn(work: (looked: () => void) => Promise<unknown>): Promise<number> {
  let [now, inTurn, most, isOver] = [0, 0, 0, false];
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const looked = () => {
    now += 0.001;
    most = Math.max(most, ++inTurn);
  };
  const turns = (async () => {
    for (; !isOver; inTurn = 0) await nextTurn();
  })();
  await work(looked);
  isOver = true;
  await turns;
  return most;
}

class Told extends Map<number, number> {
  readonly #looked: () => void;
  constructor(pairs: Iterable<[number, number]>, looked: () => void) {
    super();
    this.#looked = looked;
    for (const [id, value] of pairs) this.set(id, value);
  }
  override *entries(): MapIterator<[number, number]> {
    for (const pair of super.entries()) {
      this.#looked();
      yield pair;
    }
  }
  override *values(): MapIterator<number> {
    for (const [, value] of this.entries()) yield value;
  }
  override [Symbol.iterator](): MapIterator<[number, number]> {
    return this.entries();
  }
}

const pairs = Array.from({ length: count }, (_, i): [number, number] => [3 * i + 1, 1000 + i]);

test('each of many accounts with a time of its own → no turn looks at more than some, each has its own', async () => {
  const most = await mostInATurn(async looked => {
    const own = new Told(pairs, looked);
    const retentions = new Retentions({ retentions: async () => own }, 5000, () => {});
    await retentions.refresh();
    expect(retentions.shortestMs()).toBe(1000);
    const horizons = retentions.horizons(1_000_000);
    const packed = await horizonsOf(horizons.others, horizons.own);
    for (const i of [0, 1, 777, count - 1]) expect(horizonOf(packed, 3 * i + 1)).toBe(999_000 - i);
    for (const id of [0, 2, 3 * count + 1]) expect(horizonOf(packed, id)).toBe(995_000);
    expect([packed.earliest, packed.latest]).toEqual([999_001 - count, 999_000]);
  });
  expect(most).toBeLessThan(10_000);
});

test('accounts in any order → each has its own', async () => {
  const packed = await horizonsOf(7, new Map([...pairs.slice(0, 100)].reverse()));
  for (const [id, before] of pairs.slice(0, 100)) expect(horizonOf(packed, id)).toBe(before);
  expect(horizonOf(packed, 2)).toBe(7);
});

test('what is past in a table, each account with a moment of its own → statements by what it holds, not by their number', async () => {
  const past = await Past.of(await horizonsOf(500, new Map(pairs)), account => [account]);
  const held = new Map<number, number>([
    [1, 900],
    [2, 600],
    [4, 1002],
    [5, 400],
    [298, 1050],
  ]);
  let asked = 0;
  const session = {
    async query(_: unknown, values: readonly unknown[] = []): Promise<Row[]> {
      asked++;
      return [...held].filter(([id]) => id > Number(values[0])).map(([id, until]) => [String(id), String(until)]);
    },
  };
  const rows = [];
  const expiring = { table: 'cell', before: (moment: string) => `at < ${moment}`, until: 'at' };
  for await (const row of past.rows(session, expiring)) rows.push(row);
  expect(asked).toBe(1);
  expect(rows.map(({ values }) => values)).toEqual([[bigints([1, 5, 298]), bigints([1000, 500, 1099])]]);
});
