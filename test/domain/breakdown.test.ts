import { expect, test } from 'vitest';
import { Parts } from '../../src/domain/breakdown.ts';

/** Of so many senders, the last the most frequent. */
function partsOf(senders: number, first?: number) {
  const parts = new Parts(['sender'], first);
  let looks = 0;
  for (let i = 1; i <= senders; i++) {
    const figures = parts.of([`s${i}`]);
    if (figures === undefined) throw new Error('no longer told apart');
    figures.group(1, i);
    const { deliveries } = figures;
    const values = deliveries.values.bind(deliveries);
    deliveries.values = () => {
      looks++;
      return values();
    };
  }
  return { told: () => parts.told(), looks: () => looks };
}

test('the first rows of many → they alone are reckoned, and the others counted', () => {
  const { told, looks } = partsOf(1000, 3);
  expect(told()).toMatchObject({ rows: [1000, 999, 998].map(messages => ({ messages })), more: 997 });
  expect(looks()).toBe(3);
});

test('no number of rows → all of them', () => {
  const all = partsOf(40).told();
  expect(all?.rows).toHaveLength(40);
  expect(all?.more).toBe(0);
});
