import { describe, expect, it } from 'vitest';
import {
  deliveryErrorByKey,
  deliveryErrors,
  noError,
  pendingAccepted,
  statusByKey,
  statuses,
  statusGroupNames,
} from '../../src/domain/registry.ts';

describe('the registry', () => {
  it('every status → found by its key, in a group callers can filter by', () => {
    for (const status of statuses) {
      expect(statusByKey(status.key)).toBe(status);
      expect(statusGroupNames[status.groupId]).toBe(status.groupName);
    }
  });

  it('every error → found by its key', () => {
    for (const error of deliveryErrors) expect(deliveryErrorByKey(error.key)).toBe(error);
  });

  it('one group and id → one entry', () => {
    for (const entries of [statuses, deliveryErrors]) {
      const codes = entries.map(({ groupId, id }) => `${groupId}/${id}`);
      expect(new Set(codes).size).toBe(codes.length);
    }
  });

  it('every entry → a name in capitals and a description', () => {
    for (const { name, description } of [...statuses, ...deliveryErrors]) {
      expect(name).toMatch(/^[A-Z0-9_]+$/);
      expect(description).not.toBe('');
    }
  });

  it('an entry → cannot be changed by whoever holds it', () => {
    for (const entry of [...statuses, ...deliveryErrors]) expect(Object.isFrozen(entry)).toBe(true);
  });

  it.each([
    ['PENDING_ACCEPTED', { groupId: 1, groupName: 'PENDING', id: 26, final: false }],
    ['PENDING_ENROUTE', { groupId: 1, groupName: 'PENDING', id: 7, final: false }],
    ['UNDELIVERABLE_NOT_DELIVERED', { groupId: 2, groupName: 'UNDELIVERABLE', id: 9, final: true }],
    ['DELIVERED_TO_OPERATOR', { groupId: 3, groupName: 'DELIVERED', id: 2, final: false }],
    [
      'DELIVERED_TO_HANDSET',
      { groupId: 3, groupName: 'DELIVERED', id: 5, final: true, description: 'Message delivered to handset' },
    ],
    ['EXPIRED_EXPIRED', { groupId: 4, groupName: 'EXPIRED', id: 15, final: true }],
    ['REJECTED_NETWORK', { groupId: 5, groupName: 'REJECTED', id: 6, final: true }],
  ])('%s → as the vendor lists it', (name, expected) => {
    expect(statuses.filter(status => status.name === name)).toEqual([expect.objectContaining(expected)]);
  });

  it('every pending status → not final; every other but DELIVERED_TO_OPERATOR → final', () => {
    for (const { name, groupName, final } of statuses)
      expect([name, final]).toEqual([name, groupName !== 'PENDING' && name !== 'DELIVERED_TO_OPERATOR']);
  });

  it('the names that start a message → the entries they name', () => {
    expect(pendingAccepted.name).toBe('PENDING_ACCEPTED');
    expect(noError).toMatchObject({ groupId: 0, groupName: 'OK', id: 0, description: 'No Error', permanent: false });
  });

  it('a key that no entry has → RangeError', () => {
    for (const key of [-1, 1, 999_999, Number.NaN]) {
      expect(() => statusByKey(key)).toThrow(RangeError);
      expect(() => deliveryErrorByKey(key)).toThrow(RangeError);
    }
  });
});
