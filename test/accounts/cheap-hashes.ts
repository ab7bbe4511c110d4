import { vi } from 'vitest';

const { scrypt } = await vi.importActual<typeof import('node:crypto')>('node:crypto');

/** In place of `scrypt`, of which a hash takes 150 ms of CPU: for tests of what is hashed, and at which cost. */
export function hashCheaply(...given: readonly unknown[]): void {
  const isCost = (one: unknown) => typeof one === 'object' && one !== null && 'N' in one;
  const cheap = given.map(one => (isCost(one) ? Object.assign({}, one, { N: 16, p: 1 }) : one));
  Reflect.apply(scrypt, undefined, cheap);
}
