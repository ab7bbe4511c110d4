import { scrypt } from 'node:crypto';
import { afterEach, expect, test, vi } from 'vitest';
import { hashPassword, PasswordVerifier } from '../../src/accounts/passwords.ts';

vi.mock('node:crypto', { spy: true });
afterEach(() => vi.clearAllMocks());

test('a flood of wrong passwords by one asker → the check of another waits for those under way and one turn', async () => {
  const verifier = new PasswordVerifier(Date.now);
  const stored = await hashPassword('right');
  vi.mocked(scrypt).mockClear();
  const flood = Array.from({ length: 12 }, (_, i) => verifier.verify('user', `wrong ${i}`, stored, 'flood'));
  expect(await verifier.verify('user', 'right', stored, 'another')).toBe(true);
  await Promise.all(flood);
  // By their order and not by their number when it ends: how long each takes is the machine's affair.
  const begun = vi.mocked(scrypt).mock.calls.map(([password]) => password);
  expect(begun).toHaveLength(13);
  expect(begun.indexOf('right')).toBeLessThanOrEqual(3);
});

test('a password in use for hours → checked once, and again when the stored hash is another', async () => {
  let now = 0;
  const verifier = new PasswordVerifier(() => now);
  const stored = await hashPassword('right');
  vi.mocked(scrypt).mockClear();
  for (let minute = 0; minute < 120; minute += 4) {
    now = minute * 60_000;
    expect(await verifier.verify('user', 'right', stored, 'streams')).toBe(true);
  }
  expect(scrypt).toHaveBeenCalledTimes(1);
  expect(await verifier.verify('user', 'right', await hashPassword('changed'), 'streams')).toBe(false);
});
