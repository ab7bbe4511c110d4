import { describe, expect, test } from 'vitest';
import type { Violation } from '../../src/domain/message.ts';
import { deliveryErrors, isRegistered, noError, statuses } from '../../src/domain/registry.ts';
import { type GivenCode, readError, readStatus } from '../../src/wire/record/delivery-codes.ts';

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
    ['its group in other letters', { id: 5, groupName: 'Delivered' }],
    ['an id beside another name', { id: 5, name: 'MESSAGE_DELIVERED', groupId: 3, groupName: 'DELIVERED' }],
    ['an id beside a name of another id', { id: 5, name: 'REJECTED_NETWORK' }],
    ['an id beside another group', { id: 5, groupId: 4, groupName: 'EXPIRED' }],
    ['an id beside a group that there is not', { id: 5, groupId: 77, groupName: 'Ok' }],
    ['a name beside another group', { name: 'DELIVERED_TO_HANDSET', groupId: 4 }],
    ['an id beside an empty name', { id: 5, name: '', groupName: '' }],
    ['a name beside permanent', { name: 'DELIVERED_TO_HANDSET', permanent: true }],
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
    ['an id of two groups', 87, ['status']],
    ['an id of two groups in an object', { id: 87 }, ['status.id']],
    ['a name of two groups', 'SIGNALS_BLOCKED', ['status']],
    ['an unknown id of a group that there is not', { id: 4711, groupId: 6, groupName: 'GONE' }, ['status.id']],
    ['an unknown name with a control character', { name: 'A\u0000B', groupId: 1 }, ['status.name']],
    ['an unknown name of 256 characters', { name: 'x'.repeat(256), groupId: 1 }, ['status.name']],
  ])('%s → a violation', (_what, given, properties) => {
    const { violations } = statusOf(given);
    expect(violations.map(({ property }) => property)).toEqual(properties);
  });

  test('an id of two groups with its group → that one', () => {
    expect(statusOf({ id: 87, groupId: 4 }).status).toMatchObject({ groupName: 'EXPIRED', id: 87 });
    expect(statusOf({ id: 87, groupName: 'REJECTED' }).status).toMatchObject({ groupId: 5, id: 87 });
  });

  test('an unknown id or name with its group → kept as it came', () => {
    const given = { groupId: 1, groupName: 'PENDING', id: 777, name: 'PENDING_CHECK', description: 'Under review' };
    expect(statusOf(given)).toMatchObject({ status: { ...given, final: false }, violations: [] });
    expect(isRegistered(statusOf(given).status ?? noError)).toBe(false);
    const cases: readonly (readonly [GivenCode, object])[] = [
      [
        { id: 777, groupId: 3 },
        { groupId: 3, groupName: 'DELIVERED', id: 777, final: true },
      ],
      [
        { name: 'GONE', groupName: 'expired' },
        { groupId: 4, groupName: 'EXPIRED', name: 'GONE', final: true },
      ],
      [
        { id: 0, groupName: 'ACCEPTED', action: 'wait' },
        { groupId: 0, id: 0, action: 'wait', final: false },
      ],
      [
        { id: 777, groupId: 5, groupName: 'Ok' },
        { groupId: 5, groupName: 'REJECTED', id: 777 },
      ],
      [
        { id: 777, groupId: 6, groupName: 'REJECTED' },
        { groupId: 5, groupName: 'REJECTED', id: 777 },
      ],
      [
        { id: 777, name: 'DELIVERED_TO_HANDSET' },
        { groupId: 3, id: 777, name: 'DELIVERED_TO_HANDSET' },
      ],
      [
        { id: 87, name: 'SIGNALS_BLOCKED', groupId: 2 },
        { groupId: 2, id: 87, name: 'SIGNALS_BLOCKED' },
      ],
    ];
    for (const [one, status] of cases) expect(statusOf(one)).toMatchObject({ status, violations: [] });
    expect(Object.keys(statusOf({ id: 777, groupId: 3 }).status ?? {}).sort()).toEqual(
      ['final', 'groupId', 'groupName', 'id', 'key'].sort(),
    );
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

  test('another permanent, name or group beside a known id → the entry of the registry', () => {
    expect(errorOf({ id: 0, permanent: true })).toEqual({ error: noError, violations: [] });
    expect(errorOf({ id: 0, name: 'OK', groupName: 'Ok' })).toEqual({ error: noError, violations: [] });
  });

  test('an unknown error with its group → kept as it came', () => {
    const given = {
      groupId: 2,
      groupName: 'USER_ERRORS',
      id: 7777,
      name: 'EC_NEW',
      description: 'new',
      permanent: true,
    };
    expect(errorOf(given)).toMatchObject({ error: given, violations: [] });
    expect(errorOf({ name: 'EC_NEW', groupName: 'Handset errors' }).error).toEqual({
      key: 19_999,
      groupId: 1,
      groupName: 'HANDSET_ERRORS',
      name: 'EC_NEW',
    });
    expect(errorOf({ id: 7777 }).violations).toHaveLength(1);
  });

  test("the caller's own description → kept", () => {
    expect(errorOf({ name: 'NO_ERROR', description: 'fine' }).error).toMatchObject({ id: 0, description: 'fine' });
  });
});
