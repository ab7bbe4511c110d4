import { expect, test } from 'vitest';
import type { Submission } from '../../src/domain/message.ts';
import { limits } from '../../src/limits.ts';
import { Gathering } from '../../src/mirror/gathering.ts';

const reports = (...ids: readonly string[]): Submission[] => ids.map(messageId => ({ messageId }));

/** A log whose calls end when the test says so; it rejects ids that begin with `bad`. */
function heldLog() {
  const calls: { readonly ids: readonly string[]; readonly end: (error?: Error) => void }[] = [];
  const gathering = new Gathering(async submissions => {
    const ids = submissions.map(({ messageId }) => messageId);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    calls.push({ ids, end: error => (error === undefined ? resolve() : reject(error)) });
    await promise;
    return {
      rejected: ids.flatMap((messageId, index) =>
        messageId.startsWith('bad') ? [{ index, messageId, violations: [] }] : [],
      ),
    };
  });
  return { gathering, calls };
}

test('what comes while a call is under way → one call after it, in order, and each hears of its own', async () => {
  const { gathering, calls } = heldLog();
  const [first, second, third] = [['a'], ['b', 'bad-c'], ['bad-d', 'e']].map(ids => gathering.add(reports(...ids)));
  expect(calls.map(({ ids }) => ids)).toEqual([['a']]);
  calls[0]?.end();
  expect(await first).toEqual([]);
  await expect.poll(() => calls.length).toBe(2);
  expect(calls[1]?.ids).toEqual(['b', 'bad-c', 'bad-d', 'e']);
  calls[1]?.end();
  expect(await second).toMatchObject([{ index: 1, messageId: 'bad-c' }]);
  expect(await third).toMatchObject([{ index: 0, messageId: 'bad-d' }]);
});

test('a call that fails → fails for those it was for, and what comes then is recorded', async () => {
  const { gathering, calls } = heldLog();
  const first = gathering.add(reports('a'));
  const second = gathering.add(reports('b'));
  calls[0]?.end(new Error('the disk is full'));
  await expect(first).rejects.toThrow('the disk is full');
  await expect.poll(() => calls.length).toBe(2);
  calls[1]?.end();
  expect(await second).toEqual([]);
  const third = gathering.add(reports('c'));
  await expect.poll(() => calls.length).toBe(3);
  calls[2]?.end();
  expect(await third).toEqual([]);
});

test('more than a batch waits → calls of no more than a batch, nothing left out', async () => {
  const { gathering, calls } = heldLog();
  const sizes = [1, limits.batchRecordsMax - 1, 1, 1, limits.batchRecordsMax];
  const all = sizes.map((size, i) => gathering.add(reports(...Array.from({ length: size }, (_, j) => `${i}-${j}`))));
  for (const [i, size] of [1, limits.batchRecordsMax, 1, limits.batchRecordsMax].entries()) {
    await expect.poll(() => calls.length).toBe(i + 1);
    expect(calls[i]?.ids).toHaveLength(size);
    calls[i]?.end();
  }
  expect(await Promise.all(all)).toEqual(sizes.map(() => []));
});
