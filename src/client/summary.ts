import { isRecord, parseJson, UnexpectedAnswer } from './errors.ts';
import type { GroupCounts, Summary } from './types.ts';

const isCount = (value: unknown) => typeof value === 'number';

function isGroups(value: unknown): value is GroupCounts {
  return isRecord(value) && Object.values(value).every(isCount);
}

function isBucket(value: unknown): boolean {
  return isRecord(value) && typeof value.from === 'string' && isGroups(value.groups);
}

const isDelivery = (value: unknown) => isRecord(value) && isCount(value.count);
const isPrices = (value: unknown) =>
  listOf(value, price => typeof price.currency === 'string' && isCount(price.sum ?? 0));

function isBreakdown(value: unknown): boolean {
  if (!isRecord(value) || !isCount(value.more) || !Array.isArray(value.by)) return false;
  return listOf(
    value.rows,
    row => isCount(row.messages) && isCount(row.failed) && isDelivery(row.deliveryMs) && isPrices(row.prices),
  );
}

/** What is absent is unknown; what is there has its form. */
const forms: Readonly<Record<string, (value: unknown) => boolean>> = {
  total: isCount,
  groups: isGroups,
  deliveryMs: isDelivery,
  prices: isPrices,
  breakdown: isBreakdown,
  failures: value => isRecord(value) && Object.values(value).every(list => listOf(list, one => isCount(one.count))),
};

function listOf(value: unknown, isSound: (one: Readonly<Record<string, unknown>>) => boolean): boolean {
  return Array.isArray(value) && value.every(one => isRecord(one) && isSound(one));
}

function isSummary(value: unknown): value is Summary {
  if (!isRecord(value)) return false;
  const { from, to, bucketMs, complete, buckets } = value;
  return (
    typeof from === 'string' &&
    typeof to === 'string' &&
    typeof bucketMs === 'number' &&
    typeof complete === 'boolean' &&
    Array.isArray(buckets) &&
    buckets.every(isBucket) &&
    Object.entries(forms).every(([name, isSound]) => value[name] === undefined || isSound(value[name])) &&
    (value.compared === undefined || isSummary(value.compared))
  );
}

export function readSummary(text: string): Summary {
  const body = parseJson(text);
  if (!isSummary(body)) throw new UnexpectedAnswer('a summary');
  return body;
}
