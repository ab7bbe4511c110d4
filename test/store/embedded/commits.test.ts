import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { SqliteLog, submission } from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { SimulatedLog } from './simulated-log.ts';

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

test('many record one message each at the same time → the writer is woken once for all of a turn', async () => {
  const log = new SqliteLog({ readerThreads: 1 });
  const store = await log.open();
  onTestFinished(async () => {
    await store.close();
    log.remove();
  });
  const record = (number: number) =>
    store.record({
      account: 1 + (number % 3),
      binding: {},
      receivedAt: now,
      sentSince: 0,
      submissions: [submission(number)],
    });
  const post = vi.spyOn(Worker.prototype, 'postMessage');
  onTestFinished(() => post.mockRestore());
  const outcomes = await Promise.all(Array.from({ length: 70 }, (_, i) => record(i)));
  expect(outcomes).toEqual(Array(70).fill({ recorded: 1, updated: 0, unchanged: 0, waiting: 0, rejected: [] }));
  const sent = post.mock.calls.flatMap(([{ type, batches }]) => (type === 'record' ? [batches.length] : []));
  expect(sent).toEqual([70]);
});

/** The system's disk, and which of its calls that change or sync something were made. */
function watchedDisk(): { readonly disk: Disk; readonly calls: string[] } {
  const calls: string[] = [];
  const watched = ['write', 'sync', 'syncData', 'syncFolder', 'rename', 'remove'] as const;
  const disk = { ...systemDisk };
  for (const name of watched)
    Object.assign(disk, {
      [name]: (...values: never[]) => {
        calls.push(name);
        return Reflect.apply(systemDisk[name], systemDisk, values);
      },
    });
  return { disk, calls };
}

test('batches are recorded, each by itself → one write and one wait for the disk each, and beside it two writes that nobody waits for', () => {
  const { disk, calls } = watchedDisk();
  const log = new SimulatedLog(temporaryFolder(), disk, 1000);
  onTestFinished(() => log.close());
  const record = (from: number, count: number, fields = {}) =>
    log.record({
      account: 1,
      binding: {},
      receivedAt: now,
      sentSince: 0,
      submissions: Array.from({ length: count }, (_, i) => submission(from + i, { sentAt: now, ...fields })),
    });
  record(0, 1);
  calls.length = 0;
  for (let batch = 1; batch <= 5; batch++) record(batch * 100, 100);
  for (let batch = 1; batch <= 5; batch++) record(batch * 100, 100, { seenAt: now });
  const ofOne = ['write', 'syncData', 'write', 'write'];
  expect(calls).toEqual(Array.from({ length: 10 }, () => ofOne).flat());
});
