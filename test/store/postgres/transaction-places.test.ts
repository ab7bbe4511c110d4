import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { TransactionPlaces } from '../../../src/store/postgres/record/transaction-places.ts';

const load = { records: 1, chars: 10 };

it('many wait aside and may go on at once → so many have a place at a time, and none comes in between', async () => {
  let started = 0;
  const places: TransactionPlaces = new TransactionPlaces(2, () => {
    while (started < 6 && !places.areTaken) start();
  });
  const partition = Promise.withResolvers<void>();
  let [atWork, most] = [0, 0];
  const ends: (() => void)[] = [];
  const start = () => {
    started++;
    places.take();
    void places
      .aside(started, load, () => partition.promise)
      .then(() => {
        most = Math.max(most, ++atWork);
        ends.push(() => {
          atWork--;
          places.leave();
        });
      });
  };
  start();
  await setImmediate();
  expect(started).toBe(6);
  partition.resolve();
  for (let ended = 0; ended < 6; ) {
    await setImmediate();
    expect(ends.length).toBeGreaterThan(0);
    for (const end of ends.splice(0)) {
      end();
      ended++;
    }
  }
  expect(most).toBe(2);
  expect(places.areTaken).toBe(false);
});

it('more of one account than its share → refused; of another, and once it went on, not', async () => {
  const places = new TransactionPlaces(10, () => {});
  const large = { records: limits.queuedRecordsMax / 4, chars: 0 };
  const partition = Promise.withResolvers<void>();
  const aside = (account: number) => places.aside(account, large, () => partition.promise);
  for (let place = 0; place < 4; place++) places.take();
  const waiting = [aside(1), aside(2)];
  await expect(aside(1)).rejects.toThrow('waits for a partition');
  expect(places.fitting(1, [load])).toBe(0);
  expect(places.fitting(3, [large, large])).toBe(2);
  partition.resolve();
  await Promise.all(waiting);
  await aside(1);
});
