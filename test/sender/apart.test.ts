import fc from 'fast-check';
import { DatabaseError } from 'pg';
import { expect, test } from 'vitest';
import { Unavailable, Unusable, WrongValues } from '../../src/failures.ts';
import { apart } from '../../src/sender/apart.ts';

const kinds = fc.constantFrom('sound', 'sound', 'defect', 'values');

test('any records broken, and an outage at any time → each is done once, told of, or left; no defect but beside what was done', async () => {
  const cases = fc.tuple(fc.array(kinds, { maxLength: 40 }), fc.integer({ min: 1, max: 100 }));
  await fc.assert(
    fc.asyncProperty(cases, async ([records, outageAt]) => {
      const done: number[] = [];
      const failed: number[] = [];
      let calls = 0;
      const work = async (those: readonly number[]) => {
        if (++calls === outageAt) throw new Unavailable('away');
        if (those.some(one => records[one] === 'defect')) throw new TypeError('broken');
        if (those.some(one => records[one] === 'values')) throw new WrongValues('broken');
        done.push(...those);
      };
      const cut = await apart([...records.keys()], work, one => failed.push(one));
      const left = cut?.left ?? [];
      expect([...done, ...failed, ...left].sort((a, b) => a - b)).toEqual([...records.keys()]);
      expect(done.filter(one => records[one] !== 'sound')).toEqual([]);
      expect(failed.filter(one => records[one] === 'sound')).toEqual([]);
      const isOutage = calls >= outageAt;
      if (!isOutage) expect(left.filter(one => done.length > 0 || records[one] !== 'defect')).toEqual([]);
      if (done.length === 0) expect(failed.filter(one => records[one] === 'defect')).toEqual([]);
      expect(cut?.error instanceof Unavailable).toBe(isOutage);
    }),
  );
});

const database = (code: string) => Object.assign(new DatabaseError('no', 0, 'error'), { code });

test.each<readonly [string, Error]>([
  ['an outage', new Unavailable('away')],
  ['a store that cannot be used', new Unusable('of a newer program')],
  ['a defect', new TypeError('broken')],
  ...['42501', '42P01', '42703', '0A000', 'P0001'].map(code => [`PostgreSQL’s ${code}`, database(code)] as const),
])('%s for all of them, or for one alone → nobody is blamed for it', async (_, error) => {
  for (const records of [[1], [1, 2, 3]]) {
    const failed: number[] = [];
    const work = () => Promise.reject(error);
    expect(await apart(records, work, one => failed.push(one))).toEqual({ left: records, error });
    expect(failed).toEqual([]);
  }
});

test.each([new WrongValues('no'), database('22P05'), database('23505'), database('54000')])(
  'values that are not taken (%s) → given up, also alone',
  async error => {
    const failed: number[] = [];
    const work = () => Promise.reject(error);
    expect(await apart([1, 2], work, one => failed.push(one))).toBe(undefined);
    expect(failed).toEqual([1, 2]);
  },
);
