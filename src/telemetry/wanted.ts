/** Where the environment is asked, and who is told of what in it cannot be done. */
export type Environment = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly warn: (message: string, detail: object) => void;
};

type Protocol = 'http/protobuf' | 'http/json';

/** By which protocol traces and metrics go; those that are absent stay here. */
export type Wanted = { readonly traces?: Protocol; readonly metrics?: Protocol };

const protocols: readonly string[] = ['http/protobuf', 'http/json'];
const isProtocol = (text: string): text is Protocol => protocols.includes(text);

/**
 * What OpenTelemetry's own variables ask for: a signal goes out where an endpoint is named for it or for all, unless its
 * exporter is another one than `otlp`, or the whole is disabled. `undefined` when that is nothing.
 */
export function wantedTelemetry({ env, warn }: Environment): Wanted | undefined {
  const of = (name: string) => env[name]?.trim() || undefined;
  if (of('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return undefined;
  const protocolOf = (signal: string): Protocol | undefined => {
    const endpoint = of(`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`) ?? of('OTEL_EXPORTER_OTLP_ENDPOINT');
    if (endpoint === undefined) return undefined;
    const exporters = (of(`OTEL_${signal}_EXPORTER`) ?? 'otlp').split(',').map(one => one.trim());
    for (const exporter of exporters.filter(one => one !== 'otlp' && one !== 'none'))
      warn('an exporter of telemetry is not known here', { variable: `OTEL_${signal}_EXPORTER`, exporter });
    if (!exporters.includes('otlp')) return undefined;
    const protocol =
      of(`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`) ?? of('OTEL_EXPORTER_OTLP_PROTOCOL') ?? 'http/protobuf';
    if (isProtocol(protocol)) return protocol;
    warn('a protocol of telemetry is not spoken here: http/protobuf is', { signal: signal.toLowerCase(), protocol });
    return 'http/protobuf';
  };
  const [traces, metrics] = [protocolOf('TRACES'), protocolOf('METRICS')];
  if (traces === undefined && metrics === undefined) return undefined;
  return { ...(traces !== undefined && { traces }), ...(metrics !== undefined && { metrics }) };
}
