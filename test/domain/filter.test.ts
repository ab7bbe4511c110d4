import { describe, expect, it } from 'vitest';
import { type Filter, restrict } from '../../src/domain/filter.ts';
import type { Binding } from '../../src/domain/message.ts';

describe('restrict', () => {
  it.each<[string, Filter, Binding, Filter | undefined]>([
    ['no binding → the filter as it was', { sender: 's' }, {}, { sender: 's' }],
    [
      'a bound application → asked for as well',
      { sender: 's' },
      { applicationId: 'a' },
      { sender: 's', applicationId: 'a' },
    ],
    ['a bound entity → asked for as well', {}, { entityId: 'e' }, { entityId: 'e' }],
    ['both bound → both', {}, { applicationId: 'a', entityId: 'e' }, { applicationId: 'a', entityId: 'e' }],
    [
      'its own application asked for → unchanged',
      { applicationId: 'a' },
      { applicationId: 'a' },
      { applicationId: 'a' },
    ],
    ['another application asked for → nothing', { applicationId: 'b' }, { applicationId: 'a' }, undefined],
    ['another entity asked for → nothing', { entityId: 'f' }, { entityId: 'e' }, undefined],
    [
      'its application, another entity → nothing',
      { applicationId: 'a', entityId: 'f' },
      { applicationId: 'a', entityId: 'e' },
      undefined,
    ],
    [
      'an application asked for, an entity bound → both',
      { applicationId: 'b' },
      { entityId: 'e' },
      { applicationId: 'b', entityId: 'e' },
    ],
    ['letters of another case → another application', { applicationId: 'A' }, { applicationId: 'a' }, undefined],
  ])('%s', (_condition, filter, binding, expected) => {
    expect(restrict(filter, binding)).toEqual(expected);
  });

  it('a filter → not changed itself', () => {
    const filter: Filter = { sender: 's' };
    restrict(filter, { applicationId: 'a' });
    expect(filter).toEqual({ sender: 's' });
  });
});
