import type { Parts } from '../../../domain/breakdown.ts';
import { conditionMatcher, type Filter, textOf } from '../../../domain/filter.ts';
import type { LogRecord } from '../../../domain/message.ts';
import { bucketOf, type SummaryRange } from '../../../domain/summary.ts';
import { SummaryCell } from '../../../domain/summary-cell.ts';
import type { CountedPart } from './count-query.ts';

/** Messages that are counted one by one, by this process: those that have the words asked for. */
export class CountedLogs implements CountedPart {
  readonly buckets = new Map<number, SummaryCell>();
  readonly total = new SummaryCell();
  readonly #range: SummaryRange;
  readonly #parts: Parts | undefined;
  readonly #hasText: (log: LogRecord) => boolean;

  constructor({ range, filter }: { readonly range: SummaryRange; readonly filter: Filter }, parts: Parts | undefined) {
    this.#range = range;
    this.#parts = parts;
    this.#hasText = conditionMatcher(textOf(filter));
  }

  count(log: LogRecord): void {
    if (!this.#hasText(log)) return;
    this.total.count(log, 1);
    this.#parts?.count(log);
    const bucket = bucketOf(this.#range, log.sentAt);
    const cell = this.buckets.get(bucket) ?? new SummaryCell();
    cell.group(log.status.groupId, 1);
    this.buckets.set(bucket, cell);
  }
}
