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

/** Beyond the greatest class that a time can have. */
const classesEnd = classOf(Number.MAX_SAFE_INTEGER) + 1;
/** Counts by class while quantiles are looked up: all 0 in between. Sorting the classes of a map takes ten times as long. */
const countsByClass = new Float64Array(classesEnd);

/**
 * The times that these shares of all, in rising order, are not above, by nearest rank; `undefined` when there are none.
 * Reads the times once.
 */
export function quantiles(times: DeliveryTimes, shares: readonly number[]): readonly (number | undefined)[] {
  let total = 0;
  let [first, last] = [classesEnd, -1];
  for (const [timeClass, count] of times) {
    total += count;
    countsByClass[timeClass] = count;
    first = Math.min(first, timeClass);
    last = Math.max(last, timeClass);
  }
  const found: number[] = [];
  let passed = 0;
  for (let timeClass = Math.max(0, Math.floor(first)); timeClass <= Math.min(last, classesEnd - 1); timeClass++) {
    passed += countsByClass[timeClass] ?? 0;
    countsByClass[timeClass] = 0;
    while (found.length < shares.length && passed >= Math.max(1, Math.ceil((shares[found.length] ?? 0) * total)))
      found.push(msOf(timeClass));
  }
  if (total === 0) return shares.map(() => undefined);
  if (found.length < shares.length) throw new RangeError('counts of delivery times do not add up');
  return found;
}
