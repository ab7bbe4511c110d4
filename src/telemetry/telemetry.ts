import type { Registry } from 'prom-client';
import { Unusable } from '../failures.ts';
import type { Tracing } from '../tracing.ts';
import { type Environment, wantedTelemetry } from './wanted.ts';

/** What tells others of this server by OpenTelemetry. Nothing of it waits for them, or fails with them. */
export type Telemetry = {
  /** Absent where no traces are wanted. */
  readonly tracing?: Tracing;
  /**
   * Tells the figures of a registry from now on, time and again, under their own names; `refresh` has it know what is so
   * now. What ends it tells them a last time, and waits no longer for that than is bounded.
   */
  meter(registry: Registry, refresh: () => Promise<void>): () => Promise<void>;
  /** Tells what is still to be told of, and waits no longer for that than is bounded. */
  close(): Promise<void>;
};

/**
 * Opens it where the environment asks for it; the packages of OpenTelemetry are not touched otherwise. Rejects with
 * `Unusable` when they are not there.
 */
export async function openTelemetry(environment: Environment): Promise<Telemetry | undefined> {
  const wanted = wantedTelemetry(environment);
  if (wanted === undefined) return undefined;
  try {
    const { openSdk } = await import('./sdk.ts');
    return openSdk(wanted, environment.warn);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error;
    throw new Unusable(
      'an OTEL_EXPORTER_OTLP_…ENDPOINT is set, and packages of OpenTelemetry are not installed: install sentlog anew, or unset it',
      { cause: error },
    );
  }
}
