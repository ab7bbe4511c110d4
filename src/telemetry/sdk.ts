import { DiagLogLevel, diag } from '@opentelemetry/api';
import { setGlobalErrorHandler } from '@opentelemetry/core';
import { OTLPMetricExporter as JsonMetrics } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtobufMetrics } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as JsonTraces } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufTraces } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  defaultResource,
  detectResources,
  type Resource,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceInstanceIdDetector,
  serviceNameEnvDetector,
} from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Registry } from 'prom-client';
import { limits } from '../limits.ts';
import { programVersion } from '../version.ts';
import { batching, metricTimes, samplerOf } from './environment.ts';
import { MetricBridge } from './metric-bridge.ts';
import { Spans } from './spans.ts';
import { Troubles } from './troubles.ts';
import type { Environment, Wanted } from './wanted.ts';

/** Sets up the SDK of OpenTelemetry, which takes where and how to tell from its own variables. */
export function openSdk(wanted: Wanted, warn: Environment['warn']) {
  const troubles = new Troubles(warn);
  diag.setLogger(troubles.logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  setGlobalErrorHandler(troubles.tell);
  const resource = resourceOf();
  const scope = { name: 'sentlog', version: programVersion() };
  const traces = wanted.traces && openTraces(resource, wanted.traces, scope);
  return {
    ...(traces !== undefined && { tracing: traces.spans }),
    meter: (registry: Registry, refresh: () => Promise<void>) => {
      if (wanted.metrics === undefined) return async () => {};
      const bridge = new MetricBridge(registry, refresh, scope);
      const exporter = wanted.metrics === 'http/json' ? new JsonMetrics() : new ProtobufMetrics();
      const reader = new PeriodicExportingMetricReader({ exporter, metricProducers: [bridge], ...metricTimes() });
      const provider = new MeterProvider({ resource, readers: [reader] });
      return () => atMost(provider.shutdown(), troubles);
    },
    close: async () => {
      if (traces !== undefined) await atMost(traces.provider.shutdown(), troubles);
      traces?.spans.close();
      troubles.end();
    },
  };
}

function openTraces(resource: Resource, protocol: Wanted['traces'], scope: { name: string; version: string }) {
  const exporter = protocol === 'http/json' ? new JsonTraces() : new ProtobufTraces();
  const spanProcessors = [new BatchSpanProcessor({ exporter, ...batching() })];
  const provider = new TracerProvider({ resource, sampler: samplerOf(), spanProcessors });
  return { provider, spans: new Spans(provider.getTracer(scope.name, scope.version)) };
}

/** `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` go before what is said here, the latter before the former. */
function resourceOf(): Resource {
  const detectors = [serviceInstanceIdDetector, resourceAttributesEnvDetector, serviceNameEnvDetector];
  return defaultResource()
    .merge(resourceFromAttributes({ 'service.name': 'sentlog', 'service.version': programVersion() }))
    .merge(detectResources({ detectors }));
}

/** A collector that does not answer is waited for no longer: what it was to hear is lost. */
async function atMost(done: Promise<void>, troubles: Troubles): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    troubles.tell(new Error(`the collector took longer than ${limits.telemetryFlushMs} ms at the end`));
    late.resolve();
  }, limits.telemetryFlushMs);
  await Promise.race([done.catch(troubles.tell), late.promise]);
  clearTimeout(timer);
}
