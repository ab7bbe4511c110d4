import type { AccountId, EpochMs } from '../../../domain/message.ts';
import { minuteOf } from '../../../domain/summary.ts';
import { tally } from '../../../domain/summary-cell.ts';
import { type Horizons, horizonOf } from '../../horizons.ts';
import type { OutcomeTally } from '../../outcomes.ts';
import type { MessageRow } from '../rows/rows.ts';
import { kinds, type Move, Moves, more } from './count-items.ts';
import type { Extents } from './extents.ts';
import { CountedRow } from './record-row.ts';

/** Different senders and campaigns of one account's failed messages that a segment tells apart. */
const namesMax = 10_000;
/** Values of one kind. */
const valuesMax = 2 ** 24;

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
  messages: number;
};

/**
 * What one segment adds to the counts: its messages as they were recorded, and what its reports moved, on whichever
 * segment's messages. The sum over all segments is the present. Kept while the segment takes rows; its index has it
 * from then on.
 */
export class Counts {
  readonly #accounts = new Map<AccountId, AccountCounts>();
  readonly #table = new AmountTable();
  /** What the open transaction added, by cell, item and amount, to take it back. */
  #added: number[] = [];
  /** Whose messages the open transaction added, one by one. */
  #senders: AccountCounts[] = [];
  #cells = 0;
  #account: AccountId = 0;
  #minute = Number.NaN;
  #cell = 0;
  readonly #moves = new Moves((kind, value, amount) => this.#add(kind, value, amount));

  /** As they were packed; `senders`: whose each message is. */
  static of(packed: PackedCounts, senders: Float64Array): Counts {
    const { accounts, cellStarts, nameStarts, minutes, itemStarts, items, amounts, until } = packed;
    const counts = new Counts();
    for (const [at, account] of accounts.entries()) {
      const own = counts.#accountOf(account);
      own.until = until[at] ?? -Infinity;
      const text = Buffer.from(packed.names.subarray(nameStarts[at], nameStarts[at + 1])).toString();
      const names: readonly string[] = text === '' ? [] : JSON.parse(text);
      for (const name of names) own.names.set(name, own.names.size);
      for (let from = cellStarts[at] ?? 0; from < (cellStarts[at + 1] ?? 0); from++) {
        const cell = counts.#cells++;
        own.cells.set(minutes[from] ?? 0, cell);
        for (let i = itemStarts[from] ?? 0; i < (itemStarts[from + 1] ?? 0); i++)
          counts.#table.add(cell, items[i] ?? 0, amounts[i] ?? 0);
      }
    }
    for (const sender of senders) counts.#accountOf(sender).messages++;
    return counts;
  }

