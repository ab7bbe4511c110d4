import { expect, test } from 'vitest';
import { packBatch } from '../../../src/store/embedded/segment/packed-batch.ts';
import { BatchesOut } from '../../../src/store/embedded/threads/batches-out.ts';
import { submission } from '../../support/sqlite-log.ts';

test.each([1, 20])(
  'batches of %i records that cannot be handed over → each fails with the reason, and nothing else',
  async count => {
    const waiting = new Map<number, (error: Error) => void>();
    const out = new BatchesOut({
      expect: put =>
        new Promise((_, reject) => {
          const id = waiting.size + 1;
          waiting.set(id, reject);
          put(id);
        }),
      send: () => {
        throw new Error('it cannot be cloned');
      },
      fail: (ids, error) => {
        for (const id of ids) waiting.get(id)?.(error);
      },
    });
    const submissions = Array.from({ length: count }, (_, i) => submission(i));
    const batch = packBatch({ account: 1, binding: {}, receivedAt: 5, sentSince: 0, submissions }, 7);
    const told = await Promise.allSettled([out.record(batch), out.record(batch)]);
    expect(told.map(one => one.status === 'rejected' && String(one.reason))).toEqual(
      Array(2).fill('Error: it cannot be cloned'),
    );
  },
);
