import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { minuteOf } from '../../../domain/summary.ts';
import { tally } from '../../../domain/summary-cell.ts';
import { type Horizons, horizonOf } from '../../horizons.ts';
import { kinds, Moves, more, movesIn } from './count-items.ts';
import { CountedRow } from './record-row.ts';
import type { MessageRow } from './rows-file.ts';

/** Different senders and campaigns of one account's failed messages that a segment tells apart. */
const namesMax = 10_000;
/** Values of one kind. */
const valuesMax = 2 ** 24;
const itemsMax = valuesMax * 16;

/**
 * Counts in the order of account, minute and item, as threads exchange them. An item is a kind and a value; the value of
 * a name is its place in its account's names.
 */
export type PackedCounts = {
  readonly accounts: Float64Array<ArrayBuffer>;
  /** By account, and one more: its first cell. A cell is one minute of an account. */
  readonly cellStarts: Uint32Array<ArrayBuffer>;
  /** By account, and one more: where its names begin. */
  readonly nameStarts: Uint32Array<ArrayBuffer>;
  /** By cell: when its minute begins. */
  readonly minutes: Float64Array<ArrayBuffer>;
  /** By cell, and one more: its first item. */
  readonly itemStarts: Uint32Array<ArrayBuffer>;
  readonly items: Uint32Array<ArrayBuffer>;
  readonly amounts: Float64Array<ArrayBuffer>;
  /** Each account's names, a JSON list in UTF-8. */
  readonly names: Uint8Array<ArrayBuffer>;
  /** By account: the newest `sentAt` of its messages here, and of those that reports here are on. */
  readonly until: Float64Array<ArrayBuffer>;
};

export const kindIn = (item: number) => item >>> 24;
export const valueIn = (item: number) => item & (valuesMax - 1);

type AccountCounts = {
  readonly cells: Map<EpochMs, number>;
  readonly names: Map<string, number>;
  /** Never taken back: what a failed transaction added only keeps the segment a little longer. */
  until: EpochMs;
};

/**
 * What one segment adds to the counts: its messages as they were recorded, and what its reports moved, on whichever
 * segment's messages. The sum over all segments is the present. Kept while the segment takes rows; its index has it
 * from then on.
 */
export class Counts {
  readonly #accounts = new Map<AccountId, AccountCounts>();
  readonly #table = new AmountTable();
  /** What the open transaction added, to take it back. */
  #added: number[] = [];
  #cells = 0;
  #account: AccountId = 0;
  #minute = Number.NaN;
  #cell = 0;
  readonly #moves = new Moves((kind, value, amount) => this.#add(kind, value, amount));

