import type { AccountId, EpochMs, LogRecord } from '../../domain/message.ts';
import { statusGroupNames } from '../../domain/registry.ts';
import { bucketOf, completeSummary, type Summary, type SummaryRange, unfinishedSummary } from '../../domain/summary.ts';
import { SummaryCell } from '../../domain/summary-cell.ts';
import { apply, isName, kinds } from './count-items.ts';
import { kindIn, type PackedCounts, valueIn } from './counts.ts';
import type { IndexFile } from './index-file.ts';

const groupCount = statusGroupNames.length;
/** More than there are classes of delivery times (see delivery-time.ts). */
const classesMax = 4096;

/** The figures of a summary while they are added up, from kept counts and from messages. */
export class CountSum {
  readonly #range: SummaryRange;
  readonly #total = new SummaryCell();
  /** Group by group of each bucket. */
  readonly #groups: Float64Array;
  /** Most of what is added are delivery times, by the hundred thousand: too many for a map. */
  readonly #deliveries = new Float64Array(classesMax);
  #overflowed = false;

  constructor(range: SummaryRange) {
    this.#range = range;
    this.#groups = new Float64Array(Math.max(0, range.buckets) * groupCount);
  }

  message(log: LogRecord): void {
    this.#total.count(log, 1);
    this.#group(bucketOf(this.#range, log.sentAt), log.status.groupId, 1);
  }

  /** Adds an account's counts of the minutes from one to before another. */
  counts(source: CountsSource, account: AccountId, from: EpochMs, to: EpochMs): void {
    const counts = countsOf(source, account, from, to);
    if (counts === undefined) return;
    const { minutes, itemStarts, items, amounts } = counts;
    for (const [cell, minute] of minutes.entries()) {
      const bucket = bucketOf(this.#range, minute);
      const end = itemStarts[cell + 1] ?? 0;
      for (let i = itemStarts[cell] ?? 0; i < end; i++) {
        const item = items[i] ?? 0;
        const amount = amounts[i] ?? 0;
        const kind = kindIn(item);
        const value = valueIn(item);
        if (kind === kinds.delivery) this.#deliveries[value] = (this.#deliveries[value] ?? 0) + amount;
        else if (kind === kinds.moreNames) this.#overflowed = true;
        else apply(this.#total, kind, isName(kind) ? counts.name(value) : value, amount);
        if (kind === kinds.group) this.#group(bucket, value, amount);
      }
    }
  }

  complete(): Summary {
    for (const [timeClass, count] of this.#deliveries.entries())
      if (count !== 0) this.#total.delivery(timeClass, count);
    this.#deliveries.fill(0);
    if (this.#overflowed) {
      const more = new SummaryCell();
      more.overflowed = true;
      this.#total.add(more);
    }
    return completeSummary(this.#range, this.#buckets(), this.#total);
  }

  /** What is known when all that was sent from `countedFrom` on has been counted, and time is over. */
  unfinished(countedFrom: EpochMs): Summary {
    const firstFinished = countedFrom === Infinity ? this.#range.buckets : bucketOf(this.#range, countedFrom) + 1;
    return unfinishedSummary(this.#range, this.#buckets(), firstFinished);
  }

  #group(bucket: number, groupId: number, by: number): void {
    const at = bucket * groupCount + groupId;
    this.#groups[at] = (this.#groups[at] ?? 0) + by;
  }

  #buckets(): readonly SummaryCell[] {
    return Array.from({ length: this.#range.buckets }, (_, bucket) => {
      const cell = new SummaryCell();
      for (let group = 0; group < groupCount; group++)
        cell.groups[group] = this.#groups[bucket * groupCount + group] ?? 0;
      return cell;
    });
  }
}

/** One account's part of a segment's counts. */
type AccountCounts = {
  readonly minutes: Float64Array;
  readonly itemStarts: Uint32Array;
  readonly items: Uint32Array;
  readonly amounts: Float64Array;
  /** The name at a place in the account's names. */
  name(place: number): string;
};

/** A segment's counts, wherever they are: `count` values from `from` on, everything without. */
export type CountsSource = {
  float64(name: 'accounts' | 'minutes' | 'amounts', from?: number, count?: number): Float64Array;
  uint32(name: 'cellStarts' | 'nameStarts' | 'itemStarts' | 'items', from?: number, count?: number): Uint32Array;
  uint8(name: 'names', from: number, count: number): Uint8Array;
};

export function countsInIndex(index: IndexFile): CountsSource {
  return {
    float64: (name, from, count) => index.float64(`counts.${name}`, from, count),
    uint32: (name, from, count) => index.uint32(`counts.${name}`, from, count),
    uint8: (name, from, count) => index.uint8(`counts.${name}`, from, count),
  };
}

export function countsInMemory(counts: PackedCounts): CountsSource {
  return {
    float64: (name, from = 0, count = Infinity) => counts[name].subarray(from, from + count),
    uint32: (name, from = 0, count = Infinity) => counts[name].subarray(from, from + count),
    uint8: (name, from, count) => counts[name].subarray(from, from + count),
  };
}

/** One account's counts in minutes from one to before another; `undefined` when there are none. */
function countsOf(source: CountsSource, account: AccountId, from: EpochMs, to: EpochMs): AccountCounts | undefined {
  const at = source.float64('accounts').indexOf(account);
  if (at < 0) return undefined;
  const [firstCell = 0, lastCell = 0] = source.uint32('cellStarts', at, 2);
  const all = source.float64('minutes', firstCell, lastCell - firstCell);
  const begin = all.findIndex(minute => minute >= from);
  const beyond = all.findIndex(minute => minute >= to);
  const minutes = all.subarray(begin < 0 ? all.length : begin, beyond < 0 ? all.length : beyond);
  if (minutes.length === 0) return undefined;
  const starts = source.uint32('itemStarts', firstCell + begin, minutes.length + 1);
  const [first, last] = [starts[0] ?? 0, starts.at(-1) ?? 0];
  const [nameFrom = 0, nameTo = 0] = source.uint32('nameStarts', at, 2);
  return {
    minutes,
    itemStarts: starts.map(start => start - first),
    items: source.uint32('items', first, last - first),
    amounts: source.float64('amounts', first, last - first),
    name: namesOf(() => source.uint8('names', nameFrom, nameTo - nameFrom)),
  };
}

/** Names are read when the first is asked for: most segments have no failures of an account. */
function namesOf(read: () => Uint8Array): (place: number) => string {
  let names: readonly unknown[] | undefined;
  return place => {
    names ??= JSON.parse(Buffer.from(read()).toString('utf8')) as readonly unknown[];
    const name = names[place];
    if (typeof name !== 'string') throw new RangeError(`counts have no name ${place}`);
    return name;
  };
}
