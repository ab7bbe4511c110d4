import type { Worker } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import { StoreUnavailable } from '../../../src/store/store.ts';
import { SqliteLog, submission } from '../../support/sqlite-log.ts';

it('a thread that ends by a defect → the log cannot be used now, and nothing that was asked is to blame', async () => {
  const log = new SqliteLog();
  const started: Worker[] = [];
  const hear = (worker: Worker) => started.push(worker);
  process.on('worker', hear);
  const store = await log.open();
  process.off('worker', hear);
  onTestFinished(async () => {
    await store.close();
    log.remove();
  });
  // A thread reads what it is asked for, and this is nothing.
  for (const worker of started) worker.postMessage(null);
  const batch = { account: 1, binding: {}, receivedAt: Date.now(), sentSince: 0, submissions: [submission(1)] };
  for (let time = 0; time < 2; time++) {
    const asked = store.record(batch);
    await expect(asked).rejects.toThrow('a thread of the store ended');
    await expect(asked).rejects.toBeInstanceOf(StoreUnavailable);
  }
});
