import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { summaryRange } from '../../../src/domain/summary.ts';
import { SharedQuestion } from '../../../src/store/embedded/threads/shared-question.ts';
import { Thread } from '../../../src/store/embedded/threads/thread.ts';
import { SqliteLog, submission } from '../../support/sqlite-log.ts';

/** Questions that are answered when a test says so. */
function questions() {
  const asked: PromiseWithResolvers<unknown>[] = [];
  const question = new SharedQuestion(() => {
    const one = Promise.withResolvers<unknown>();
    asked.push(one);
    return one.promise;
  });
  return { asked, question };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('no answer → each goes on after its own time, and one question was asked', async () => {
  const { asked, question } = questions();
  const over: number[] = [];
  const waits = [30, 10, 20].map(ms => question.settled(ms).then(() => over.push(ms)));
  await vi.advanceTimersByTimeAsync(9);
  expect(over).toEqual([]);
  await vi.advanceTimersByTimeAsync(11);
  expect(over).toEqual([10, 20]);
  await vi.advanceTimersByTimeAsync(10);
  await Promise.all(waits);
  expect([over, asked.length, vi.getTimerCount()]).toEqual([[10, 20, 30], 1, 0]);
});

test.each([
  ['an answer', (one: PromiseWithResolvers<unknown>) => one.resolve('told')],
  ['a failure', (one: PromiseWithResolvers<unknown>) => one.reject(new Error('the thread ended'))],
])('%s → all go on at once, and the next question is asked anew', async (_, settle) => {
  const { asked, question } = questions();
  for (let round = 0; round < 2; round++) {
    const waits = [question.settled(10), question.settled(20)];
    for (const one of asked) settle(one);
    await Promise.all(waits);
    expect([asked.length, vi.getTimerCount()]).toEqual([round + 1, 0]);
  }
});

test('given up while it waits → rejects with the reason; others wait on', async () => {
  const { asked, question } = questions();
  const [caller, reason] = [new AbortController(), new Error('gone')];
  const [given, other] = [question.settled(1000, caller.signal), question.settled(1000)];
  caller.abort(reason);
  await expect(given).rejects.toBe(reason);
  await expect(question.settled(1000, caller.signal)).rejects.toBe(reason);
  for (const one of asked) one.resolve(undefined);
  await other;
  expect([asked.length, vi.getTimerCount()]).toEqual([1, 0]);
});

test.each([
  ['does not answer', () => new Promise(() => {})],
  ['has ended', () => Promise.reject(new Error('the thread ended'))],
])(
  'the writer %s → a summary by a filter is counted all the same, in its time; given up, at once',
  async (_, answer) => {
    vi.useRealTimers();
    const log = new SqliteLog();
    onTestFinished(() => log.remove());
    const store = await log.open();
    onTestFinished(() => store.close());
    const now = Date.now();
    const batch = (from: number) => ({
      account: 1,
      binding: {},
      receivedAt: now,
      sentSince: 0,
      submissions: Array.from({ length: 30 }, (_, i) =>
        submission(from + i, { sentAt: now - 1, sender: `page-${i % 3}` }),
      ),
    });
    const filter = { sender: 'page-1' };
    const range = summaryRange(filter, now - 3_600_000, now, 24);
    const query = { account: 1, filter, sentSince: now - 3_600_000, range, budgetMs: 60_000 };
    await store.record(batch(0));
    expect(await store.summarize(query)).toMatchObject({ total: 10, complete: true });
    const ask = Thread.prototype.ask;
    const asking = vi.spyOn(Thread.prototype, 'ask').mockImplementation(function (
      this: typeof Thread.prototype,
      request,
    ) {
      return request(0).type === 'meanings' ? answer() : ask.call(this, request);
    });
    onTestFinished(() => {
      asking.mockRestore();
    });
    await store.record(batch(30));
    expect(await store.summarize({ ...query, budgetMs: 8000 })).toMatchObject({ total: 20, complete: true });
    const reason = new Error('gone');
    await expect(store.summarize({ ...query, budgetMs: 1e9 }, AbortSignal.abort(reason))).rejects.toBe(reason);
  },
);
