import { expect, test } from 'vitest';
import { LostAccounts, type LostNote } from '../../src/storage/lost-accounts.ts';

class World {
  readonly there = new Set<number>();
  readonly notes: LostNote[] = [];
  /** Each part of the log, and whose messages are in it. */
  parts: readonly Iterable<number>[] = [];
  searches = 0;
  asked = 0;

  readonly lost = new LostAccounts({
    known: () => this.#known(),
    rows: {
      lacking: async ids => {
        this.asked += ids.length;
        return ids.filter(id => !this.there.has(id));
      },
      newestAccounts: async () => ({ accounts: [], total: this.there.size }),
    },
    found: note => this.notes.push(note),
    failed: error => {
      throw error;
    },
  });

  async *#known() {
    this.searches++;
    yield* this.parts;
  }

  async looks(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.lost.look();
  }
}

test('accounts that the log has and that are not there → found at the first look, told once, and gone once they are back', async () => {
  const world = new World();
  for (const id of [1, 2, 3]) world.there.add(id);
  world.parts = [
    [1, 9],
    [2, 7, 9],
  ];
  await world.looks(1);
  expect(world.lost.found).toEqual([7, 9]);
  await world.looks(3);
  expect(world.notes).toEqual([{ count: 2, first: [7, 9] }]);
  world.there.add(7).add(9);
  await world.looks(1);
  expect(world.lost.found).toEqual([]);
});

test('an account removed while the server runs → found at the next look', async () => {
  const world = new World();
  for (const id of [1, 2, 3]) world.there.add(id);
  world.parts = [[1, 2, 3]];
  await world.looks(5);
  expect(world.searches).toBe(1);
  world.there.delete(2);
  await world.looks(1);
  expect(world.lost.found).toEqual([2]);
  expect(world.notes).toHaveLength(1);
});

test('a search that fails → made at the next look, and not an hour later', async () => {
  const world = new World();
  world.there.add(1);
  world.parts = [
    (function* () {
      yield 9;
      throw new Error('the log cannot be read now');
    })(),
  ];
  await expect(world.lost.look()).rejects.toThrow('cannot be read now');
  world.parts = [[1, 9]];
  await world.looks(1);
  expect(world.lost.found).toEqual([9]);
});

test('a hundred thousand accounts in many parts, others made all the time → each asked for once a search, and a search an hour', async () => {
  const world = new World();
  const ids = Array.from({ length: 100_000 }, (_, id) => id);
  for (const id of ids) world.there.add(id);
  world.parts = Array.from({ length: 5 }, () => ids);
  for (let look = 0; look < 60; look++) {
    world.there.add(ids.length + look);
    await world.looks(1);
  }
  expect({ searches: world.searches, asked: world.asked }).toEqual({ searches: 1, asked: ids.length });
  await world.looks(1);
  expect(world.searches).toBe(2);
});

test('stopped in the midst of a search → it ends there, and nothing is told', async () => {
  const world = new World();
  world.parts = [
    (function* () {
      for (let id = 0; ; id++) yield id;
    })(),
  ];
  world.lost.start();
  await world.lost.stop();
  expect(world.lost.found).toEqual([]);
  expect(world.notes).toEqual([]);
});
