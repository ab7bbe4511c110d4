import { describe, expect, test } from 'vitest';
import { KnownValues } from '../../web/src/view/known-values.ts';
import { countedAs, errorSought, isOneOfErrors, isShown } from '../../web/src/view/view.ts';

test.each([
  [{ groupId: 3, groupName: 'DELIVERED', id: 5, name: 'DELIVERED_TO_HANDSET' }, 'DELIVERED'],
  [{ groupName: 'PARKED', id: 99, name: 'PARKED_FOR_NOW' }, 'ACCEPTED'],
  [{}, 'ACCEPTED'],
])('the status %j → counted and filtered as %s', (status, group) => {
  expect(countedAs(status)).toBe(group);
});

test('what is accepted → has a place where there is any; every other group always', () => {
  expect([isShown('ACCEPTED', 0), isShown('ACCEPTED', undefined), isShown('ACCEPTED', 1)]).toEqual([
    false,
    false,
    true,
  ]);
  expect(isShown('REJECTED', 0)).toBe(true);
});

describe('an error is looked for', () => {
  test.each([
    ['by its name', { id: 10001, name: 'EC_BLOCKED_USER', groupName: 'USER_ERRORS' }, 'EC_BLOCKED_USER'],
    ['by its number where it has no name', { id: 77, groupName: 'USER_ERRORS' }, '77'],
    ['by its group where it has neither', { groupName: 'CARRIER_ERRORS' }, 'CARRIER_ERRORS'],
    ['by its number where its name would be taken for one', { id: 7, name: '123' }, '7'],
    ['not at all: a name that would be taken for a number', { name: '123', groupName: 'USER_ERRORS' }, undefined],
    ['not at all: a name of nothing that could be asked for', { name: ' , ' }, undefined],
    ['not at all: no word of it', {}, undefined],
  ])('%s', (_, error, sought) => {
    expect(errorSought(error)).toBe(sought);
    // What is offered is what the rows that are there are told by, too.
    if (sought !== undefined) expect(isOneOfErrors(error, [sought])).toBe(true);
  });

  test('names beside a number → as the API is asked: all are names; numbers alone → numbers', () => {
    const error = { id: 10001, name: 'EC_BLOCKED_USER' };
    expect(isOneOfErrors(error, ['10001', 'EC_X'])).toBe(false);
    expect(isOneOfErrors(error, ['10001', '5'])).toBe(true);
    expect(isOneOfErrors(error, ['EC_BLOCKED_USER', 'EC_X'])).toBe(true);
  });
});

test('errors of rows → suggested by what finds them, and others not', () => {
  const known = new KnownValues();
  const see = (error: object) => known.see({ ...row, error });
  see({ groupName: 'CARRIER_ERRORS' });
  see({ id: 5 });
  see({ name: ' ' });
  expect(known.holding('carrier', 5)).toEqual([{ field: 'error', values: ['CARRIER_ERRORS'] }]);
});

const row = {
  sender: 's',
  destination: 'd',
  messageId: 'm',
  sentAt: '2026-11-29T12:00:00.000+0000',
  messageCount: 1,
  status: {},
  content: { type: 'TEXT' },
} as const;
