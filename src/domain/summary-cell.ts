import { bump, type Counted, Figures, type FigureTally, groupsCount, type Tallied, tallyFigures } from './figures.ts';
import { deliveryErrorByKey, isRegistered, nameOf } from './registry.ts';

/** Beyond so many different senders or campaigns in failed messages, a cell no longer tells them apart. */
export const namesMax = 5_000;

export const failedGroups: ReadonlySet<string> = new Set(['UNDELIVERABLE', 'EXPIRED', 'REJECTED']);

/** Takes what a failed message counts for, too. */
export type Tally = FigureTally & {
  /** Of a failed message, as the sender and the campaign. */
  error(key: number, by: number): void;
  /** Of a failed message whose error is not registered. */
  errorName(name: string, by: number): void;
  sender(name: string, by: number): void;
  campaign(name: string, by: number): void;
};

/** What a message counts for: with `tallyFigures` the one place that knows. */
export function tally(message: Tallied, sign: 1 | -1, into: Tally): void {
  tallyFigures(message, sign, into);
  if (!failedGroups.has(message.status.groupName)) return;
  if (isRegistered(message.error)) into.error(message.error.key, sign);
  else into.errorName(nameOf(message.error), sign);
  into.sender(message.sender, sign);
  const { campaignReferenceId } = message;
  if (campaignReferenceId !== undefined) into.campaign(campaignReferenceId, sign);
}

/**
 * What a summary says of some messages: cells of parts make the cell of the whole, and a message whose state changes is
 * taken out as it was and put in as it is. Counts may be negative meanwhile.
 */
export class SummaryCell extends Figures implements Tally {
  /** Of failed messages, by the error's key. */
  readonly errors = new Map<number, number>();
  /** Of failed messages, by the name of an error that is not registered. */
  readonly errorNames = new Map<string, number>();
  readonly senders = new Map<string, number>();
  readonly campaigns = new Map<string, number>();
  /** There were more names than are told apart: `senders` and `campaigns` mean nothing. */
  overflowed = false;
  /** As much of `errorNames`. */
  errorsOverflowed = false;

  /** Counts a message in, or out again with `sign` -1. */
  count(message: Counted, sign: 1 | -1): void {
    tally(message, sign, this);
  }

  error(key: number, by: number): void {
    bump(this.errors, key, by);
  }

  errorName(name: string, by: number): void {
    if (this.errorsOverflowed) return;
    bump(this.errorNames, name, by);
    if (this.errorNames.size > namesMax) this.#overflowErrors();
  }

  sender(name: string, by: number): void {
    this.#name(this.senders, name, by);
  }

  campaign(name: string, by: number): void {
    this.#name(this.campaigns, name, by);
  }

  /** Adds another cell to this one. */
  add(other: SummaryCell): void {
    for (let i = 0; i < groupsCount; i++) this.groups[i] = (this.groups[i] ?? 0) + (other.groups[i] ?? 0);
    for (const [timeClass, count] of other.deliveries) this.delivery(timeClass, count);
    for (const [currency, { high, low, count }] of other.prices) {
      this.price(currency, high, count);
      this.price(currency, low, 0);
    }
    for (const [key, count] of other.errors) this.error(key, count);
    for (const [name, count] of other.errorNames) this.errorName(name, count);
    for (const [name, count] of other.senders) this.sender(name, count);
    for (const [name, count] of other.campaigns) this.campaign(name, count);
    if (other.overflowed) this.#overflow();
    if (other.errorsOverflowed) this.#overflowErrors();
  }

  /** As plain JSON; `cellOf` reads it back. */
  toJSON(): readonly unknown[] {
    const prices = [...this.prices].map(([currency, { high, low, count }]) => {
      const nanos = high + low;
      // Earlier versions read the first alone. JSON has no NaN, and writes null for it.
      return Number.isNaN(nanos) || nanos - high === low ? [currency, nanos, count] : [currency, high, count, low];
    });
    const lists = [this.deliveries, this.errors, this.senders, this.campaigns].map(map => [...map]);
    const overflows = (this.overflowed ? 1 : 0) + (this.errorsOverflowed ? 2 : 0);
    return [this.groups, ...lists, prices, overflows, [...this.errorNames]];
  }

  #name(names: Map<string, number>, name: string, count: number): void {
    if (this.overflowed) return;
    bump(names, name, count);
    if (names.size > namesMax) this.#overflow();
  }

  #overflowErrors(): void {
    this.errorsOverflowed = true;
    this.errorNames.clear();
  }

  #overflow(): void {
    this.overflowed = true;
    this.senders.clear();
    this.campaigns.clear();
  }
}

/** Reads back what `JSON.stringify` made of a cell; a `TypeError` for anything else. */
export function cellOf(value: unknown): SummaryCell {
  // Version 0.1.0 knew registered errors alone, and wrote no list of others.
  const [groups, deliveries, errors, senders, campaigns, prices, overflows, errorNames = []] = listOf(value);
  const cell = new SummaryCell();
  for (const [i, count] of listOf(groups).entries()) cell.groups[i] = numberOf(count);
  for (const [timeClass, count] of pairs(deliveries)) cell.deliveries.set(numberOf(timeClass), numberOf(count));
  // An error that is none of the registry's would fail whoever asks for the summary.
  for (const [key, count] of pairs(errors)) cell.errors.set(deliveryErrorByKey(numberOf(key)).key, numberOf(count));
  for (const [name, count] of pairs(senders)) cell.senders.set(textOf(name), numberOf(count));
  for (const [name, count] of pairs(campaigns)) cell.campaigns.set(textOf(name), numberOf(count));
  for (const [currency, nanos, count, low = 0] of pairs(prices)) {
    cell.price(textOf(currency), nanos === null ? Number.NaN : numberOf(nanos), numberOf(count));
    cell.price(textOf(currency), numberOf(low), 0);
  }
  for (const [name, count] of pairs(errorNames)) cell.errorNames.set(textOf(name), numberOf(count));
  cell.overflowed = (numberOf(overflows) & 1) !== 0;
  cell.errorsOverflowed = (numberOf(overflows) & 2) !== 0;
  return cell;
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
