import fc from 'fast-check';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { anyDamage, CrashedLog } from '../support/crashed-log.ts';

describe.each([
  ['', undefined],
  [' in volumes', { youngestLeft: 0, blockRows: 64 }],
])('a log%s', (_, merging) => {
  const crashed = new CrashedLog(merging);
  beforeAll(() => crashed.write());
  afterAll(() => crashed.remove());

  test('each file of a log, each damage, at its first, middle and last byte → the rest is served, and what is lacking told', async () => {
    for (const file of crashed.files)
      for (const what of ['flipped', 'zeroed', 'cut', 'emptied', 'deleted'])
        for (const at of what === 'emptied' || what === 'deleted' ? [0] : [0, 0.5, 1])
          try {
            await crashed.damaged({ what, at, bytes: 7314 }, [file], log => crashed.servesAndTells(log));
          } catch (cause) {
            throw new Error(`${file} ${what} at ${at}: ${cause instanceof Error ? cause.message : cause}`, { cause });
          }
  });

  test('anything done to any file of a log → the same', async () => {
    await fc.assert(
      fc.asyncProperty(anyDamage, fc.nat(), (damage, number) => {
        const file = crashed.files[number % crashed.files.length] ?? '';
        return crashed.damaged(damage, [file], log => crashed.servesAndTells(log));
      }),
      { numRuns: 300, endOnFailure: true },
    );
  });
});