  message(row: MessageRow): void {
    const counts = this.#reach(row.account, row.sentAt);
    counts.messages++;
    this.#senders.push(counts);
    this.#turnTo(row.account, row.sentAt);
    tally(new CountedRow(row), 1, this.#moves);
  }

  /** Of a report on a message that the account sent then: what it moved. */
  report(account: AccountId, sentAt: EpochMs, moves: readonly Move[]): void {
    this.#reach(account, sentAt);
    if (moves.length === 0) return;
    this.#turnTo(account, sentAt);
    for (const [kind, value, amount] of moves) this.#add(kind, value, amount);
  }

  /** The transaction stands: tells what messages came to by it. */
  commit(outcomes?: OutcomeTally): void {
    if (outcomes !== undefined)
      for (let i = 0; i < this.#added.length; i += 3)
        tellOutcome(outcomes, this.#added[i + 1] ?? 0, this.#added[i + 2] ?? 0);
    this.#added = [];
    this.#senders = [];
  }

  /** The transaction failed: everything as it was before it. */
  undo(): void {
    for (let i = 0; i < this.#added.length; i += 3)
      this.#table.add(this.#added[i] ?? 0, this.#added[i + 1] ?? 0, -(this.#added[i + 2] ?? 0));
    for (const counts of this.#senders) counts.messages--;
    this.#added = [];
    this.#senders = [];
  }

  /** Whether nothing here is kept any more. */
  isPast(horizons: Horizons): boolean {
    for (const [account, { until }] of this.#accounts) if (until >= horizonOf(horizons, account)) return false;
    return true;
  }

  extents(): Extents {
    const counts = [...this.#accounts.values()];
    return {
      accounts: Float64Array.from(this.#accounts.keys()),
      until: Float64Array.from(counts, ({ until }) => until),
      messages: Float64Array.from(counts, ({ messages }) => messages),
    };
  }

  /** Amounts that were looked at so far, for what was packed. */
  get visits(): number {
    return this.#table.visits;
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

  #reach(account: AccountId, sentAt: EpochMs): AccountCounts {
    const counts = this.#accountOf(account);
    if (sentAt > counts.until) counts.until = sentAt;
    return counts;
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
    const by = kindIn(item) === kinds.moreNames ? 1 : amount;
    this.#table.add(this.#cell, item, by);
    this.#added.push(this.#cell, item, by);
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
      counts = { cells: new Map(), names: new Map(), until: -Infinity, messages: 0 };
      this.#accounts.set(account, counts);
    }
    return counts;
  }
}

/** What is added to a group came to it; what is taken out left it. Each record adds 1 at most. */
function tellOutcome(outcomes: OutcomeTally, item: number, amount: number): void {
  if (amount <= 0) return;
  const kind = kindIn(item);
  if (kind === kinds.group) outcomes.group(valueIn(item));
  else if (kind === kinds.error) outcomes.error(valueIn(item));
  else if (kind === kinds.errorName) outcomes.error();
}

const nothing: AccountCounts = { cells: new Map(), names: new Map(), until: -Infinity, messages: 0 };

const slotsMin = 1024;
const entriesMin = 512;
const loadMax = 0.7;

/**
 * Amounts by cell and item, without an object for each: a segment of many accounts has a million of them. The entries of
 * a cell are a list, so that one account's are read without a look at any other's.
 */
class AmountTable {
  /** How many entries were looked at by whoever read cells. */
  visits = 0;
  /** Where in the entries a key stands, and one more; 0 is empty. */
  #slots = new Uint32Array(slotsMin);
  #cells = new Uint32Array(entriesMin);
  #items = new Uint32Array(entriesMin);
  #amounts = new Float64Array(entriesMin);
  /** The entry before it of the same cell, and one more; 0 ends the list. */
  #before = new Uint32Array(entriesMin);
  /** By cell: its newest entry, and one more. */
  #newest = new Uint32Array(entriesMin);
  #used = 0;

  add(cell: number, item: number, amount: number): void {
    let slot = this.#slotOf(cell, item);
    if (this.#slots[slot] === 0) {
      if (this.#used >= this.#slots.length * loadMax) {
        this.#growSlots();
        slot = this.#slotOf(cell, item);
      }
      this.#append(cell, item);
      this.#slots[slot] = this.#used;
    }
    const entry = (this.#slots[slot] ?? 0) - 1;
    this.#amounts[entry] = (this.#amounts[entry] ?? 0) + amount;
  }

  /** The items of some cells, cell by cell in the given order, then by item; what is 0 is left out. */
  sorted(cells: readonly number[]): Pick<PackedCounts, 'itemStarts' | 'items' | 'amounts'> {
    const itemStarts = new Uint32Array(cells.length + 1);
    const entries: number[] = [];
    for (const [rank, cell] of cells.entries()) {
      const own = this.#entriesOf(cell);
      own.sort((a, b) => (this.#items[a] ?? 0) - (this.#items[b] ?? 0));
      for (const entry of own) entries.push(entry);
      itemStarts[rank + 1] = entries.length;
    }
    return {
      itemStarts,
      items: Uint32Array.from(entries, entry => this.#items[entry] ?? 0),
      amounts: Float64Array.from(entries, entry => this.#amounts[entry] ?? 0),
    };
  }

  #entriesOf(cell: number): number[] {
    const entries: number[] = [];
    for (let at = this.#newest[cell] ?? 0; at !== 0; at = this.#before[at - 1] ?? 0) {
      this.visits++;
      if (this.#amounts[at - 1] !== 0) entries.push(at - 1);
    }
    return entries;
  }

  #append(cell: number, item: number): void {
    if (this.#used === this.#items.length) {
      this.#cells = longer(this.#cells);
      this.#items = longer(this.#items);
      const amounts = new Float64Array(this.#items.length);
      amounts.set(this.#amounts);
      this.#amounts = amounts;
      this.#before = longer(this.#before);
    }
    while (cell >= this.#newest.length) this.#newest = longer(this.#newest);
    const entry = this.#used++;
    this.#cells[entry] = cell;
    this.#items[entry] = item;
    this.#before[entry] = this.#newest[cell] ?? 0;
    this.#newest[cell] = entry + 1;
  }

  /** Where a key stands, or would. */
  #slotOf(cell: number, item: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = home(cell, item, mask); ; slot = (slot + 1) & mask) {
      const entry = (this.#slots[slot] ?? 0) - 1;
      if (entry < 0 || (this.#cells[entry] === cell && this.#items[entry] === item)) return slot;
    }
  }

  #growSlots(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let entry = 0; entry < this.#used; entry++)
      this.#slots[this.#slotOf(this.#cells[entry] ?? 0, this.#items[entry] ?? 0)] = entry + 1;
  }
}

function longer(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(array.length * 2);
  grown.set(array);
  return grown;
}

function home(cell: number, item: number, mask: number): number {
  let hash = Math.imul(item, 0x9e3779b1) ^ Math.imul(cell, 0x85ebca6b);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) & mask;
}
