import { limits } from '../limits.ts';
import { classOf, quantiles } from './delivery-time.ts';
import type { LogRecord, Price } from './message.ts';
import { statusGroupNames } from './registry.ts';

export const nanosPerUnit = 1_000_000_000;
export const groupsCount = statusGroupNames.length;

/** What of a message its summary needs. */
export type Counted = Pick<
  LogRecord,
  'sentAt' | 'sender' | 'campaignReferenceId' | 'messageCount' | 'status' | 'error' | 'doneAt' | 'price'
>;

/** From `sentAt` to `doneAt` of the `count` delivered messages that have one, in ms to within 1 %; by nearest rank. */
export type DeliveryMs = { readonly count: number; readonly p50?: number; readonly p95?: number };

/**
 * `pricePerMessage` × `messageCount` of all messages that have a price of this currency, to the billionth or to 15 digits.
 * Absent where a price in it is too great to be added: `limits.pricePerMessageMax`.
 */
export type PriceSum = { readonly currency: string; readonly sum?: number; readonly count: number };

/** `high` has multiples of `highNanos`, so that both add up without rounding: what was taken out leaves nothing behind. */
type Amount = { high: number; low: number; count: number };

/** Takes what any message counts for, piece by piece; `by` is negative when it is taken out. */
export type FigureTally = {
  group(groupId: number, by: number): void;
  /** Of a delivered message: the class of its time (see delivery-time.ts). */
  delivery(timeClass: number, by: number): void;
  /** `NaN` for what cannot be summed up, and then neither can the whole. */
  price(currency: string, nanos: number, by: number): void;
};

type Loose<T> = { readonly [K in keyof T]: T[K] | undefined };

/** A message of many is not copied for its tally, so getters may do. */
export type Tallied = Loose<Counted> & Pick<Counted, 'sentAt' | 'sender' | 'messageCount' | 'status' | 'error'>;

/** What a message counts for, whatever became of it. */
export function tallyFigures(message: Tallied, sign: 1 | -1, into: FigureTally): void {
  const { groupId, groupName } = message.status;
  into.group(groupId, sign);
  const { doneAt, price } = message;
  if (groupName === 'DELIVERED' && doneAt !== undefined) into.delivery(classOf(doneAt - message.sentAt), sign);
  if (price !== undefined) into.price(price.currency, nanosOf(price, message.messageCount) * sign, sign);
}

/** What one message can cost. Version 0.1.0 also recorded prices beyond it. */
const nanosMax = limits.pricePerMessageMax * limits.messageCountMax * nanosPerUnit;
/** More than any log can hold of such messages: a sum beyond it has one in it that nobody counted as `NaN`. */
const sumMax = nanosMax * 1e12;

/** Of an amount in parts: a million parts below it are exact in a double, and ten million of the greatest prices above it. */
export const highNanos = 2 ** 33;

/** What of an amount is in multiples of `highNanos`; the rest is less than one. */
export function highOf(nanos: number): number {
  return Math.trunc(nanos / highNanos) * highNanos;
}

/** What a message cost; `NaN` where it lies beyond what can be summed up. */
function nanosOf({ pricePerMessage }: Price, messageCount: number): number {
  const nanos = Math.round(pricePerMessage * messageCount * nanosPerUnit);
  return nanos <= nanosMax ? nanos : Number.NaN;
}

/** How many messages there are, what became of them, how long it took and what it cost, in a form that adds up. */
export class Figures implements FigureTally {
  /** By the group's number. */
  readonly groups: number[] = new Array<number>(groupsCount).fill(0);
  readonly deliveries = new Map<number, number>();
  readonly prices = new Map<string, Amount>();

  group(groupId: number, by: number): void {
    this.groups[groupId] = (this.groups[groupId] ?? 0) + by;
  }

  delivery(timeClass: number, by: number): void {
    bump(this.deliveries, timeClass, by);
  }

  price(currency: string, nanos: number, by: number): void {
    const amount = this.prices.get(currency) ?? { high: 0, low: 0, count: 0 };
    const high = highOf(nanos);
    amount.high += high;
    amount.low += nanos - high;
    if (!(Math.abs(amount.high) <= sumMax)) amount.low = Number.NaN;
    amount.count += by;
    if (amount.count === 0 && amount.high + amount.low === 0) this.prices.delete(currency);
    else this.prices.set(currency, amount);
  }
}

export function deliveryTimes({ deliveries }: Figures): DeliveryMs {
  let count = 0;
  for (const times of deliveries.values()) count += times;
  const [p50, p95] = quantiles(deliveries, [0.5, 0.95]);
  return { count, ...(p50 !== undefined && { p50 }), ...(p95 !== undefined && { p95 }) };
}

/** In the order of the currencies' names. */
export function priceSums({ prices }: Figures): readonly PriceSum[] {
  return (
    [...prices]
      // What is left of none is what rounding left.
      .filter(([, { count }]) => count !== 0)
      .map(([currency, { high, low, count }]) => ({
        currency,
        ...(!Number.isNaN(high + low) && { sum: sumOf(high + low) }),
        count,
      }))
      .sort((a, b) => (a.currency < b.currency ? -1 : 1))
  );
}

/** Beyond what a double holds to the billionth, digits further than these depend on the order in which an engine added. */
function sumOf(nanos: number): number {
  return Number.isSafeInteger(nanos) ? nanos / nanosPerUnit : Number((nanos / nanosPerUnit).toPrecision(15));
}

export function bump<K>(counts: Map<K, number>, key: K, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
