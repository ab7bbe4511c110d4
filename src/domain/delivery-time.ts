/** Counts of delivery times by class (`classOf`); what is not there is 0. */
export type DeliveryTimes = ReadonlyMap<number, number>;

/** Up to here each millisecond is a class of its own. */
export const exactMs = 128;
/** Classes between a power of two and the next: a class is at most 1/64 of its times wide, its middle within 0.8 %. */
export const classesPerDoubling = 64;
const exactDoublings = Math.log2(exactMs);

/** The class of a time in ms. A receipt dated before its message counts as 0 ms. */
export function classOf(ms: number): number {
  const whole = Math.max(0, Math.floor(ms));
  if (whole < exactMs) return whole;
  // Not by the logarithm, whose rounding would put a power of two into the class before it.
  const doubling = doublingOf(whole);
  const width = 2 ** (doubling - Math.log2(classesPerDoubling));
  return exactMs + (doubling - exactDoublings) * classesPerDoubling + Math.floor(whole / width) - classesPerDoubling;
}

/** The greatest power of two that is not above `whole`, as an exponent. */
function doublingOf(whole: number): number {
  if (whole < 2 ** 31) return 31 - Math.clz32(whole);
  return 31 + doublingOf(Math.floor(whole / 2 ** 31));
}

/** The middle of a class, in ms. */
export function msOf(timeClass: number): number {
  if (timeClass < exactMs) return timeClass;
  const above = timeClass - exactMs;
  const doubling = exactDoublings + Math.floor(above / classesPerDoubling);
  const width = 2 ** (doubling - Math.log2(classesPerDoubling));
  return (classesPerDoubling + (above % classesPerDoubling)) * width + Math.floor((width - 1) / 2);
}

/** The time that a `share` of all are not above, by nearest rank; `undefined` when there are none. */
export function quantile(times: DeliveryTimes, share: number): number | undefined {
  let total = 0;
  for (const count of times.values()) total += count;
  if (total === 0) return undefined;
  const rank = Math.max(1, Math.ceil(share * total));
  let passed = 0;
  for (const timeClass of [...times.keys()].sort((a, b) => a - b)) {
    passed += times.get(timeClass) ?? 0;
    if (passed >= rank) return msOf(timeClass);
  }
  throw new RangeError('counts of delivery times do not add up');
}
