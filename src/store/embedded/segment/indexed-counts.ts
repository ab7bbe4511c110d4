import type { EpochMs } from '../../../domain/message.ts';
import { statusGroupNames } from '../../../domain/registry.ts';
import { kinds } from './count-items.ts';
import { kindIn, type PackedCounts, valueIn } from './counts.ts';

export const groupCount = statusGroupNames.length;
export const hourMs = 3_600_000;

/**
 * Counts as an index keeps them. Groups are asked for by the minute, everything else only as a sum: so they stand apart,
 * and the rest a second time by the hour. Two days of minutes have twenty times the items of two days of hours.
 */
export type IndexedCounts = PackedCounts & {
  /** By cell, group by group. */
  readonly groups: Int32Array<ArrayBuffer>;
  /** As `cellStarts`, `minutes`, `itemStarts`, `items` and `amounts`, for hours. */
  readonly hourStarts: Uint32Array<ArrayBuffer>;
  readonly hours: Float64Array<ArrayBuffer>;
  readonly hourItemStarts: Uint32Array<ArrayBuffer>;
  readonly hourItems: Uint32Array<ArrayBuffer>;
  readonly hourAmounts: Float64Array<ArrayBuffer>;
};

export function indexedCounts(counts: PackedCounts): IndexedCounts {
  const groups = new Int32Array(counts.minutes.length * groupCount);
  const items: number[] = [];
  const amounts: number[] = [];
  const itemStarts = new Uint32Array(counts.minutes.length + 1);
  for (const cell of counts.minutes.keys()) {
    for (let i = counts.itemStarts[cell] ?? 0; i < (counts.itemStarts[cell + 1] ?? 0); i++) {
      const [item, amount] = [counts.items[i] ?? 0, counts.amounts[i] ?? 0];
      if (kindIn(item) === kinds.group) groups[cell * groupCount + valueIn(item)] = amount;
      else {
        items.push(item);
        amounts.push(amount);
      }
    }
    itemStarts[cell + 1] = items.length;
  }
  const rest = { itemStarts, items: Uint32Array.from(items), amounts: Float64Array.from(amounts) };
  return { ...counts, groups, ...rest, ...byHour({ ...counts, ...rest }) };
}

function byHour({ cellStarts, minutes, itemStarts, items, amounts }: PackedCounts) {
  const built = { starts: [0], hours: [] as number[], itemStarts: [0], items: [] as number[], amounts: [] as number[] };
  const sums = new Map<number, number>();
  const endHour = (hour: EpochMs) => {
    built.hours.push(hour);
    for (const item of [...sums.keys()].sort((a, b) => a - b)) {
      const amount = sums.get(item) ?? 0;
      if (amount !== 0) built.items.push(item);
      if (amount !== 0) built.amounts.push(amount);
    }
    built.itemStarts.push(built.items.length);
    sums.clear();
  };
  for (let account = 0; account + 1 < cellStarts.length; account++) {
    const end = cellStarts[account + 1] ?? 0;
    for (let cell = cellStarts[account] ?? 0; cell < end; cell++) {
      for (let i = itemStarts[cell] ?? 0; i < (itemStarts[cell + 1] ?? 0); i++)
        sums.set(items[i] ?? 0, (sums.get(items[i] ?? 0) ?? 0) + (amounts[i] ?? 0));
      const hour = hourOf(minutes[cell] ?? 0);
      if (cell + 1 === end || hourOf(minutes[cell + 1] ?? 0) !== hour) endHour(hour);
    }
    built.starts.push(built.hours.length);
  }
  return {
    hourStarts: Uint32Array.from(built.starts),
    hours: Float64Array.from(built.hours),
    hourItemStarts: Uint32Array.from(built.itemStarts),
    hourItems: Uint32Array.from(built.items),
    hourAmounts: Float64Array.from(built.amounts),
  };
}

export const hourOf = (time: EpochMs) => Math.floor(time / hourMs) * hourMs;
