/** A well-mixed 32-bit number out of a seed, an index below 2 ** 31 and a salt: all data is a function of the seed. */
export function mix(seed: number, index: number, salt: number): number {
  let hash = seed ^ Math.imul(index | 0, 0x9e3779b1) ^ Math.imul(salt + 1, 0x85ebca6b);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x7feb352d);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x846ca68b);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Visits every index of 0 … `count` - 1 once, in an order without pattern: `index` is the step. */
export function scattered(index: number, count: number): number {
  return (index * coprimeStep(count)) % count;
}

/** About the golden section of `count`, with no common divisor; the product with an index stays an exact integer. */
function coprimeStep(count: number): number {
  let step = Math.max(1, Math.floor(count * 0.6180339887));
  while (divisor(step, count) !== 1) step++;
  return step;
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}
