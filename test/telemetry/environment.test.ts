import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { batching, metricTimes } from '../../src/telemetry/environment.ts';

const timerMsMax = 2_147_483_647;
const durations = {
  OTEL_BSP_SCHEDULE_DELAY: () => batching().scheduledDelayMillis,
  OTEL_BSP_EXPORT_TIMEOUT: () => batching().exportTimeoutMillis,
  OTEL_METRIC_EXPORT_INTERVAL: () => metricTimes().exportIntervalMillis,
  OTEL_METRIC_EXPORT_TIMEOUT: () => metricTimes().exportTimeoutMillis,
};

afterEach(() => {
  vi.unstubAllEnvs();
});

test.each(Object.entries(durations))('%s of any length → no more than a timer of Node takes', (name, read) => {
  const length = fc.oneof(
    fc.integer({ min: 1, max: 1_000_000 }),
    fc.integer({ min: timerMsMax - 2, max: timerMsMax + 2 }),
    fc.double({ min: timerMsMax, max: Number.MAX_VALUE, noNaN: true }),
  );
  fc.assert(
    fc.property(length, ms => {
      // What metrics may take is no longer than their interval.
      vi.stubEnv('OTEL_METRIC_EXPORT_INTERVAL', '1e300');
      vi.stubEnv(name, String(ms));
      expect(read()).toBe(Math.min(ms, timerMsMax));
    }),
  );
});

test('metrics that may take longer than their interval → as long as it is', () => {
  vi.stubEnv('OTEL_METRIC_EXPORT_INTERVAL', '20');
  expect(metricTimes()).toEqual({ exportIntervalMillis: 20, exportTimeoutMillis: 20 });
});
