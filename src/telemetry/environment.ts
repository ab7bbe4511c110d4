import { diag } from '@opentelemetry/api';
import { getNumberFromEnv, getStringFromEnv } from '@opentelemetry/core';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';

/*
 * What the SDK itself leaves to whoever sets it up: of its packages only `sdk-node` reads these variables, which brings
 * gRPC, Zipkin and instrumentations along. As everywhere in OpenTelemetry, a value that is none is told of and passed over.
 */

const defaultSampler = 'parentbased_always_on';

/** By `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`. */
export function samplerOf(): Sampler {
  const name = getStringFromEnv('OTEL_TRACES_SAMPLER')?.trim() ?? defaultSampler;
  switch (name) {
    case 'always_on':
      return new AlwaysOnSampler();
    case 'always_off':
      return new AlwaysOffSampler();
    case 'traceidratio':
      return new TraceIdRatioBasedSampler(ratio());
    case 'parentbased_always_off':
      return new ParentBasedSampler({ root: new AlwaysOffSampler() });
    case 'parentbased_traceidratio':
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio()) });
    default:
      if (name !== defaultSampler) diag.warn(`OTEL_TRACES_SAMPLER: "${name}" is not known here`);
      return new ParentBasedSampler({ root: new AlwaysOnSampler() });
  }
}

function ratio(): number {
  const given = getNumberFromEnv('OTEL_TRACES_SAMPLER_ARG') ?? 1;
  if (given >= 0 && given <= 1) return given;
  diag.warn(`OTEL_TRACES_SAMPLER_ARG: ${given} is not between 0 and 1`);
  return 1;
}

/** Longer ones would be timers of 1 ms. */
const timerMsMax = 2 ** 31 - 1;

/** By `OTEL_BSP_…`: how many spans wait at most, and for how long. */
export function batching() {
  const maxQueueSize = positive('OTEL_BSP_MAX_QUEUE_SIZE') ?? 2048;
  return {
    maxQueueSize,
    maxExportBatchSize: Math.min(positive('OTEL_BSP_MAX_EXPORT_BATCH_SIZE') ?? 512, maxQueueSize),
    scheduledDelayMillis: timerMs('OTEL_BSP_SCHEDULE_DELAY') ?? 5000,
    exportTimeoutMillis: timerMs('OTEL_BSP_EXPORT_TIMEOUT') ?? 30_000,
  };
}

/** By `OTEL_METRIC_EXPORT_…`: how often metrics go out, and what that may take. */
export function metricTimes() {
  const exportIntervalMillis = timerMs('OTEL_METRIC_EXPORT_INTERVAL') ?? 60_000;
  const timeoutMs = timerMs('OTEL_METRIC_EXPORT_TIMEOUT') ?? 30_000;
  return { exportIntervalMillis, exportTimeoutMillis: Math.min(timeoutMs, exportIntervalMillis) };
}

function timerMs(name: string): number | undefined {
  const given = positive(name);
  return given === undefined ? undefined : Math.min(given, timerMsMax);
}

function positive(name: string): number | undefined {
  const given = getNumberFromEnv(name);
  if (given === undefined || (given > 0 && Number.isFinite(given))) return given;
  diag.warn(`${name}: ${given} is not above 0`);
  return undefined;
}
