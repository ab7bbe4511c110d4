import { describe, expect, test } from 'vitest';
import type { Violation } from '../../src/domain/message.ts';
import { deliveryErrors, statuses } from '../../src/domain/registry.ts';
import { type GivenCode, readError, readStatus } from '../../src/wire/delivery-codes.ts';

function statusOf(given: GivenCode) {
  const violations: Violation[] = [];
  return { status: readStatus(given, violations), violations };
}

function errorOf(given: GivenCode) {
  const violations: Violation[] = [];
  return { error: readError(given, violations), violations };
}

const handset = statuses.find(one => one.name === 'DELIVERED_TO_HANDSET');

describe('readStatus', () => {
  test.each<[string, GivenCode]>([
    ['a bare id', 5],
    ['a bare name', 'DELIVERED_TO_HANDSET'],
    ['an id', { id: 5 }],
    ['a name', { name: 'DELIVERED_TO_HANDSET' }],
    ['an id with its group', { id: 5, groupId: 3, groupName: 'DELIVERED' }],
    ['the whole status', { id: 5, name: 'DELIVERED_TO_HANDSET', groupId: 3, groupName: 'DELIVERED' }],
    ['the whole status with its description', { id: 5, description: 'Message delivered to handset' }],
  ])('%s → the very entry of the registry', (_what, given) => {
    expect(handset).toBeDefined();
    const { status, violations } = statusOf(given);
    expect(status).toBe(handset);
    expect(violations).toEqual([]);
  });

  test("the caller's own description and action → kept", () => {
    expect(statusOf({ id: 5, description: 'arrived' }).status).toEqual({ ...handset, description: 'arrived' });
    expect(statusOf({ id: 5, action: 'none' }).status).toEqual({ ...handset, action: 'none' });
  });

  test.each<[string, GivenCode, string[]]>([
    ['an unknown id', 4711, ['status']],
    ['an unknown name', 'GONE', ['status']],
    ['a name of every object', 'constructor', ['status']],
    ['an unknown id in an object', { id: 4711 }, ['status.id']],
    ['an unknown name in an object', { name: 'GONE' }, ['status.name']],
    ['neither id nor name', { groupName: 'DELIVERED' }, ['status']],
    ['a name that contradicts the id', { id: 5, name: 'REJECTED_NETWORK' }, ['status.name']],
    ['an id in another group', { id: 5, groupId: 4, groupName: 'EXPIRED' }, ['status.groupId', 'status.groupName']],
    ['an id of two groups', 87, ['status']],
    ['an id of two groups in an object', { id: 87 }, ['status.id']],
    ['a name of two groups', 'SIGNALS_BLOCKED', ['status']],
    ['groups of both that do not fit each other', { id: 87, groupId: 4, groupName: 'REJECTED' }, ['status']],
  ])('%s → a violation', (_what, given, properties) => {
    const { violations } = statusOf(given);
    expect(violations.map(({ property }) => property)).toEqual(properties);
  });

  test('an id of two groups with its group → that one', () => {
    expect(statusOf({ id: 87, groupId: 4 }).status).toMatchObject({ groupName: 'EXPIRED', id: 87 });
    expect(statusOf({ id: 87, groupName: 'REJECTED' }).status).toMatchObject({ groupId: 5, id: 87 });
  });

  test('every entry, whole → itself', () => {
    for (const status of statuses) {
      const { groupId, groupName, id, name, description } = status;
      expect(statusOf({ groupId, groupName, id, name, description }).status).toBe(status);
    }
  });
});

describe('readError', () => {
  test('every entry, whole → itself', () => {
    for (const error of deliveryErrors) {
      const { groupId, groupName, id, name, description, permanent } = error;
      expect(errorOf({ groupId, groupName, id, name, description, permanent }).error).toBe(error);
    }
  });

  test('an id of two groups → a violation without its group', () => {
    expect(errorOf(4102).violations).toHaveLength(1);
    expect(errorOf({ id: 4102, groupId: 2 })).toMatchObject({ error: { groupId: 2, id: 4102 }, violations: [] });
  });

  test('a contradicting permanent → a violation', () => {
    const { violations } = errorOf({ id: 0, permanent: true });
    expect(violations.map(({ property }) => property)).toEqual(['error.permanent']);
  });

  test("the caller's own description → kept", () => {
    expect(errorOf({ name: 'NO_ERROR', description: 'fine' }).error).toMatchObject({ id: 0, description: 'fine' });
  });
});
