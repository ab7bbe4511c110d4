import { deliveryErrors, statuses } from '../../../src/domain/registry.ts';

export type Fields = Record<string, unknown>;
/** A log as it is sent to a browser, and what the server keeps beside it. */
export type Kept = { log: Fields; sentMs: number; sequence: number; timeline: Fields[] };

const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
const record = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};

export function instant(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '+0000');
}

function written({ key: _, ...entry }: { readonly key: number }): Fields {
  const fields: Fields = { ...entry };
  delete fields.final;
  return fields;
}

function statusNamed(name: string): Fields {
  const found = statuses.find(one => one.name === name);
  if (found === undefined) throw new Error(`no status ${name}`);
  return written(found);
}

function errorNamed(name: string): Fields {
  const found = deliveryErrors.find(one => one.name === name);
  if (found === undefined) throw new Error(`no error ${name}`);
  return written(found);
}

const listed = (parameters: URLSearchParams, name: string) =>
  parameters.getAll(name).flatMap(value => value.split(',').map(one => one.trim()));

/** Whether a log meets the filter of the API. */
export function matches({ log, sentMs }: Kept, parameters: URLSearchParams): boolean {
  const platform = record(log.platform);
  const equal = (name: string, value: unknown) => !parameters.has(name) || parameters.get(name) === value;
  const among = (name: string) => !parameters.has(name) || listed(parameters, name).includes(text(log[name]) ?? '');
  const since = parameters.get('sentSince');
  const until = parameters.get('sentUntil');
  return (
    equal('sender', log.sender) &&
    equal('destination', log.destination) &&
    equal('entityId', platform.entityId) &&
    equal('applicationId', platform.applicationId) &&
    equal('generalStatus', record(log.status).groupName) &&
    among('bulkId') &&
    among('messageId') &&
    among('campaignReferenceId') &&
    (since === null || sentMs >= Date.parse(since)) &&
    (until === null || sentMs < Date.parse(until))
  );
}

/** A log in memory with the rules that the page can see: what is recorded twice is there once, statuses go forward. */
export class FakeLog {
  readonly #byId = new Map<string, Kept>();
  #sorted: Kept[] | undefined;
  #sequence = 0;

  get(messageId: string): Kept | undefined {
    return this.#byId.get(messageId);
  }

  /** Newest first. */
  find(parameters: URLSearchParams): Kept[] {
    this.#sorted ??= [...this.#byId.values()].sort((a, b) => b.sentMs - a.sentMs || b.sequence - a.sequence);
    return this.#sorted.filter(kept => matches(kept, parameters));
  }

  /** Records a message, or a report on one. */
  take(submitted: Fields): Kept {
    const messageId = String(submitted.messageId);
    const known = this.#byId.get(messageId);
    const status = text(record(submitted.status).name);
    const error = text(record(submitted.error).name);
    const atMs = Date.parse(
      text(submitted.at) ?? text(submitted.doneAt) ?? text(submitted.sentAt) ?? instant(Date.now()),
    );
    const { at: _, ...fields } = submitted;
    const sentAt = text(known?.log.sentAt) ?? text(fields.sentAt) ?? instant(Date.now());
    this.#sequence += 1;
    const kept: Kept = {
      log: {
        messageCount: 1,
        ...known?.log,
        ...fields,
        sentAt,
        status: status === undefined ? (known?.log.status ?? statusNamed('PENDING_ACCEPTED')) : statusNamed(status),
        error: error === undefined ? (known?.log.error ?? errorNamed('NO_ERROR')) : errorNamed(error),
      },
      sentMs: Date.parse(sentAt),
      sequence: known?.sequence ?? this.#sequence,
      timeline: known?.timeline ?? [],
    };
    kept.timeline.push({
      at: instant(atMs),
      status: kept.log.status,
      error: kept.log.error,
      receivedAt: instant(atMs + 40),
    });
    this.#byId.set(messageId, kept);
    this.#sorted = undefined;
    return kept;
  }
}

const groupNames = ['PENDING', 'UNDELIVERABLE', 'DELIVERED', 'EXPIRED', 'REJECTED'] as const;
const noGroups = () => Object.fromEntries(groupNames.map(name => [name, 0])) as Record<string, number>;
const failed = ['UNDELIVERABLE', 'EXPIRED', 'REJECTED'];

function counted(names: readonly (string | undefined)[], key: string): Fields[] {
  const counts = new Map<string, number>();
  for (const name of names) if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 10)
    .map(([name, count]) => ({ [key]: name, count }));
}

/** Counted anew each time, by force. */
export function summaryOf(found: readonly Kept[], parameters: URLSearchParams, nowMs: number): Fields {
  const count = Number(parameters.get('buckets') ?? 60);
  const fromMs = Date.parse(parameters.get('sentSince') ?? instant(nowMs - 48 * 3_600_000));
  const toMs = Date.parse(parameters.get('sentUntil') ?? instant(nowMs));
  const bucketMs = Math.max(1, Math.ceil((toMs - fromMs) / count));
  const buckets = Array.from({ length: count }, (_, index) => ({
    from: instant(fromMs + index * bucketMs),
    groups: noGroups(),
  }));
  const groups = noGroups();
  const tookMs: number[] = [];
  const prices = new Map<string, { sum: number; count: number }>();
  for (const { log, sentMs } of found) {
    const group = String(record(log.status).groupName);
    groups[group] = (groups[group] ?? 0) + 1;
    const bucket = buckets[Math.floor((sentMs - fromMs) / bucketMs)];
    if (bucket !== undefined) bucket.groups[group] = (bucket.groups[group] ?? 0) + 1;
    const doneAt = text(log.doneAt);
    if (doneAt !== undefined && group === 'DELIVERED') tookMs.push(Date.parse(doneAt) - sentMs);
    const { pricePerMessage, currency } = record(log.price);
    if (typeof pricePerMessage !== 'number' || typeof currency !== 'string') continue;
    const price = prices.get(currency) ?? { sum: 0, count: 0 };
    prices.set(currency, { sum: price.sum + pricePerMessage * Number(log.messageCount), count: price.count + 1 });
  }
  tookMs.sort((a, b) => a - b);
  const quantile = (share: number) => tookMs[Math.floor((tookMs.length - 1) * share)];
  const failures = found.filter(({ log }) => failed.includes(String(record(log.status).groupName)));
  return {
    from: instant(fromMs),
    to: instant(toMs),
    bucketMs,
    complete: true,
    total: found.length,
    groups,
    buckets,
    deliveryMs: { p50: quantile(0.5), p95: quantile(0.95), count: tookMs.length },
    prices: [...prices].map(([currency, price]) => ({ currency, ...price })),
    failures: {
      errors: counted(
        failures.map(({ log }) => text(record(log.error).name)),
        'name',
      ),
      senders: counted(
        failures.map(({ log }) => text(log.sender)),
        'sender',
      ),
      campaigns: counted(
        failures.map(({ log }) => text(log.campaignReferenceId)),
        'campaignReferenceId',
      ),
    },
  };
}