  message(row: MessageRow): void {
    this.#reach(row[1], row[2]);
    this.#turnTo(row[1], row[2]);
    tally(new CountedRow(row), 1, this.#moves);
  }

  /** Of a report on a message that the account sent then: what it moved, as its row keeps it. */
  report(account: AccountId, sentAt: EpochMs, moved: string | null): void {
    this.#reach(account, sentAt);
    if (moved === null) return;
    this.#turnTo(account, sentAt);
    for (const [kind, value, amount] of movesIn(moved)) this.#add(kind, value, amount);
  }

  /** The transaction stands. */
  commit(): void {
    this.#added = [];
  }

  /** The transaction failed: everything as it was before it. */
  undo(): void {
    for (let i = 0; i < this.#added.length; i += 2) this.#table.add(this.#added[i] ?? 0, -(this.#added[i + 1] ?? 0));
    this.#added = [];
  }

  /** Whether nothing here is kept any more. */
  isPast(horizons: Horizons): boolean {
    for (const [account, { until }] of this.#accounts) if (until >= horizonOf(horizons, account)) return false;
    return true;
  }

  /** All of it, or one account's in minutes from one to before another. */
  pack(only?: { readonly account: AccountId; readonly from: EpochMs; readonly to: EpochMs }): PackedCounts {
    const accounts = only === undefined ? [...this.#accounts.keys()].sort((a, b) => a - b) : [only.account];
    const order: number[] = [];
    const packed = { cellStarts: [0], nameStarts: [0], minutes: [] as number[], names: [] as Uint8Array[] };
    for (const account of accounts) {
      const { cells, names } = this.#accounts.get(account) ?? nothing;
      for (const [minute, cell] of [...cells].sort((a, b) => a[0] - b[0])) {
        if (only !== undefined && (minute < only.from || minute >= only.to)) continue;
        order.push(cell);
        packed.minutes.push(minute);
      }
      packed.cellStarts.push(packed.minutes.length);
      const text = Buffer.from(names.size === 0 ? '' : JSON.stringify([...names.keys()]));
      packed.names.push(text);
      packed.nameStarts.push((packed.nameStarts.at(-1) ?? 0) + text.byteLength);
    }
    return {
      accounts: Float64Array.from(accounts),
      cellStarts: Uint32Array.from(packed.cellStarts),
      nameStarts: Uint32Array.from(packed.nameStarts),
      minutes: Float64Array.from(packed.minutes),
      ...this.#table.sorted(order),
      names: new Uint8Array(Buffer.concat(packed.names)),
      until: Float64Array.from(accounts, account => (this.#accounts.get(account) ?? nothing).until),
    };
  }

  #reach(account: AccountId, sentAt: EpochMs): void {
    const counts = this.#accountOf(account);
    if (sentAt > counts.until) counts.until = sentAt;
  }

  #turnTo(account: AccountId, sentAt: EpochMs): void {
    const minute = minuteOf(sentAt);
    if (minute === this.#minute && account === this.#account) return;
    const { cells } = this.#accountOf(account);
    let cell = cells.get(minute);
    if (cell === undefined) {
      cell = this.#cells++;
      cells.set(minute, cell);
    }
    this.#account = account;
    this.#minute = minute;
    this.#cell = cell;
  }

  #add(kind: number, value: number | string, amount: number): void {
    const item = typeof value === 'number' ? kind * valuesMax + value : this.#nameItem(kind, value);
    const key = this.#cell * itemsMax + item;
    const by = kindIn(item) === kinds.moreNames ? 1 : amount;
    this.#table.add(key, by);
    this.#added.push(key, by);
  }

  #nameItem(kind: number, name: string): number {
    const { names } = this.#accountOf(this.#account);
    let place = names.get(name);
    if (place === undefined) {
      if (names.size >= namesMax)
        return kinds.moreNames * valuesMax + (kind === kinds.errorName ? more.errors : more.senders);
      place = names.size;
      names.set(name, place);
    }
    return kind * valuesMax + place;
  }

  #accountOf(account: AccountId): AccountCounts {
    let counts = this.#accounts.get(account);
    if (counts === undefined) {
      counts = { cells: new Map(), names: new Map(), until: -Infinity };
      this.#accounts.set(account, counts);
    }
    return counts;
  }
}

const nothing: AccountCounts = { cells: new Map(), names: new Map(), until: -Infinity };

const tableMin = 1024;
const loadMax = 0.7;

/** Amounts by key, without an object for each: a segment of many accounts has a million of them. */
class AmountTable {
  /** 0 is empty, so a key stands one higher. */
  #keys = new Float64Array(tableMin);
  #amounts = new Float64Array(tableMin);
  #used = 0;

  add(key: number, amount: number): void {
    if (this.#used >= this.#keys.length * loadMax) this.#grow();
    const i = this.#placeOf(key + 1);
    if (this.#keys[i] === 0) {
      this.#keys[i] = key + 1;
      this.#used++;
    }
    this.#amounts[i] = (this.#amounts[i] ?? 0) + amount;
  }

  /** The items of some cells, cell by cell in the given order, then by item; what is 0 is left out. */
  sorted(cells: readonly number[]): Pick<PackedCounts, 'itemStarts' | 'items' | 'amounts'> {
    const ranks = new Map(cells.map((cell, rank) => [cell, rank]));
    const ranked = new Float64Array(this.#used);
    let count = 0;
    for (const [i, key] of this.#keys.entries()) {
      if (key === 0 || this.#amounts[i] === 0) continue;
      const rank = ranks.get(Math.floor((key - 1) / itemsMax));
      if (rank !== undefined) ranked[count++] = rank * itemsMax + ((key - 1) % itemsMax);
    }
    const order = ranked.subarray(0, count).sort();
    const itemStarts = new Uint32Array(cells.length + 1);
    const items = new Uint32Array(count);
    const amounts = new Float64Array(count);
    for (const [i, key] of order.entries()) {
      const rank = Math.floor(key / itemsMax);
      items[i] = key % itemsMax;
      amounts[i] = this.#amounts[this.#placeOf((cells[rank] ?? 0) * itemsMax + (key % itemsMax) + 1)] ?? 0;
      itemStarts[rank + 1] = i + 1;
    }
    // A cell without items begins where the one before it ends.
    for (let i = 1; i < itemStarts.length; i++) itemStarts[i] = Math.max(itemStarts[i] ?? 0, itemStarts[i - 1] ?? 0);
    return { itemStarts, items, amounts };
  }

  /** Where a key stands, or would. */
  #placeOf(key: number): number {
    const keys = this.#keys;
    const mask = keys.length - 1;
    let i = home(key, mask);
    while (keys[i] !== 0 && keys[i] !== key) i = (i + 1) & mask;
    return i;
  }

  #grow(): void {
    const [keys, amounts] = [this.#keys, this.#amounts];
    this.#keys = new Float64Array(keys.length * 2);
    this.#amounts = new Float64Array(keys.length * 2);
    this.#used = 0;
    for (const [i, key] of keys.entries()) if (key !== 0 && amounts[i] !== 0) this.add(key - 1, amounts[i] ?? 0);
  }
}

function home(key: number, mask: number): number {
  const high = Math.floor(key / 2 ** 32);
  let hash = Math.imul(key | 0, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) & mask;
}
