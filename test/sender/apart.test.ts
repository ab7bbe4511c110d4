import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Unavailable } from '../../src/failures.ts';
import { apart } from '../../src/sender/apart.ts';

test('any of the records broken → those alone are told of, and all others done, once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 40 }), async broken => {
      const done: number[] = [];
      const failed: number[] = [];
      const work = async (records: readonly number[]) => {
        if (records.some(one => broken[one])) throw new TypeError('broken');
        done.push(...records);
      };
      await apart([...broken.keys()], work, one => failed.push(one));
      expect(done).toEqual([...broken.keys()].filter(one => !broken[one]));
      expect(failed).toEqual([...broken.keys()].filter(one => broken[one]));
    }),
  );
});

test('an outage → nobody is blamed for it', async () => {
  const failed: number[] = [];
  const work = async () => {
    throw new Unavailable('away');
  };
  await expect(apart([1, 2], work, one => failed.push(one))).rejects.toThrow('away');
  expect(failed).toEqual([]);
});
