import { DatabaseError } from 'pg';
import { expect, it } from 'vitest';
import { Unavailable } from '../../src/failures.ts';
import { limits } from '../../src/limits.ts';
import { type PageWork, Together } from '../../src/outbox/postgres/together.ts';
import type { Transaction } from '../../src/postgres/session.ts';

const session: Transaction = {
  query: async () => [],
  run: async () => '',
  send: () => {},
  copy: () => {},
};

/** Works of a database that holds each transaction until it is let go; `transactions` are the names in each, as they ran. */
function database() {
  const transactions: string[][] = [];
  const held: PromiseWithResolvers<void>[] = [];
  const begun: string[][] = [];
  const names = new WeakMap<object, string>();
  const together = new Together(
    async work => {
      const gate = Promise.withResolvers<void>();
      held.push(gate);
      transactions.push([]);
      await gate.promise;
      return work(session);
    },
    (_, works) => begun.push(works.map(one => names.get(one.work) ?? '')),
  );
  const ask = (name: string, of: Partial<PageWork<string>> & { readonly fail?: () => Error } = {}) => {
    const { fail, ...fields } = of;
    const work = async () => {
      transactions.at(-1)?.push(name);
      if (fail !== undefined) throw fail();
      return name;
    };
    names.set(work, name);
    return together.run({ rank: 0, count: 1, work, ...fields });
  };
  /** Lets every transaction go until none is left. */
  const goOn = async () => {
    for (let gate = held.shift(); gate !== undefined; gate = held.shift()) {
      gate.resolve();
      await new Promise(setImmediate);
    }
  };
  return { transactions, begun, ask, goOn };
}

it('asked while another is under way → one transaction for all, in the order of their ranks, each with its own answer', async () => {
  const { transactions, begun, ask, goOn } = database();
  const asked = [ask('first'), ask('claim', { rank: 2 }), ask('settle', { rank: 1 }), ask('receive'), ask('receive 2')];
  await goOn();
  expect(transactions).toEqual([['first'], ['receive', 'receive 2', 'settle', 'claim']]);
  expect(begun).toEqual(transactions);
  expect(await Promise.all(asked)).toEqual(['first', 'claim', 'settle', 'receive', 'receive 2']);
});

it('one that fails by itself → fails alone, and the others are done without it, once', async () => {
  const { transactions, ask, goOn } = database();
  const first = ask('first');
  const others = [ask('a'), ask('broken', { fail: () => new TypeError('no') }), ask('b')];
  const ended = Promise.allSettled(others);
  await goOn();
  expect((await ended).map(one => (one.status === 'fulfilled' ? one.value : String(one.reason)))).toEqual([
    'a',
    'TypeError: no',
    'b',
  ]);
  await first;
  expect(transactions).toEqual([['first'], ['a', 'broken'], ['a'], ['broken'], ['b']]);
});

it('an outage → all of that transaction fail, and those that come after are tried one by one, then more again', async () => {
  const { transactions, ask, goOn } = database();
  const outage = ask('slow', { fail: () => new Unavailable('too slow') });
  await Promise.all([expect(outage).rejects.toThrow('too slow'), goOn()]);
  const asked = Array.from({ length: 7 }, (_, index) => ask(`m${index}`));
  await goOn();
  await Promise.all(asked);
  expect(transactions.map(one => one.length)).toEqual([1, 1, 2, 4]);
});

it('more messages than one transaction should change → several, each with one work at least', async () => {
  const { transactions, ask, goOn } = database();
  const count = limits.outboxStepMax;
  const asked = [
    ask('first'),
    ...['a', 'b', 'c'].map(name => ask(name, { count })),
    ask('huge', { count: 10 * count }),
  ];
  await goOn();
  await Promise.all(asked);
  expect(transactions).toEqual([['first'], ['a', 'b'], ['c'], ['huge']]);
});

/** What PostgreSQL answers where a row is held by somebody else for too long. */
const locked = () => {
  const cause = Object.assign(new DatabaseError('canceling statement', 0, 'error'), { code: '55P03' });
  return new Unavailable('PostgreSQL cannot serve', undefined, { cause });
};

it('a row of one is held by somebody else → that one waits aside and the others are done, also those that come then', async () => {
  const started: string[] = [];
  const aside = Promise.withResolvers<void>();
  let lockMsOf: readonly number[] = [];
  const together = new Together(
    async work => work(session),
    (_session, _works, lockMs) => {
      lockMsOf = [...lockMsOf, lockMs];
    },
  );
  const ask = (name: string, fields: Partial<PageWork<string>> = {}) =>
    together.run({ rank: 0, count: 1, work: async () => name, ...fields });
  /** Not to be had while others wait for it, nor by whoever is tried alone; had in the end by who waits aside. */
  const heldRow = async () => {
    started.push('held');
    if ((lockMsOf.at(-1) ?? 0) < 1000) throw locked();
    await aside.promise;
    return 'held';
  };
  const urgentRow = async () => {
    throw locked();
  };
  const asked = [ask('first'), ask('a'), ask('b', { work: heldRow }), ask('c', { work: urgentRow, isUrgent: true })];
  const urgent = expect(asked[3]).rejects.toThrow(Unavailable);
  expect(await Promise.all([ask('d'), asked[0], asked[1]])).toEqual(['d', 'first', 'a']);
  await urgent;
  expect(await Promise.all([ask('e'), ask('f'), ask('g')])).toEqual(['e', 'f', 'g']);
  // With the others, alone, and aside.
  expect(started).toHaveLength(3);
  // Whoever is tried alone waits no more for what all have waited for.
  expect(lockMsOf.slice(0, 3)).toEqual([200, 200, 20]);
  aside.resolve();
  expect(await asked[2]).toBe('held');
});
