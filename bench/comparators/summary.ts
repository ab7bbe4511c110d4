import { classOf } from '../../src/domain/delivery-time.ts';
import { nanosPerUnit } from '../../src/domain/figures.ts';
import { statusGroupNames } from '../../src/domain/registry.ts';
import { completeSummary, type Summary } from '../../src/domain/summary.ts';
import { SummaryCell } from '../../src/domain/summary-cell.ts';
import type { SummaryQuery } from '../../src/store/store.ts';
import { number, type Row, text } from './rows.ts';
import { Conditions, type Dialect, type Statement } from './select.ts';

const failed = "status_group IN ('UNDELIVERABLE', 'EXPIRED', 'REJECTED')";

/** A summary as SQL counts it: one statement for each of its parts, as long as they take. */
export async function summaryOf(
  query: SummaryQuery,
  dialect: Dialect,
  rowsOf: (statement: Statement) => Promise<readonly Row[]>,
): Promise<Summary> {
  const { firstBucket, bucketMs, buckets } = query.range;
  const group = (keys: string, figures: string, condition?: string) => {
    const conditions = new Conditions(query, dialect);
    if (condition !== undefined) conditions.add(condition);
    const sql = `SELECT ${keys}, ${figures} FROM message WHERE ${conditions.sql} GROUP BY 1, 2`;
    return rowsOf({ sql, parameters: conditions.parameters });
  };
  const total = new SummaryCell();
  const cells = Array.from({ length: buckets }, () => new SummaryCell());
  const bucket = `(sent_at - ${firstBucket}) / ${bucketMs} AS bucket`;
  for (const row of await group(`${bucket}, status_group`, 'count(*) AS messages')) {
    const place = groupOf(text(row, 'status_group'));
    const cell = cells[Math.min(buckets - 1, number(row, 'bucket'))];
    for (const one of [total, cell]) if (one) one.groups[place] = (one.groups[place] ?? 0) + number(row, 'messages');
  }
  const times = 'done_at - sent_at AS ms, status_group';
  for (const row of await group(times, 'count(*) AS messages', "status_group = 'DELIVERED' AND done_at IS NOT NULL"))
    add(total.deliveries, classOf(number(row, 'ms')), number(row, 'messages'));
  const sums = `sum(round(price * message_count * ${nanosPerUnit})) AS nanos, count(*) AS messages`;
  for (const row of await group('currency, account_id', sums, 'price IS NOT NULL'))
    total.price(text(row, 'currency'), number(row, 'nanos'), number(row, 'messages'));
  for (const row of await group('error_key, account_id', 'count(*) AS messages', failed))
    add(total.errors, number(row, 'error_key'), number(row, 'messages'));
  for (const row of await group('sender, account_id', 'count(*) AS messages', failed))
    add(total.senders, text(row, 'sender'), number(row, 'messages'));
  for (const row of await group(
    'campaign_id, account_id',
    'count(*) AS messages',
    `${failed} AND campaign_id IS NOT NULL`,
  ))
    add(total.campaigns, text(row, 'campaign_id'), number(row, 'messages'));
  return completeSummary(query.range, cells, total);
}

function groupOf(name: string): number {
  const groups: readonly string[] = statusGroupNames;
  const place = groups.indexOf(name);
  if (place < 0) throw new RangeError(`${name} is no group`);
  return place;
}

function add<K>(counts: Map<K, number>, key: K, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}
