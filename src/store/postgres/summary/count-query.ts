import { classesPerDoubling, exactMs } from '../../../domain/delivery-time.ts';
import { type FigureTally, highNanos, nanosPerUnit } from '../../../domain/figures.ts';
import type { Filter } from '../../../domain/filter.ts';
import type { AccountId, EpochMs } from '../../../domain/message.ts';
import {
  type DeliveryError,
  isRegistered,
  nameOf,
  statusGroupNames,
  unregisteredErrors,
} from '../../../domain/registry.ts';
import type { SummaryRange } from '../../../domain/summary.ts';
import { failedGroups, namesMax, SummaryCell } from '../../../domain/summary-cell.ts';
import { limits } from '../../../limits.ts';
import { decimal, integer, type Row, text } from '../../../postgres/cells.ts';
import type { Value } from '../../../postgres/session.ts';
import { errorWith } from '../../words.ts';
import { columnMs } from '../rows/column-ms.ts';
import { conditions, type TakeValue } from '../search/filter-conditions.ts';

/** What is counted: messages of the account that match, sent from `from` on and before `to`. */
export type Counting = {
  readonly account: AccountId;
  readonly filter: Filter;
  readonly range: SummaryRange;
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly keysMayBeFolded: boolean;
};

/** What was counted; the cells of buckets, by their number, have groups only. */
export type CountedPart = { readonly buckets: ReadonlyMap<number, SummaryCell>; readonly total: SummaryCell };

const failedIds = statusGroupNames.flatMap((name, id) => (failedGroups.has(name) ? id : []));
const isFailed = `m.group_id IN (${failedIds.join()})`;
/** Errors that are not registered are told apart by their own words. */
export const isOther = `m.error_key IN (${unregisteredErrors.map(({ key }) => key).join()})`;
const isDelivered = `m.group_id = ${statusGroupNames.indexOf('DELIVERED')} AND m.done_at IS NOT NULL`;

/** `classOf` in SQL: from `exactMs` on, classes are twice as wide after each power of two. */
const timeMs = 'greatest(0, m.done_at - m.sent_at)';
const exactDoublings = Math.log2(exactMs);
const doublings = Array.from({ length: 53 - exactDoublings }, (_, i) => exactMs * 2 ** i);
const doubling = `(width_bucket(${timeMs}, ARRAY[${doublings.join()}]::bigint[]) - 1)`;
const widthBits = `(${doubling} + ${exactDoublings - Math.log2(classesPerDoubling)})`;
export const timeClass = `CASE WHEN NOT (${isDelivered}) THEN NULL WHEN ${timeMs} < ${exactMs} THEN ${timeMs}
  ELSE ${exactMs - classesPerDoubling} + ${doubling} * ${classesPerDoubling} + (${timeMs} >> ${widthBits}) END`;

/** Halves are rounded up, as `Math.round` does. */
const exact = `m.price * m.message_count::double precision * ${nanosPerUnit}::double precision`;
const rounded = `floor(${exact}) + CASE WHEN ${exact} - floor(${exact}) >= 0.5 THEN 1 ELSE 0 END`;
/** The product of a price that version 0.1.0 recorded may overflow, which fails the whole statement. */
export const nanos = `CASE WHEN m.price > ${limits.pricePerMessageMax} THEN 'NaN'::double precision ELSE ${rounded} END`;
/** Multiples of `highNanos`, how many, and the rest, each of which adds up without rounding, in whatever order. */
const highs = `trunc(c.nanos / ${highNanos})`;
export const nanoSums = `sum(${highs}) AS highs, sum(c.nanos - ${highs} * ${highNanos}) AS low`;
export const pricedIn = 'CASE WHEN m.price IS NOT NULL THEN m.currency END';

/** By what the rows count, as the bits of GROUPING over these columns tell: 0 for the one that a row is grouped by. */
const keys = ['bucket', 'time_class', 'currency', 'error_key', 'sender', 'campaign', 'error_words'] as const;
type Key = (typeof keys)[number];
const kindOf = (key: Key) => 2 ** keys.length - 1 - 2 ** (keys.length - 1 - keys.indexOf(key));
const namedKinds = [kindOf('sender'), kindOf('campaign'), kindOf('error_words')];
/** One more than are told apart, and the row of those that have no name. */
const namedRowsMax = namesMax + 2;

