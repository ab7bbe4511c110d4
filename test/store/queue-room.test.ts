import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { limits } from '../../src/limits.ts';
import { QueueRoom } from '../../src/store/queue-room.ts';

const nearlyAll = { records: limits.queuedRecordsMax - 500, chars: 0 };
const great = { records: 1000, chars: 0 };
const small = { records: 300, chars: 0 };
const open = () => false;

test('a small load comes while a great one waits for room → taken after it', async () => {
  const room = new QueueRoom();
  await room.take(nearlyAll, open);
  const taken: string[] = [];
  const taking = [room.take(great, open).then(() => taken.push('great'))];
  taking.push(room.take(small, open).then(() => taken.push('small')));
  await setImmediate();
  expect(taken).toEqual([]);
  room.give(nearlyAll);
  await Promise.all(taking);
  expect(taken).toEqual(['great', 'small']);
  expect(room.records).toBe(1300);
});

test('there is room → taken by the time the call returns', async () => {
  const room = new QueueRoom();
  const taking = room.take(small, open);
  expect(room.records).toBe(small.records);
  await taking;
});

test('characters fill it before records do → whoever comes waits until some are given back', async () => {
  const room = new QueueRoom();
  const long = { records: 1, chars: limits.queuedCharsMax };
  await room.take(long, open);
  let isTaken = false;
  const taking = room.take({ records: 1, chars: 1 }, open).then(() => (isTaken = true));
  await setImmediate();
  expect(isTaken).toBe(false);
  room.give(long);
  await taking;
});

test('one that waits is refused → the next has its turn', async () => {
  const room = new QueueRoom();
  await room.take(nearlyAll, open);
  let isClosed = false;
  const refused = room.take(great, () => {
    if (isClosed) throw new Error('closed');
    return false;
  });
  const next = room.take(small, open);
  isClosed = true;
  room.wake();
  await expect(refused).rejects.toThrow('closed');
  await next;
  expect(room.records).toBe(nearlyAll.records + small.records);
});
