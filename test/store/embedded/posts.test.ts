import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test, vi } from 'vitest';
import { SqliteLog, submission } from '../../support/sqlite-log.ts';

const now = 1_700_000_000_000;

test('accounts record, one batch after the other → readers hear of it when somebody reads, each account once', async () => {
  const log = new SqliteLog({ readerThreads: 2 });
  const store = await log.open();
  onTestFinished(async () => {
    await store.close();
    log.remove();
  });
  const record = (account: number, number: number) =>
    store.record({ account, binding: {}, receivedAt: now, sentSince: 0, submissions: [submission(number)] });
  await record(1, 0);
  const post = vi.spyOn(Worker.prototype, 'postMessage');
  onTestFinished(() => post.mockRestore());
  for (let number = 1; number < 10; number++) await record(1 + (number % 2), number);
  const types = () => post.mock.calls.map(([{ type }]) => type);
  expect(types()).toEqual(Array(9).fill('record'));
  const find = () => store.find({ account: 1, filter: {}, sentSince: 0, limit: 10, walk: false });
  expect((await find()).logs).toHaveLength(5);
  await find();
  expect(types().slice(-4)).toEqual(['ends', 'ends', 'find', 'find']);
  await record(1, 10);
  expect((await find()).logs).toHaveLength(6);
});
