import { expect, test } from 'vitest';
import { type Use, Uses } from '../../src/accounts/uses.ts';

test('uses that cannot be kept now → kept later, each once', async () => {
  const kept: Use[] = [];
  let fails = true;
  const uses = new Uses(async counted => {
    if (fails) throw new Error('the disk is full');
    kept.push(...counted);
  }, 60_000);
  uses.count({ key: 'a' }, 1);
  uses.count({ key: 'a' }, 3);
  uses.count({ user: 1 }, 2);
  await uses.flush();
  uses.count({ key: 'a' }, 2);
  fails = false;
  await uses.close();
  expect(kept).toEqual([
    { of: { key: 'a' }, count: 3, lastAt: 3 },
    { of: { user: 1 }, count: 1, lastAt: 2 },
  ]);
});
