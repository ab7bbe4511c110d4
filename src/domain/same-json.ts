import { isDeepStrictEqual } from 'node:util';

/**
 * Whether two JSON texts say the same: spaces, the order of keys and the way a number is written do not matter, and of
 * a key that stands twice the last counts. Numbers are compared as they are written, not as doubles, to the last digit.
 */
export function isSameJson(a: string, b: string): boolean {
  return a === b || isDeepStrictEqual(parsed(a), parsed(b));
}

type Context = { readonly source?: string };

function parsed(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: Context) =>
    typeof value === 'number' && context?.source !== undefined ? decimalOf(context.source) : value,
  );
}

/** A number of JSON as sign, digits without zeros at either end, and the power of ten of the last of them. */
class Decimal {
  readonly digits: string;
  readonly exponent: bigint;

  constructor(digits: string, exponent: bigint) {
    this.digits = digits;
    this.exponent = exponent;
  }
}

const zero = 0x30;

function decimalOf(source: string): Decimal {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source) ?? [];
  const digits = whole + fraction;
  let [first, end] = [0, digits.length];
  while (first < end && digits.charCodeAt(first) === zero) first++;
  while (end > first && digits.charCodeAt(end - 1) === zero) end--;
  if (first === end) return new Decimal('', 0n);
  const shift = digits.length - end - fraction.length;
  return new Decimal(sign + digits.slice(first, end), BigInt(exponent.replace('+', '')) + BigInt(shift));
}
