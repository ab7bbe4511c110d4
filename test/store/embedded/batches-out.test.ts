import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type PackedBatch, packBatch } from '../../../src/store/embedded/segment/packed-batch.ts';
import { BatchesOut } from '../../../src/store/embedded/threads/batches-out.ts';
import { submission } from '../../support/sqlite-log.ts';

function batchOf(count: number): PackedBatch {
  const submissions = Array.from({ length: count }, (_, i) => submission(i));
  return packBatch({ account: 1, binding: {}, receivedAt: 5, sentSince: 0, submissions }, 7);
}

test.each([
  ['of few records', [1, 2], 1, [[1, 2]]],
  ['of many', [20, 30], 4, [[20, 30]]],
  ['of many, and of few', [20, 1, 30], 1, [[20, 1, 30]]],
  ['of a thousand in all', [400, 600, 20], 0, [[400, 600]]],
])('batches %s → they go over together, in their order, after so many turns', async (_, counts, turns, sent) => {
  const messages: number[][] = [];
  const out = new BatchesOut({
    expect: put => Promise.resolve(put(1)),
    send: request => {
      if (request.type === 'record') messages.push(request.batches.map(({ batch }) => batch.count));
    },
    fail: () => {},
  });
  for (const count of counts) void out.record(batchOf(count));
  for (let turn = 0; turn < turns; turn++) {
    expect(messages).toEqual([]);
    await setImmediate();
  }
  expect(messages).toEqual(sent);
});

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
    const batch = batchOf(count);
    const told = await Promise.allSettled([out.record(batch), out.record(batch)]);
    expect(told.map(one => one.status === 'rejected' && String(one.reason))).toEqual(
      Array(2).fill('Error: it cannot be cloned'),
    );
  },
);
