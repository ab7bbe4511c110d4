import { type FigureTally, highOf, type Tallied } from '../../../domain/figures.ts';
import { type Tally, tally } from '../../../domain/summary-cell.ts';
import { currencyName, currencyNumber } from '../rows/currency.ts';

/** What a count is of. The numbers stand in files. */
export const kinds = {
  group: 0,
  delivery: 1,
  error: 2,
  priceCount: 3,
  priceNanos: 4,
  sender: 5,
  campaign: 6,
  /** There were more names than a segment keeps for one account. Never taken out again. */
  moreNames: 7,
  /** The name of an error that is not registered. */
  errorName: 8,
  /** What of prices is in so large parts that it adds up by itself without rounding; `priceNanos` has the rest. */
  priceHigh: 9,
} as const;

/** Of `moreNames`: of which names. */
export const more = { senders: 0, errors: 1 } as const;

export const isName = (kind: number) => kind === kinds.sender || kind === kinds.campaign || kind === kinds.errorName;

/** An amount added to one count; names are texts. */
export type Move = readonly [kind: number, value: number | string, amount: number];

/** Hands every piece of a tally on as a move. */
export class Moves implements Tally {
  readonly #move: (kind: number, value: number | string, amount: number) => void;

  constructor(move: (kind: number, value: number | string, amount: number) => void) {
    this.#move = move;
  }

  group(groupId: number, by: number): void {
    this.#move(kinds.group, groupId, by);
  }

  delivery(timeClass: number, by: number): void {
    this.#move(kinds.delivery, timeClass, by);
  }

  price(currency: string, nanos: number, by: number): void {
    const number = currencyNumber(currency);
    this.#move(kinds.priceCount, number, by);
    const high = highOf(nanos);
    if (high !== 0) this.#move(kinds.priceHigh, number, high);
    if (nanos !== high) this.#move(kinds.priceNanos, number, nanos - high);
  }

  error(key: number, by: number): void {
    this.#move(kinds.error, key, by);
  }

  errorName(name: string, by: number): void {
    this.#move(kinds.errorName, name, by);
  }

  sender(name: string, by: number): void {
    this.#move(kinds.sender, name, by);
  }

  campaign(name: string, by: number): void {
    this.#move(kinds.campaign, name, by);
  }
}

/** What a report moves: the message is taken out as it was, and put in as it is. Empty when the counts stay. */
export function movesBetween(before: Tallied, after: Tallied): readonly Move[] {
  const moves: [kind: number, value: number | string, amount: number][] = [];
  const collect = new Moves((kind, value, amount) => {
    const same = moves.find(move => move[0] === kind && move[1] === value);
    if (same === undefined) moves.push([kind, value, amount]);
    else same[2] += amount;
  });
  tally(before, -1, collect);
  tally(after, 1, collect);
  return moves.filter(([, , amount]) => amount !== 0);
}

/** As a report row keeps it. */
export function movedText(moves: readonly Move[]): string | null {
  return moves.length === 0 ? null : JSON.stringify(moves.flat());
}

export function movesIn(text: string | null): readonly Move[] {
  const moves: Move[] = [];
  const parts: readonly unknown[] = text === null ? [] : JSON.parse(text);
  for (let i = 0; i + 2 < parts.length; i += 3) {
    const [kind, value] = [parts[i], parts[i + 1]];
    // JSON has no NaN, and writes null for it.
    const amount = parts[i + 2] === null ? Number.NaN : parts[i + 2];
    const isMove = typeof kind === 'number' && typeof amount === 'number';
    if (!isMove || (typeof value !== 'number' && typeof value !== 'string'))
      throw new TypeError(`${text?.slice(0, 40)} is no list of moves`);
    moves.push([kind, value, amount]);
  }
  return moves;
}

/** Adds a move's amount where it belongs. */
export function apply(into: Tally, kind: number, value: number | string, amount: number): void {
  if (typeof value === 'string') {
    if (kind === kinds.sender) into.sender(value, amount);
    else if (kind === kinds.errorName) into.errorName(value, amount);
    else into.campaign(value, amount);
  } else if (kind === kinds.error) into.error(value, amount);
  else applyFigure(into, kind, value, amount);
}

/** The same of what any message counts for; of other moves nothing. */
export function applyFigure(into: FigureTally, kind: number, value: number | string, amount: number): void {
  if (typeof value === 'string') return;
  if (kind === kinds.group) into.group(value, amount);
  else if (kind === kinds.delivery) into.delivery(value, amount);
  else if (kind === kinds.priceCount) into.price(currencyName(value), 0, amount);
  else if (kind === kinds.priceNanos || kind === kinds.priceHigh) into.price(currencyName(value), amount, 0);
}
