import { classOf } from './delivery-time.ts';
import { deliveryErrorByKey, statusGroupNames } from './registry.ts';
import { type Counted, nanosPerUnit } from './summary.ts';

/** Beyond so many different senders or campaigns in failed messages, a cell no longer tells them apart. */
export const namesMax = 5_000;

export const failedGroups: ReadonlySet<string> = new Set(['UNDELIVERABLE', 'EXPIRED', 'REJECTED']);
const groupsCount = statusGroupNames.length;

type Amount = { nanos: number; count: number };

/**
 * What a summary says of some messages, in a form that adds up: cells of parts make the cell of the whole, and a
 * message whose state changes is taken out as it was and put in as it is. Counts may be negative meanwhile.
 */
export class SummaryCell {
  /** By the group's number. */
  readonly groups: number[] = new Array<number>(groupsCount).fill(0);
  readonly deliveries = new Map<number, number>();
  readonly prices = new Map<string, Amount>();
  /** Of failed messages, by the error's key. */
  readonly errors = new Map<number, number>();
  readonly senders = new Map<string, number>();
  readonly campaigns = new Map<string, number>();
  /** There were more names than are told apart: `senders` and `campaigns` mean nothing. */
  overflowed = false;

  /** Counts a message in, or out again with `sign` -1. */
  count(message: Counted, sign: 1 | -1): void {
    const { groupId, groupName } = message.status;
    this.groups[groupId] = (this.groups[groupId] ?? 0) + sign;
    if (groupName === 'DELIVERED' && message.doneAt !== undefined)
      bump(this.deliveries, classOf(message.doneAt - message.sentAt), sign);
    if (message.price !== undefined) {
      const { pricePerMessage, currency } = message.price;
      this.#charge(currency, Math.round(pricePerMessage * message.messageCount * nanosPerUnit) * sign, sign);
    }
    if (!failedGroups.has(groupName)) return;
    bump(this.errors, message.error.key, sign);
    this.#name(this.senders, message.sender, sign);
    if (message.campaignReferenceId !== undefined) this.#name(this.campaigns, message.campaignReferenceId, sign);
  }

  /** Adds another cell to this one. */
  add(other: SummaryCell): void {
    for (let i = 0; i < groupsCount; i++) this.groups[i] = (this.groups[i] ?? 0) + (other.groups[i] ?? 0);
    for (const [timeClass, count] of other.deliveries) bump(this.deliveries, timeClass, count);
    for (const [currency, { nanos, count }] of other.prices) this.#charge(currency, nanos, count);
    for (const [key, count] of other.errors) bump(this.errors, key, count);
    for (const [name, count] of other.senders) this.#name(this.senders, name, count);
    for (const [name, count] of other.campaigns) this.#name(this.campaigns, name, count);
    if (other.overflowed) this.#overflow();
  }

  /** As plain JSON; `cellOf` reads it back. */
  toJSON(): readonly unknown[] {
    const prices = [...this.prices].map(([currency, { nanos, count }]) => [currency, nanos, count]);
    const lists = [this.deliveries, this.errors, this.senders, this.campaigns].map(map => [...map]);
    return [this.groups, ...lists, prices, this.overflowed ? 1 : 0];
  }

  #charge(currency: string, nanos: number, count: number): void {
    const amount = this.prices.get(currency);
    if (amount === undefined) this.prices.set(currency, { nanos, count });
    else {
      amount.nanos += nanos;
      amount.count += count;
      if (amount.count === 0 && amount.nanos === 0) this.prices.delete(currency);
    }
  }

  #name(names: Map<string, number>, name: string, count: number): void {
    if (this.overflowed) return;
    bump(names, name, count);
    if (names.size > namesMax) this.#overflow();
  }

  #overflow(): void {
    this.overflowed = true;
    this.senders.clear();
    this.campaigns.clear();
  }
}

/** Reads back what `JSON.stringify` made of a cell; a `TypeError` for anything else. */
export function cellOf(value: unknown): SummaryCell {
  const [groups, deliveries, errors, senders, campaigns, prices, overflowed] = listOf(value);
  const cell = new SummaryCell();
  for (const [i, count] of listOf(groups).entries()) cell.groups[i] = numberOf(count);
  for (const [timeClass, count] of pairs(deliveries)) cell.deliveries.set(numberOf(timeClass), numberOf(count));
  // An error that is none of the registry's would fail whoever asks for the summary.
  for (const [key, count] of pairs(errors)) cell.errors.set(deliveryErrorByKey(numberOf(key)).key, numberOf(count));
  for (const [name, count] of pairs(senders)) cell.senders.set(textOf(name), numberOf(count));
  for (const [name, count] of pairs(campaigns)) cell.campaigns.set(textOf(name), numberOf(count));
  for (const [currency, nanos, count] of pairs(prices))
    cell.prices.set(textOf(currency), { nanos: numberOf(nanos), count: numberOf(count) });
  cell.overflowed = overflowed === 1;
  return cell;
}

function bump<K>(counts: Map<K, number>, key: K, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}

const notACell = (value: unknown) => new TypeError(`${JSON.stringify(value)?.slice(0, 40)} is no part of a cell`);

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw notACell(value);
  return value;
}

const pairs = (value: unknown): readonly (readonly unknown[])[] => listOf(value).map(listOf);

function numberOf(value: unknown): number {
  if (typeof value !== 'number') throw notACell(value);
  return value;
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw notACell(value);
  return value;
}
