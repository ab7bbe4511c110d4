import { describe, expect, test } from 'vitest';
import { wantedTelemetry } from '../../src/telemetry/wanted.ts';
import { opened } from './open.ts';

const [all, traces, metrics] = ['ENDPOINT', 'TRACES_ENDPOINT', 'METRICS_ENDPOINT'].map(
  name => `OTEL_EXPORTER_OTLP_${name}`,
);
const protobuf = 'http/protobuf';

describe('what the environment asks for', () => {
  const warned: object[] = [];
  const wanted = (env: Record<string, string>) =>
    wantedTelemetry({ env, warn: (_, detail) => void warned.push(detail) });

  test.each<[what: string, env: Record<string, string>, wanted: object | undefined]>([
    ['no endpoint', { OTEL_SERVICE_NAME: 'a', OTEL_TRACES_EXPORTER: 'otlp' }, undefined],
    ['an empty endpoint', { [`${all}`]: ' ' }, undefined],
    ['an endpoint', { [`${all}`]: 'http://a' }, { traces: protobuf, metrics: protobuf }],
    ['an endpoint for traces', { [`${traces}`]: 'http://a' }, { traces: protobuf }],
    ['an endpoint for metrics', { [`${metrics}`]: 'http://a' }, { metrics: protobuf }],
    ['the SDK disabled', { [`${all}`]: 'http://a', OTEL_SDK_DISABLED: 'True' }, undefined],
    ['the SDK not disabled', { [`${traces}`]: 'http://a', OTEL_SDK_DISABLED: 'false' }, { traces: protobuf }],
    ['no exporter of traces', { [`${all}`]: 'http://a', OTEL_TRACES_EXPORTER: 'none' }, { metrics: protobuf }],
    ['no exporter of metrics', { [`${all}`]: 'http://a', OTEL_METRICS_EXPORTER: 'none' }, { traces: protobuf }],
    [
      'JSON for one',
      { [`${all}`]: 'http://a', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' },
      { traces: 'http/json', metrics: protobuf },
    ],
  ])('%s → as the specification has it, without a word', (_, env, expected) => {
    expect(wanted(env)).toEqual(expected);
    expect(warned).toEqual([]);
  });

  const addresses = ['http://a', 'https://a:4318/', ' HTTP://[::1]:4318/otlp\n'];
  const none = ['nonsense', 'collector:4318', 'localhost:4318', '//a', '/v1/traces', 'http://', 'unix:/a', 'http://a '];
  const variables = [`${all}`, `${traces}`, `${metrics}`];
  const kinds = variables.flatMap(variable => none.map(endpoint => [variable, endpoint] as const));
  test.each(kinds)('%s=%j, which is no address → one line, and what it is for stays here', (variable, endpoint) => {
    const isFor = (one: string | undefined) => variable === one || variable === all;
    for (const address of addresses) {
      const others = { [`${all}`]: address };
      const expected = {
        ...(!isFor(traces) && { traces: protobuf }),
        ...(!isFor(metrics) && { metrics: protobuf }),
      };
      expect(wanted({ ...others, [variable]: endpoint }) ?? {}).toEqual(expected);
      expect(warned.splice(0)).toEqual([{ variable }]);
    }
    // Where it is not asked for, there is nothing to say.
    const off = { OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none' };
    expect(wanted({ ...off, [variable]: endpoint })).toBeUndefined();
    expect(warned).toEqual([]);
  });

  test('what is not known here → told of, and passed over', () => {
    const endpoint = { [`${all}`]: 'http://a' };
    expect(wanted({ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })).toEqual({
      traces: protobuf,
      metrics: protobuf,
    });
    expect(wanted({ ...endpoint, OTEL_TRACES_EXPORTER: 'zipkin', OTEL_METRICS_EXPORTER: 'otlp, console' })).toEqual({
      metrics: protobuf,
    });
    expect(warned.splice(0)).toEqual([
      { signal: 'traces', protocol: 'grpc' },
      { signal: 'metrics', protocol: 'grpc' },
      { variable: 'OTEL_TRACES_EXPORTER', exporter: 'zipkin' },
      { variable: 'OTEL_METRICS_EXPORTER', exporter: 'console' },
    ]);
  });
});

describe('OTEL_TRACES_SAMPLER', () => {
  /** Whether a request is told of: of no trace, of one that is told of, of one that is not. */
  const cases: readonly [name: string, arg: string, sampled: readonly boolean[]][] = [
    ['', '', [true, true, false]],
    ['parentbased_always_on', '', [true, true, false]],
    ['parentbased_always_off', '', [false, true, false]],
    ['parentbased_traceidratio', '0', [false, true, false]],
    ['parentbased_traceidratio', '1', [true, true, false]],
    ['always_on', '', [true, true, true]],
    ['always_off', '', [false, false, false]],
    ['traceidratio', '0', [false, false, false]],
    ['traceidratio', '', [true, true, true]],
    ['traceidratio', '7', [true, true, true]],
    ['sometimes', '', [true, true, false]],
  ];
  test.each(cases)('"%s" with "%s" → decides which requests are told of', async (name, arg, sampled) => {
    const { tracing } = await opened({ OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: arg });
    const parents = [undefined, '01', '00'].map(
      flags => flags && `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}`,
    );
    const told = parents.map(traceparent => {
      let headers: Readonly<Record<string, string>> = {};
      const span = tracing.request('GET', traceparent === undefined ? {} : { traceparent });
      span.run(() => {
        headers = tracing.headers();
      });
      return headers.traceparent?.endsWith('-01');
    });
    expect(told).toEqual(sampled);
  });
});
