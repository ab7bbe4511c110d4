import { isRecord, parseJson, UnexpectedAnswer } from '../../../src/client/errors.ts';
import { type GroupName, groupNames } from '../view/view.ts';

export type Groups = Readonly<Record<GroupName, number>>;
export type Failure<T> = T & { readonly count: number };

/** Figures of all that matches. What is absent could not be finished in time, and is not 0. */
export type Summary = {
  readonly fromMs: number;
  readonly toMs: number;
  readonly bucketMs: number;
  readonly complete: boolean;
  readonly total?: number | undefined;
  readonly groups?: Groups | undefined;
  readonly buckets?: readonly { readonly fromMs: number; readonly groups: Groups }[] | undefined;
  readonly deliveryMs?: { readonly p50?: number | undefined; readonly p95?: number | undefined } | undefined;
  readonly prices?: readonly { readonly currency: string; readonly sum: number }[] | undefined;
  readonly errors?: readonly Failure<{ readonly name: string }>[] | undefined;
  readonly senders?: readonly Failure<{ readonly name: string }>[] | undefined;
  readonly campaigns?: readonly Failure<{ readonly name: string }>[] | undefined;
};

const numberOf = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined);

/** All groups or none: a count that is missing is not 0. */
function groupsOf(value: unknown): Groups | undefined {
  if (!isRecord(value)) return undefined;
  const [DELIVERED, PENDING, UNDELIVERABLE, EXPIRED, REJECTED] = groupNames.map(name => numberOf(value[name]));
  if (DELIVERED === undefined || PENDING === undefined || UNDELIVERABLE === undefined) return undefined;
  if (EXPIRED === undefined || REJECTED === undefined) return undefined;
  return { DELIVERED, PENDING, UNDELIVERABLE, EXPIRED, REJECTED };
}

function listOf<T>(value: unknown, read: (one: Readonly<Record<string, unknown>>) => T | undefined): T[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const list: T[] = [];
  for (const one of value) {
    const item = isRecord(one) ? read(one) : undefined;
    if (item === undefined) throw new UnexpectedAnswer('a summary');
    list.push(item);
  }
  return list;
}

function failuresOf(value: unknown, key: string) {
  return listOf(value, one => {
    const { [key]: name, count } = one;
    return typeof name === 'string' && typeof count === 'number' ? { name, count } : undefined;
  });
}

function bucketOf(bucket: Readonly<Record<string, unknown>>) {
  const groups = groupsOf(bucket.groups);
  return groups === undefined ? undefined : { fromMs: Date.parse(String(bucket.from)), groups };
}

function priceOf({ currency, sum }: Readonly<Record<string, unknown>>) {
  return typeof currency === 'string' && typeof sum === 'number' ? { currency, sum } : undefined;
}

export function readSummary(text: string): Summary {
  const body = parseJson(text);
  if (!isRecord(body) || typeof body.complete !== 'boolean') throw new UnexpectedAnswer('a summary');
  const failures = isRecord(body.failures) ? body.failures : {};
  return {
    fromMs: Date.parse(String(body.from)),
    toMs: Date.parse(String(body.to)),
    bucketMs: numberOf(body.bucketMs) ?? 0,
    complete: body.complete,
    total: numberOf(body.total),
    groups: groupsOf(body.groups),
    buckets: listOf(body.buckets, bucketOf),
    deliveryMs: isRecord(body.deliveryMs)
      ? { p50: numberOf(body.deliveryMs.p50), p95: numberOf(body.deliveryMs.p95) }
      : undefined,
    prices: listOf(body.prices, priceOf),
    errors: failuresOf(failures.errors, 'name'),
    senders: failuresOf(failures.senders, 'sender'),
    campaigns: failuresOf(failures.campaigns, 'campaignReferenceId'),
  };
}
