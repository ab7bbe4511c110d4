import { type BreakdownField, Parts } from '../../../domain/breakdown.ts';
import type { EpochMs, LogRecord } from '../../../domain/message.ts';
import {
  bucketOf,
  completeSummary,
  type Summary,
  type SummaryRange,
  unfinishedSummary,
} from '../../../domain/summary.ts';
import { SummaryCell } from '../../../domain/summary-cell.ts';
import { apply, applyFigure, isName, kinds, more } from '../segment/count-items.ts';
import { kindIn, valueIn } from '../segment/counts.ts';
import { groupCount } from '../segment/indexed-counts.ts';
import type { AccountCounts, CellRange } from './account-counts.ts';
import type { FacetFigures } from './facet-count.ts';

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
  #errorsOverflowed = false;
  readonly #parts: Parts | undefined;

  /** Kept counts, which are not broken down, are no part of a sum that has a `by`. */
  constructor(range: SummaryRange, by?: readonly BreakdownField[], first?: number) {
    this.#range = range;
    this.#parts = by === undefined ? undefined : new Parts(by, first);
    this.#groups = new Float64Array(Math.max(0, range.buckets) * groupCount);
  }

  message(log: LogRecord): void {
    this.#total.count(log, 1);
    this.#parts?.count(log);
    this.#bump(bucketOf(this.#range, log.sentAt), log.status.groupId, 1);
  }

  /** Adds what a segment has of the account. */
  counts({ ranges, groups, name }: AccountCounts): void {
    for (const range of ranges) this.#cells(range, name);
    for (const [cell, minute] of groups?.minutes.entries() ?? []) {
      const bucket = bucketOf(this.#range, minute);
      for (let group = 0; group < groupCount; group++) {
        const amount = groups?.amounts[cell * groupCount + group] ?? 0;
        if (amount !== 0) this.#group(bucket, group, amount);
      }
    }
  }

  /** Adds what was counted by facets. */
  facets({ groups, moves, parts }: FacetFigures): void {
    for (const [at, amount] of groups.entries())
      if (amount !== 0) this.#group(Math.floor(at / groupCount), at % groupCount, amount);
    for (const [kind, value, amount] of moves) apply(this.#total, kind, value, amount);
    for (const part of parts) {
      const figures = this.#parts?.of(part.values);
      if (figures !== undefined)
        for (const [kind, value, amount] of part.moves) applyFigure(figures, kind, value, amount);
    }
  }

  #cells({ times, itemStarts, items, amounts }: CellRange, name: AccountCounts['name']): void {
    for (const [cell, time] of times.entries()) {
      const end = itemStarts[cell + 1] ?? 0;
      for (let i = itemStarts[cell] ?? 0; i < end; i++) {
        const item = items[i] ?? 0;
        const amount = amounts[i] ?? 0;
        const kind = kindIn(item);
        const value = valueIn(item);
        if (kind === kinds.delivery) this.#deliveries[value] = (this.#deliveries[value] ?? 0) + amount;
        else if (kind === kinds.group) this.#group(bucketOf(this.#range, time), value, amount);
        else if (kind === kinds.moreNames && value === more.errors) this.#errorsOverflowed = true;
        else if (kind === kinds.moreNames) this.#overflowed = true;
        else apply(this.#total, kind, isName(kind) ? name(value) : value, amount);
      }
    }
  }

  complete(): Summary {
    for (const [timeClass, count] of this.#deliveries.entries())
      if (count !== 0) this.#total.delivery(timeClass, count);
    this.#deliveries.fill(0);
    const beyond = new SummaryCell();
    beyond.overflowed = this.#overflowed;
    beyond.errorsOverflowed = this.#errorsOverflowed;
    this.#total.add(beyond);
    return completeSummary(this.#range, this.#buckets(), this.#total, this.#parts);
  }

  /** What is known when all that was sent from `countedFrom` on has been counted, and time is over. */
  unfinished(countedFrom: EpochMs): Summary {
    const firstFinished = countedFrom === Infinity ? this.#range.buckets : bucketOf(this.#range, countedFrom) + 1;
    return unfinishedSummary(this.#range, this.#buckets(), firstFinished);
  }

  #group(bucket: number, groupId: number, by: number): void {
    this.#total.group(groupId, by);
    this.#bump(bucket, groupId, by);
  }

  #bump(bucket: number, groupId: number, by: number): void {
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
