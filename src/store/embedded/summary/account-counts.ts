import type { AccountId, EpochMs } from '../../../domain/message.ts';
import type { PackedCounts } from '../segment/counts.ts';
import type { IndexFile } from '../segment/index-file.ts';
import { placeOfAccount } from '../segment/index-runs.ts';
import { groupCount, hourMs, hourOf } from '../segment/indexed-counts.ts';

/** Cells of one account, one after the other. */
export type CellRange = {
  readonly times: Float64Array;
  readonly itemStarts: Uint32Array;
  readonly items: Uint32Array;
  readonly amounts: Float64Array;
};

/** One account's counts in some minutes. */
export type AccountCounts = {
  readonly ranges: readonly CellRange[];
  /** By minute, where they stand apart from the ranges. */
  readonly groups?: { readonly minutes: Float64Array; readonly amounts: Int32Array };
  /** The name at a place in the account's names. */
  name(place: number): string;
};

/** Of counts that hold one account alone, or all. */
export function countsInMemory(counts: PackedCounts, account: AccountId, from: EpochMs, to: EpochMs): AccountCounts {
  const at = counts.accounts.indexOf(account);
  const cells = at < 0 ? [0, 0] : counts.cellStarts.subarray(at, at + 2);
  const [begin, end] = within(counts.minutes, cells[0] ?? 0, cells[1] ?? 0, from, to);
  const [nameFrom = 0, nameTo = 0] = counts.nameStarts.subarray(at, at + 2);
  const range = {
    times: counts.minutes.subarray(begin, end),
    itemStarts: counts.itemStarts.subarray(begin, end + 1),
    items: counts.items,
    amounts: counts.amounts,
  };
  return { ranges: [range], name: namesOf(() => counts.names.subarray(nameFrom, nameTo)) };
}

/** Of a sealed segment: whole hours by the hour, and only what is left of the time by the minute. */
export function countsInIndex(
  index: IndexFile,
  account: AccountId,
  from: EpochMs,
  to: EpochMs,
): AccountCounts | undefined {
  const at = placeOfAccount(index, 'counts.accounts', account);
  if (at === undefined) return undefined;
  const hoursFrom = Math.min(to, hourOf(from + hourMs - 1));
  const hoursTo = Math.max(hoursFrom, to === Infinity ? to : hourOf(to));
  const minutes = levelOf(index, at, 'cellStarts', 'minutes');
  const hours = levelOf(index, at, 'hourStarts', 'hours');
  const [begin, end] = within(minutes.times, 0, minutes.times.length, from, to);
  const [nameFrom = 0, nameTo = 0] = index.uint32('counts.nameStarts', at, 2);
  const firstCell = minutes.first + begin;
  return {
    ranges: [
      rangeOf(index, minutes, from, hoursFrom, 'itemStarts', 'items', 'amounts'),
      rangeOf(index, hours, hoursFrom, hoursTo, 'hourItemStarts', 'hourItems', 'hourAmounts'),
      rangeOf(index, minutes, hoursTo, to, 'itemStarts', 'items', 'amounts'),
    ],
    groups: {
      minutes: minutes.times.subarray(begin, end),
      amounts: index.int32('counts.groups', firstCell * groupCount, (end - begin) * groupCount),
    },
    name: namesOf(() => index.uint8('counts.names', nameFrom, nameTo - nameFrom)),
  };
}

type Level = { readonly first: number; readonly times: Float64Array };

function levelOf(index: IndexFile, at: number, starts: 'cellStarts' | 'hourStarts', times: 'minutes' | 'hours'): Level {
  const [first = 0, last = 0] = index.uint32(`counts.${starts}`, at, 2);
  return { first, times: index.float64(`counts.${times}`, first, last - first) };
}

function rangeOf(
  index: IndexFile,
  { first, times }: Level,
  from: EpochMs,
  to: EpochMs,
  starts: 'itemStarts' | 'hourItemStarts',
  items: 'items' | 'hourItems',
  amounts: 'amounts' | 'hourAmounts',
): CellRange {
  const [begin, end] = within(times, 0, times.length, from, to);
  const itemStarts = index.uint32(`counts.${starts}`, first + begin, end - begin + 1);
  const [firstItem, lastItem] = [itemStarts[0] ?? 0, itemStarts.at(-1) ?? 0];
  return {
    times: times.subarray(begin, end),
    itemStarts: itemStarts.map(start => start - firstItem),
    items: index.uint32(`counts.${items}`, firstItem, lastItem - firstItem),
    amounts: index.float64(`counts.${amounts}`, firstItem, lastItem - firstItem),
  };
}

/** The places, between two others, of the ascending times from one to before another. */
function within(times: Float64Array, first: number, last: number, from: EpochMs, to: EpochMs): [number, number] {
  let begin = first;
  while (begin < last && (times[begin] ?? 0) < from) begin++;
  let end = begin;
  while (end < last && (times[end] ?? 0) < to) end++;
  return [begin, end];
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
