import { expect, test } from 'vitest';
import { queryOf } from '../../src/client/query.ts';

test('several values, and what is left out → lists, each value on its own', () => {
  const query = queryOf({
    generalStatus: ['EXPIRED', 'REJECTED'],
    errorId: 7003,
    not: { sender: '+44', errorName: ['A', 'B,C'], bulkId: [], generalStatus: 'PENDING' },
  });
  expect([...query]).toEqual([
    ['generalStatus', 'EXPIRED'],
    ['generalStatus', 'REJECTED'],
    ['errorId', '7003'],
    ['sender[not]', '+44'],
    ['errorName[not]', 'A'],
    ['errorName[not]', 'B\\,C'],
    ['generalStatus[not]', 'PENDING'],
  ]);
});
