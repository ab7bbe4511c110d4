import { onTestFinished, vi } from 'vitest';
import { openTelemetry, type Telemetry } from '../../src/telemetry/telemetry.ts';
import type { Tracing } from '../../src/tracing.ts';
import { Collector } from '../support/collector.ts';

export type Opened = {
  readonly collector: Collector;
  readonly telemetry: Telemetry;
  readonly tracing: Tracing;
  readonly warned: readonly { readonly message: string; readonly detail: object }[];
};

/** Telemetry that goes to a collector of its own, by what the environment says besides. It ends with the test. */
export async function opened(env: Readonly<Record<string, string>> = {}): Promise<Opened> {
  const collector = new Collector();
  onTestFinished(() => collector[Symbol.asyncDispose]());
  const endpoint = await collector.listen();
  const all = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', ...env };
  for (const [name, value] of Object.entries(all)) vi.stubEnv(name, value);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const warned: Opened['warned'][number][] = [];
  const warn = (message: string, detail: object) => {
    warned.push({ message, detail });
  };
  const telemetry = await openTelemetry({ env: process.env, warn });
  if (telemetry?.tracing === undefined) throw new Error('no telemetry was opened');
  onTestFinished(() => telemetry.close());
  return { collector, telemetry, tracing: telemetry.tracing, warned };
}