/** Counts by all of them in one pass over the messages. */
export function countStatement(counting: Counting): { readonly text: string; readonly values: readonly Value[] } {
  const { range } = counting;
  const values: Value[] = [];
  const value = (one: Value) => `$${values.push(one)}`;
  const counted = countedConditions(counting, value);
  return {
    text: `
      SELECT * FROM (
        SELECT k.*, row_number() OVER (PARTITION BY k.kind) AS place FROM (
          SELECT GROUPING(${keys.map(key => `c.${key}`).join(', ')}) AS kind,
            coalesce(c.bucket, c.time_class, c.error_key) AS number, coalesce(c.currency, c.sender, c.campaign, c.error_words) AS name,
            c.group_id, count(*) AS count, ${nanoSums}
          FROM (
            SELECT m.group_id, least(${value(range.buckets - 1)}::bigint,
                (m.sent_at - ${value(range.firstBucket)}::bigint) / ${value(range.bucketMs)}::bigint) AS bucket,
              ${timeClass} AS time_class,
              ${pricedIn} AS currency, ${nanos} AS nanos,
              CASE WHEN ${isFailed} THEN m.error_key END AS error_key, CASE WHEN ${isFailed} THEN m.sender END AS sender,
              CASE WHEN ${isFailed} THEN m.campaign_reference_id END AS campaign,
              CASE WHEN ${isFailed} AND ${isOther} THEN m.error_key || ' ' || coalesce(m.words, '') END AS error_words
            FROM message m WHERE ${counted}
          ) c
          GROUP BY GROUPING SETS ((c.bucket, c.group_id), ${keys
            .slice(1)
            .map(key => `(c.${key})`)
            .join(', ')})
        ) k
      ) k
      WHERE k.kind NOT IN (${namedKinds.join()}) OR k.place <= ${namedRowsMax}`,
    values,
  };
}

/** What `nanoSums` came to for messages with a price of one currency. */
export function addPrices(
  into: FigureTally,
  currency: string,
  highs: Row[number],
  low: Row[number],
  count: number,
): void {
  into.price(currency, decimal(highs) * highNanos, count);
  into.price(currency, decimal(low), 0);
}

/** The error whose key and words stand in a text. */
function errorIn(keyAndWords: string): DeliveryError {
  const at = keyAndWords.indexOf(' ');
  const words = keyAndWords.slice(at + 1);
  return errorWith(Number(keyAndWords.slice(0, at)), words === '' ? undefined : words);
}

/** What messages `m` that are counted have to be. */
export function countedConditions({ account, filter, from, to, keysMayBeFolded }: Counting, value: TakeValue): string {
  const asked = value(account);
  return [
    `m.account_id = ${asked}`,
    `m.sent_at >= ${value(columnMs(from))}`,
    `m.sent_at < ${value(columnMs(to))}`,
    ...conditions(filter, asked, value, keysMayBeFolded),
  ].join(' AND ');
}

export function countedIn(rows: readonly Row[]): CountedPart {
  const buckets = new Map<number, SummaryCell>();
  const counted = new SummaryCell();
  // Many words may be of one name: where rows were left out, the names that were read say nothing.
  counted.errorsOverflowed = rows.filter(([kind]) => kind === kindOf('error_words')).length === namedRowsMax;
  for (const row of rows) {
    const [kind, number, name, , count] = row;
    const times = integer(count);
    if (kind === kindOf('bucket')) {
      const cell = buckets.get(integer(number)) ?? new SummaryCell();
      buckets.set(integer(number), cell);
      for (const { groups } of [cell, counted]) groups[integer(row[3])] = (groups[integer(row[3])] ?? 0) + times;
    } else if (number !== null) {
      const key = integer(number);
      if (kind === kindOf('time_class')) counted.deliveries.set(key, times);
      else if (isRegistered({ key })) counted.errors.set(key, times);
    } else if (name !== null && kind === kindOf('error_words')) counted.errorName(nameOf(errorIn(text(name))), times);
    else if (name !== null && kind === kindOf('currency')) addPrices(counted, text(name), row[5], row[6], times);
    else if (name !== null) (kind === kindOf('sender') ? counted.senders : counted.campaigns).set(text(name), times);
  }
  // Adding finds out whether there are more names than a cell tells apart.
  const total = new SummaryCell();
  total.add(counted);
  return { buckets, total };
}
