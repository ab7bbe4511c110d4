import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Unavailable } from '../src/failures.ts';
import { Turns } from '../src/turns.ts';

/** Work whose end is told from outside. */
function held() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { work: () => promise, end: resolve };
}

test('one who has much and others who have little → the others wait for one piece of each, and each keeps its order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(4), { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), async (owners, atOnce) => {
      const turns = new Turns<number>(atOnce);
      const first = Array.from({ length: atOnce }, held);
      const begun: { owner: number; ordinal: number }[] = [];
      const all = first.map(({ work }) => turns.run(-1, work));
      for (const [ordinal, owner] of owners.entries())
        all.push(turns.run(owner, async () => void begun.push({ owner, ordinal })));
      await new Promise(resolve => setImmediate(resolve));
      expect(begun).toEqual([]);
      for (const { end } of first) end();
      await Promise.all(all);
      expect(begun).toHaveLength(owners.length);
      for (const own of Map.groupBy(begun, ({ owner }) => owner).values())
        expect(own.map(({ ordinal }) => ordinal)).toEqual(own.map(({ ordinal }) => ordinal).toSorted((a, b) => a - b));
      // The first of each comes within the first round, whatever stands before it.
      const different = new Set(owners).size;
      expect(new Set(begun.slice(0, different).map(({ owner }) => owner)).size).toBe(different);
    }),
  );
});

test('too many wait → the last of whoever has most is refused', async () => {
  const turns = new Turns<string>(1, { waitingMax: 3, refusal: 'too many' });
  const first = held();
  const running = turns.run('a', first.work);
  const much = [1, 2, 3].map(() => turns.run('a', async () => 'a'));
  const little = turns.run('b', async () => 'b');
  await expect(much[2]).rejects.toBeInstanceOf(Unavailable);
  first.end();
  expect(await Promise.all([running, little, much[0], much[1]])).toEqual([undefined, 'b', 'a', 'a']);
});

test('given up while it waits → it never begins, and nobody waits for it', async () => {
  const turns = new Turns<string>(1);
  const first = held();
  const running = turns.run('a', first.work);
  const gone = new AbortController();
  const begun: string[] = [];
  const waiting = turns.run('b', async () => void begun.push('b'), gone.signal);
  const after = turns.run('c', async () => void begun.push('c'));
  gone.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  await expect(turns.run('b', async () => void begun.push('late'), gone.signal)).rejects.toThrow('gone');
  first.end();
  await Promise.all([running, after]);
  expect(begun).toEqual(['c']);
});

test('one owner has as many as it may → room is left for others, and it goes on when one of its own ends', async () => {
  const turns = new Turns<string>(3, { ownerMax: 2 });
  const mine = [held(), held(), held()];
  const begun: number[] = [];
  const all = mine.map(({ work }, i) =>
    turns.run('a', () => {
      begun.push(i);
      return work();
    }),
  );
  expect(await turns.run('b', async () => 'b')).toBe('b');
  expect(begun).toEqual([0, 1]);
  mine[1]?.end();
  await new Promise(resolve => setImmediate(resolve));
  expect(begun).toEqual([0, 1, 2]);
  for (const { end } of mine) end();
  await Promise.all(all);
});

test('work that fails → its place is free again', async () => {
  const turns = new Turns<string>(1);
  await expect(turns.run('a', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(await turns.run('a', async () => 1)).toBe(1);
});
