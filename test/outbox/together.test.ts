import { DatabaseError } from 'pg';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Unavailable } from '../../src/failures.ts';
import { limits } from '../../src/limits.ts';
import { Joint } from '../../src/outbox/postgres/joint.ts';
import { type PageWork, Together } from '../../src/outbox/postgres/together.ts';
import type { Transaction } from '../../src/postgres/session.ts';

const session: Transaction = {
  query: async () => [],
  run: async () => '',
  send: () => {},
  last: async () => [],
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
    async () => [],
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
    async () => [],
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

it('records of one kind in several works → done at once by each transaction; where some fail, each by itself', async () => {
  const { ask, goOn } = database();
  const done: (readonly number[])[] = [];
  const joint = new Joint<number>(async (_, records, now) => {
    done.push([...records, now]);
    if (records.includes(3)) throw new TypeError('3');
  });
  const keep = (records: readonly number[], now: number) =>
    ask('', {
      join: group => joint.join(group, records, now),
      work: async (of, group) => {
        await joint.perform(group, of);
        return records.join();
      },
    });
  const asked = [ask('first'), keep([1, 2], 20), keep([4], 30), keep([5], 10)];
  await goOn();
  expect(done.splice(0)).toEqual([[1, 2, 4, 5, 30]]);
  expect(await Promise.all(asked)).toEqual(['first', '1,2', '4', '5']);
  const failing = Promise.allSettled([ask('first'), keep([1, 2], 20), keep([3], 30), keep([4], 40)]);
  await goOn();
  expect(done).toEqual([
    [1, 2, 3, 4, 40],
    [1, 2, 20],
    [3, 30],
    [4, 40],
  ]);
  expect((await failing).map(one => one.status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
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

/**
 * Works over pages, named by their accounts, in a database where somebody else holds some, and a lock of no page besides:
 * who needs one of them waits for as long as is waited. `turns` are transactions, `looks` how many pages each was for.
 */
function heldDatabase(...accounts: readonly number[]) {
  const held = new Set<number | 'lock'>(accounts);
  const turns: string[] = [];
  const looks: number[] = [];
  const names = new WeakMap<object, string>();
  let waited = 0;
  const together = new Together(
    async transaction => {
      await new Promise(setImmediate);
      return transaction(session).catch(async error => {
        await new Promise(resolve => setTimeout(resolve, waited));
        throw error;
      });
    },
    (_, works, lockMs) => {
      waited = lockMs;
      turns.push(`${lockMs} ms: ${works.map(one => names.get(one.work)).join(', ')}`);
    },
    async pages => {
      looks.push(pages.length);
      return pages.filter(({ account }) => held.has(account));
    },
  );
  const work = (name: string, of: readonly number[], lacks: boolean = false): PageWork<string> => {
    const run = async () => {
      if ((lacks && held.has('lock')) || of.some(account => held.has(account))) throw locked();
      return name;
    };
    names.set(run, name);
    return { rank: 0, pages: of.map(account => ({ account, sender: 'page' })), count: 1, work: run };
  };
  const ask = (name: string, ...of: readonly number[]) => together.run(work(name, of));
  return { together, turns, looks, work, ask, hold: () => held.add('lock'), release: () => held.clear() };
}

it('somebody else holds a page → one group waits for it, once; what is for that page waits aside, and all else is done', async () => {
  const { together, turns, work, ask, release } = heldDatabase(1);
  const own = [ask('first', 2), ask('a', 2), ask('held', 1), ask('b', 3)];
  expect(await Promise.all([own[0], own[1], own[3]])).toEqual(['first', 'a', 'b']);
  expect(turns.splice(0)).toEqual(['200 ms: first', '200 ms: a, held, b', '20 ms: a, b']);
  // Those that come then: by itself, of several pages that can be parted or not, and one that knows what else to do.
  const parts = [work('part 1', [1]), work('part 2', [2])];
  const later = [
    ask('held too', 1),
    together.run({ ...work('both', [2, 1]), parts: () => parts }),
    ask('all or none', 3, 1),
  ];
  await expect(together.run({ ...work('urgent', [2, 1]), isUrgent: true })).rejects.toThrow(Unavailable);
  expect(await Promise.all([ask('c', 2), ask('d', 3)])).toEqual(['c', 'd']);
  expect(turns.splice(0)).toEqual(['200 ms: part 2', '200 ms: c, d']);
  release();
  expect(await Promise.all([own[2], ...later])).toEqual(['held', 'held too', undefined, 'all or none']);
  expect(turns).toEqual(['200 ms: held, held too, all or none, part 1']);
});

it('some of many pages of one work are held → found by one look, and the parts of the others are done', async () => {
  const accounts = Array.from({ length: 500 }, (_, index) => index);
  const { together, turns, looks, work, release } = heldDatabase(7, 70);
  const done: number[] = [];
  const parts = accounts.map(account => {
    const part = work(`${account}`, [account]);
    return { ...part, work: async (...of: Parameters<typeof part.work>) => done.push(Number(await part.work(...of))) };
  });
  const whole = together.run({ ...work('whole', accounts), parts: () => parts });
  await expect.poll(() => done.length).toBe(498);
  expect(looks[0]).toBe(500);
  expect(Math.max(0, ...looks.slice(1))).toBeLessThanOrEqual(2);
  expect(turns[0]).toBe('200 ms: whole');
  expect(turns).toHaveLength(1 + Math.ceil(498 / 64));
  release();
  expect(await whole).toBeUndefined();
  expect(done.toSorted((a, b) => a - b)).toEqual(accounts);
});

/** Time that passes as a test says, but for what a database takes to answer. */
function drivenClock() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  return async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 10) {
      for (let turn = 0; turn < 8; turn++) await new Promise(setImmediate);
      await vi.advanceTimersByTimeAsync(10);
    }
  };
}

it('however many pages are held for long → what is for them is rejected once it has waited for five seconds', async () => {
  const accounts = Array.from({ length: 40 }, (_, index) => index + 1);
  const { ask, looks } = heldDatabase(...accounts);
  const pass = drivenClock();
  const failed: number[] = [];
  for (const account of accounts) ask(`${account}`, account).catch(() => failed.push(account));
  await pass(4800);
  expect(failed).toEqual([]);
  await pass(1200);
  expect(failed).toEqual(accounts);
  expect(looks.length).toBeLessThan(150);
});

it('a lock that is on no page → what waits for it is tried alone, for five seconds at most, and holds up no group', async () => {
  const { together, turns, ask, work, hold, release } = heldDatabase();
  const pass = drivenClock();
  hold();
  const waits = (name: string) => together.run(work(name, [1], true));
  const first = ask('first', 2);
  const lasting = waits('x').catch(() => 'rejected');
  const other = ask('a', 1);
  await pass(300);
  expect(await Promise.all([first, other])).toEqual(['first', 'a']);
  expect(turns.slice(0, 4)).toEqual(['200 ms: first', '200 ms: x, a', '20 ms: x', '20 ms: a']);
  const others = Array.from({ length: 10 }, (_, index) => ask(`b${index}`, 1));
  await pass(4000);
  expect(await Promise.all(others)).toHaveLength(10);
  expect(turns.slice(4).filter(turn => turn !== '20 ms: x').length).toBeLessThanOrEqual(2);
  await pass(1200);
  expect(await lasting).toBe('rejected');
  const ended = waits('y');
  await pass(300);
  release();
  await pass(300);
  expect(await ended).toBe('y');
});
