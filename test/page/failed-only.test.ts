import { expect, test } from 'vitest';
import { failedOnly, type View } from '../../web/src/view/view.ts';

const view: View = { conditions: {}, not: {}, range: { last: '48h' }, zone: 'UTC', live: true };

test.each([
  ['no status is asked for', {}, {}, ['UNDELIVERABLE', 'EXPIRED', 'REJECTED']],
  ['one that failed is', { generalStatus: ['EXPIRED'] }, {}, ['EXPIRED']],
  ['one that did not fail is, too', { generalStatus: ['DELIVERED', 'REJECTED'] }, {}, ['REJECTED']],
  ['one that failed is left out', {}, { generalStatus: ['REJECTED', 'PENDING'] }, ['UNDELIVERABLE', 'EXPIRED']],
])('a value of what failed, where %s → those messages alone that were counted of it', (_, conditions, not, groups) => {
  const next = failedOnly({ ...view, conditions, not: { ...not, sender: ['b'] } }, 'error', 'NO_ERROR');
  expect(next.conditions).toEqual({ error: ['NO_ERROR'], generalStatus: groups });
  expect(next.not).toEqual({ sender: ['b'] });
});
