/** Where the environment is asked, and who is told of what in it cannot be done. */
export type Environment = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly warn: (message: string, detail: object) => void;
};

type Protocol = 'http/protobuf' | 'http/json';

/** By which protocol traces and metrics go; those that are absent stay here. */
export type Wanted = { readonly traces?: Protocol; readonly metrics?: Protocol };

const protocols: readonly string[] = ['http/protobuf', 'http/json'];
/** The SDK puts a path behind an endpoint, and where either is no URL it takes its default: whoever listens there here. */
const hasHttp = (endpoint: string) =>
  [endpoint, `${endpoint}/v1/traces`].every(url => /^https?:$/.test(URL.parse(url)?.protocol ?? ''));
const isProtocol = (text: string): text is Protocol => protocols.includes(text);

/**
 * What OpenTelemetry's own variables ask for: a signal goes out where an endpoint is named for it or for all, unless its
 * exporter is another one than `otlp`, or the whole is disabled. What is no address of HTTP is told of, and the signal stays
 * here. `undefined` when nothing goes out.
 */
export function wantedTelemetry({ env, warn }: Environment): Wanted | undefined {
  const of = (name: string) => env[name]?.trim() || undefined;
  if (of('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return undefined;
  const unusable = new Set<string>();
  const isUsable = (variable: string) => {
    if (hasHttp(env[variable] ?? '')) return true;
    // It may hold a token, and so is not told.
    if (!unusable.has(variable))
      warn('an endpoint of telemetry begins with neither http:// nor https://: nothing goes there', { variable });
    unusable.add(variable);
    return false;
  };
  const protocolOf = (signal: string): Protocol | undefined => {
    const variables = [`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`, 'OTEL_EXPORTER_OTLP_ENDPOINT'];
    const variable = variables.find(name => of(name) !== undefined);
    if (variable === undefined) return undefined;
    const exporters = (of(`OTEL_${signal}_EXPORTER`) ?? 'otlp').split(',').map(one => one.trim());
    for (const exporter of exporters.filter(one => one !== 'otlp' && one !== 'none'))
      warn('an exporter of telemetry is not known here', { variable: `OTEL_${signal}_EXPORTER`, exporter });
    if (!exporters.includes('otlp') || !isUsable(variable)) return undefined;
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
