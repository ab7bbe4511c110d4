import { type HrTime, ValueType } from '@opentelemetry/api';
import { type InstrumentationScope, millisToHrTime } from '@opentelemetry/core';
import { emptyResource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  type CollectionResult,
  DataPointType,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import type { MetricObjectWithValues, MetricValue, Registry } from 'prom-client';

type Value = MetricValue<string> & { readonly metricName?: string };
type Times = { readonly startTime: HrTime; readonly endTime: HrTime };

/** What `/metrics` tells, under the same names: there is one set of counters. They count from `startTime` on. */
export class MetricBridge implements MetricProducer {
  readonly #registry: Registry;
  readonly #refresh: () => Promise<void>;
  readonly #scope: InstrumentationScope;
  readonly #startTime = millisToHrTime(Date.now());

  constructor(registry: Registry, refresh: () => Promise<void>, scope: InstrumentationScope) {
    this.#registry = registry;
    this.#refresh = refresh;
    this.#scope = scope;
  }

  async collect(): Promise<CollectionResult> {
    await this.#refresh();
    const times = { startTime: this.#startTime, endTime: millisToHrTime(Date.now()) };
    const metrics = (await this.#registry.getMetricsAsJSON()).flatMap(metric => dataOf(metric, times));
    // The resource is the reader's.
    return {
      resourceMetrics: { resource: emptyResource(), scopeMetrics: [{ scope: this.#scope, metrics }] },
      errors: [],
    };
  }
}

function dataOf(metric: MetricObjectWithValues<MetricValue<string>>, times: Times): readonly MetricData[] {
  const { name, help, type } = metric;
  // What is not known is no number there: it is absent here.
  const values: readonly Value[] = metric.values.filter(({ value }) => !Number.isNaN(value));
  if (values.length === 0) return [];
  const about = {
    descriptor: { name, description: help, unit: unitOf(name), valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  // Its types say a number, and it gives the name.
  const kind = String(type);
  if (kind === 'histogram')
    return [{ ...about, dataPointType: DataPointType.HISTOGRAM, dataPoints: histogramsOf(name, values, times) }];
  const dataPoints = values.map(({ labels, value }) => ({ ...times, attributes: textsOf(labels), value }));
  return kind === 'counter'
    ? [{ ...about, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }]
    : [{ ...about, dataPointType: DataPointType.GAUGE, dataPoints }];
}

/** As the names of Prometheus have it, in UCUM. */
function unitOf(name: string): string {
  if (name.endsWith('_seconds')) return 's';
  return name.endsWith('_bytes') ? 'By' : '';
}

function textsOf(labels: Value['labels']): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]));
}

/** Of each set of labels: how many fell between two bounds, where Prometheus says how many lie below each. */
function histogramsOf(name: string, values: readonly Value[], times: Times) {
  const withoutBound = ({ labels: { le: _, ...labels } }: Value) => textsOf(labels);
  const sets = Map.groupBy(values, value => JSON.stringify(withoutBound(value)));
  return [...sets.values()].flatMap(set => {
    const [first] = set;
    if (first === undefined) return [];
    const told = (end: string) => set.find(({ metricName }) => metricName === name + end)?.value ?? 0;
    const below = set.filter(({ metricName }) => metricName === `${name}_bucket`);
    const boundaries = below.filter(({ labels }) => labels.le !== '+Inf').map(({ labels }) => Number(labels.le));
    const counts = below.map(({ value }, i) => value - (below[i - 1]?.value ?? 0));
    const value = { buckets: { boundaries, counts }, sum: told('_sum'), count: told('_count') };
    return [{ ...times, attributes: withoutBound(first), value }];
  });
}
