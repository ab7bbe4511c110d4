import { Registry } from 'prom-client';
import { expect, test, vi } from 'vitest';
import { createMetrics } from '../../src/http/metrics/metrics.ts';
import type { SendingFigures } from '../../src/http/parts.ts';
import type { MirrorFigures } from '../../src/mirror/figures.ts';
import type { StoreStats } from '../../src/store/store.ts';
import { type ToldMetric, texts } from '../support/collector.ts';
import { opened } from './open.ts';

const stats: StoreStats = {
  ...{ segments: 3, messages: 70, reports: 9, bytes: 4096, freeBytes: 12, oldestSentAt: 1500, queuedRecords: 4 },
  waiting: { reports: 2, dropped: 5 },
  damaged: [{ name: 'segment-7', reason: 'checksum' }],
  away: [{ name: 'b:5432', reason: 'no answer', accounts: 3 }],
  reads: { primary: 3, replicas: [{ name: 'a/log', reads: 7, isUsed: true, behindMs: 250 }] },
};
const sending: SendingFigures = {
  paused: [{ account: 1, sender: 'page-1', reason: 'Graph error 190' }],
  outbox: { scheduled: 1, queued: 2, sending: 3, unknown: 4, untold: 5, parked: 6, openReports: 7, pushes: 8 },
  sends: { sent: 11, failed: 12, again: 13, unknown: 14 },
  pushes: { pushed: 15, failed: 16, dropped: 17 },
  lostEvents: { 'too large': 18, 'not kept': 19 },
};
const mirror: MirrorFigures = {
  mirror: {
    id: 1,
    name: 'a',
    account: 1,
    from: 'https://x',
    sealedKey: '',
    requestsPerMinute: 60,
    sinceMs: 1,
    createdAt: 1,
  },
  state: 'following',
  ...{ skewMs: 0, requestsUsed: 1, requestsLeft: 2, followed: 3, recorded: 4, changed: 5 },
  ...{ statusLagMs: 9, statusesLate: 10 },
  ...{ refused: 6, flawed: 7, unsettled: 8, gaps: [] },
};

/** Every series of a text for Prometheus with its value, but for those that are no number. */
function seriesIn(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'));
  const series = lines.map(line => {
    const [, name = '', labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    const sorted = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, one]) => `${key}=${one}`).toSorted();
    return [`${name}{${sorted}}`, Number(value)] as const;
  });
  return new Map(series.filter(([, value]) => !Number.isNaN(value)));
}

/** The same of what was told as OTLP. */
function seriesOf(metrics: readonly ToldMetric[]): ReadonlyMap<string, number> {
  const key = (name: string, labels: object) =>
    `${name}{${Object.entries(labels)
      .map(([label, value]) => `${label}=${value}`)
      .toSorted()}}`;
  const series = new Map<string, number>();
  for (const { name, gauge, sum, histogram } of metrics) {
    for (const { attributes, asDouble } of (gauge ?? sum)?.dataPoints ?? [])
      series.set(key(name, texts(attributes)), asDouble ?? Number.NaN);
    for (const { attributes, explicitBounds = [], bucketCounts = [], ...point } of histogram?.dataPoints ?? []) {
      const labels = texts(attributes);
      let below = 0;
      for (const [at, count] of bucketCounts.entries()) {
        below += Number(count);
        series.set(key(`${name}_bucket`, { ...labels, le: explicitBounds[at] ?? '+Inf' }), below);
      }
      series.set(key(`${name}_sum`, labels), point.sum ?? Number.NaN);
      series.set(key(`${name}_count`, labels), Number(point.count));
    }
  }
  return series;
}

test('whatever /metrics tells → the same series with the same values and words, by OTLP', async () => {
  const { collector, telemetry } = await opened();
  const registry = new Registry();
  const metrics = createMetrics(registry);
  for (const durationMs of [0.2, 3, 70_000]) {
    metrics.request({ route: '/messenger/1/logs', method: 'GET', status: 200, durationMs });
    metrics.request({ route: 'unknown', method: 'POST', status: 404, durationMs });
  }
  metrics.records({ recorded: 5, updated: 1, unchanged: 0, waiting: 0, rejected: 2 });
  metrics.unregistered({ status: 2 });
  metrics.flawedContents(3);
  metrics.streamListeners(4);
  metrics.streamEvents(9);
  metrics.streamDropped();
  const outcomes = { groups: new Map([['DELIVERED', 3]]), errors: new Map([['EC_EXPIRED', 2]]) } as const;
  metrics.storeObserver({ note() {}, damaged() {} }).committed({ durationMs: 4, messages: 9, reports: 1, outcomes });
  const refresh = vi.fn(async () => metrics.tell(stats, { sending, mirrors: [mirror] }));
  const end = telemetry.meter(registry, refresh);
  await end();
  expect(refresh).toHaveBeenCalledOnce();
  const text = await metrics.text();
  const told = seriesOf(collector.metrics);
  expect(told.size).toBeGreaterThan(100);
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(seriesIn(text)));
  const helps = collector.metrics.map(({ name, description }) => `# HELP ${name} ${description}`);
  expect(text.split('\n')).toEqual(expect.arrayContaining(helps));
  const kinds = collector.metrics.map(({ name, sum, histogram }) => {
    const kind = histogram === undefined ? (sum?.isMonotonic ? 'counter' : 'gauge') : 'histogram';
    return `# TYPE ${name} ${kind}`;
  });
  expect(text.split('\n')).toEqual(expect.arrayContaining(kinds));
  const units = new Map(collector.metrics.map(({ name, unit }) => [name, unit]));
  expect(units.get('sentlog_store_commit_duration_seconds')).toBe('s');
  expect(units.get('sentlog_store_bytes')).toBe('By');
});

test('figures that cannot be read now → told of, and the next are told again', async () => {
  const { collector, telemetry, warned } = await opened({ OTEL_METRIC_EXPORT_INTERVAL: '20' });
  const registry = new Registry();
  const metrics = createMetrics(registry);
  let times = 0;
  const end = telemetry.meter(registry, async () => {
    if (times++ === 0) throw new Error('not now');
    metrics.tell(undefined);
  });
  await expect.poll(() => collector.metrics.some(({ name }) => name === 'sentlog_store_up')).toBe(true);
  await end();
  expect(warned[0]?.detail).toEqual({ reason: expect.stringContaining('not now') });
});
