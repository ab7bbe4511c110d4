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
    return together.run({ rank: 0, pages: [], count: 1, work, ...fields });
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

it('one that others need not wait for → they ask before it is answered, and it has ended before the transaction does', async () => {
  const [answer, events] = [Promise.withResolvers<void>(), [] as string[]];
  const together = new Together(
    async work => {
      const ending = work(session);
      ending.catch(() => {}).finally(() => events.push('end'));
      return ending;
    },
    () => {},
  );
  const ask = (rank: number, name: string, isApart: boolean, work: () => Promise<string>) => {
    const run = async () => {
      events.push(name);
      return work();
    };
    return together.run({ rank, pages: [], count: 1, isApart, work: run });
  };
  const first = ask(0, 'first', false, async () => 'first');
  const apart = ask(0, 'apart', true, async () => {
    await answer.promise;
    events.push('answered');
    return 'apart';
  });
  const others = [ask(1, 'a', false, async () => 'a'), ask(2, 'b', false, () => Promise.reject(new TypeError('b')))];
  const ended = Promise.allSettled(others);
  await first;
  await expect.poll(() => events).toEqual(['first', 'end', 'apart', 'a', 'b']);
  answer.resolve();
  expect(await apart).toBe('apart');
  expect((await ended).map(one => one.status)).toEqual(['fulfilled', 'rejected']);
  // And each by itself, since one had failed.
  expect(events.slice(5, 7)).toEqual(['answered', 'end']);
});

it('more messages than one transaction should change → several, each with one work at least; what is urgent first', async () => {
  const { transactions, ask, goOn } = database();
  const count = limits.outboxStepMax / 4;
  const asked = [
    ask('first'),
    ...['a', 'b', 'c'].map(name => ask(name, { count })),
    ask('huge', { count: 10 * count }),
    ask('claim', { rank: 1, isUrgent: true }),
  ];
  await goOn();
  await Promise.all(asked);
  expect(transactions).toEqual([['first'], ['a', 'claim'], ['b', 'c'], ['huge']]);
});

/** What PostgreSQL answers where a row is held by somebody else for too long. */
const locked = () => {
  const cause = Object.assign(new DatabaseError('canceling statement', 0, 'error'), { code: '55P03' });
  return new Unavailable('PostgreSQL cannot serve', undefined, { cause });
};

/** Works over pages, named by their accounts, in a database where somebody else holds some; `turns` are transactions but looks. */
function heldDatabase(...accounts: readonly number[]) {
  const held = new Set(accounts);
  const turns: string[] = [];
  const names = new WeakMap<object, string>();
  const together = new Together(
    async work => {
      await new Promise(setImmediate);
      return work(session);
    },
    (_, works, lockMs) => {
      const named = works.flatMap(one => names.get(one.work) ?? []);
      if (named.length > 0) turns.push(`${lockMs} ms: ${named.join(', ')}`);
      if (works.some(one => one.pages.some(({ account }) => held.has(account)))) throw locked();
    },
  );
  const work = (name: string, of: readonly number[], isUrgent = false): PageWork<string> => {
    const run = async () => name;
    names.set(run, name);
    return { rank: 0, pages: of.map(account => ({ account, sender: 'page' })), count: 1, isUrgent, work: run };
  };
  return { together, turns, work, release: () => held.clear() };
}

it('somebody else holds a page → one group waits for it, once; what is for that page waits aside, and all else is done', async () => {
  const { together, turns, work, release } = heldDatabase(1);
  const ask = (name: string, ...of: readonly number[]) => together.run(work(name, of));
  const own = [ask('first', 2), ask('a', 2), ask('held', 1), ask('b', 3)];
  expect(await Promise.all([own[0], own[1], own[3]])).toEqual(['first', 'a', 'b']);
  expect(turns.splice(0)).toEqual(['200 ms: first', '200 ms: a, held, b', '20 ms: a', '20 ms: held', '20 ms: b']);
  // Those that come then: by itself, of several pages that can be parted or not, and one that knows what else to do.
  const parts = [work('part 1', [1]), work('part 2', [2])];
  const later = [
    ask('held too', 1),
    together.run({ ...work('both', [2, 1]), parts: () => parts }),
    ask('all or none', 3, 1),
  ];
  await expect(together.run(work('urgent', [2, 1], true))).rejects.toThrow(Unavailable);
  expect(await Promise.all([ask('c', 2), ask('d', 3)])).toEqual(['c', 'd']);
  expect(turns.splice(0)).toEqual(['200 ms: part 2', '200 ms: c, d']);
  release();
  expect(await Promise.all([own[2], ...later])).toEqual(['held', 'held too', undefined, 'all or none']);
  expect(turns).toEqual(['200 ms: held, held too, all or none, part 1']);
});

it('one of several pages is held → found by looking at each; the parts of the others are done', async () => {
  const { together, turns, work, release } = heldDatabase(2);
  const parts = [work('part 1', [1]), work('part 2', [2]), work('part 3', [3])];
  const whole = together.run({ ...work('whole', [1, 2, 3]), parts: () => parts });
  await expect.poll(() => turns).toEqual(['200 ms: whole', '200 ms: part 1, part 3']);
  release();
  expect(await whole).toBeUndefined();
  expect(turns.at(-1)).toBe('200 ms: part 2');
});
