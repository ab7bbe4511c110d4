import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Collector, texts } from '../support/collector.ts';
import { logsPath, numbered } from '../support/log-calls.ts';
import { ServerHome } from '../support/server-process.ts';

const nodeArgs = ['--import', join(import.meta.dirname, '../support/telemetry-modules.mjs')];
const loadedBy = ({ stdout }: { readonly stdout: string }) => Number(/telemetry modules: (\d+)/.exec(stdout)?.[1]);

function newHome(): ServerHome {
  const home = new ServerHome();
  onTestFinished(() => home.remove());
  return home;
}

test('no endpoint → no module of OpenTelemetry is loaded; one whose collector hangs at the end → traces and metrics, and it ends', async () => {
  const home = newHome();
  const untold = await home.serve({ nodeArgs, env: { OTEL_SERVICE_NAME: 'unheard' } });
  await home.calls(untold).record([numbered(0)]);
  expect(await untold.end('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(loadedBy(untold)).toBe(0);

  await using collector = new Collector();
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: await collector.listen(),
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_SERVICE_NAME: 'log-of-mine',
    OTEL_BSP_SCHEDULE_DELAY: '10',
    OTEL_METRIC_EXPORT_INTERVAL: '50',
    // Whatever waits for the collector would wait for as long.
    OTEL_EXPORTER_OTLP_TIMEOUT: '3600000',
  };
  const told = await home.serve({
    nodeArgs,
    env,
    settings: { SENTLOG_LOG_LEVEL: 'debug', SENTLOG_CARRIER: 'simulated' },
  });
  await home.calls(told).record([numbered(1)]);
  const spanNamed = (name: string) => collector.spans.find(span => span.name === name);
  await expect.poll(() => spanNamed(`POST ${logsPath}`)).toBeDefined();
  await expect.poll(() => spanNamed('store record')).toBeDefined();
  expect(spanNamed('store record')?.parentSpanId).toBe(spanNamed(`POST ${logsPath}`)?.spanId);
  const recorded = () =>
    collector.metrics
      .findLast(({ name }) => name === 'sentlog_records_total')
      ?.sum?.dataPoints.map(({ attributes, asDouble }) => ({ ...texts(attributes), count: asDouble }));
  await expect.poll(recorded).toContainEqual({ outcome: 'recorded', count: 1 });
  expect(new Set(collector.resources.map(resource => resource['service.name']))).toEqual(new Set(['log-of-mine']));
  const answered = () => told.stderr.split('\n').filter(line => /"answered".*\}$/.test(line));
  await expect
    .poll(() => answered().map(line => JSON.parse(line).trace_id))
    .toContain(spanNamed(`POST ${logsPath}`)?.traceId);

  const message = { sender: 'page', destinations: [{ to: 'seen' }], content: { type: 'TEXT', text: 'Hello' } };
  const asked = await fetch(`${told.address}/messenger/1/messages`, {
    method: 'POST',
    headers: { authorization: home.calls(told).authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [message] }),
  });
  expect(asked.status).toBe(200);
  await expect.poll(() => spanNamed('POST /{page}/messages')).toBeDefined();
  await expect.poll(() => spanNamed('POST /messenger/1/messages')).toBeDefined();
  const { traceId, spanId } = spanNamed('POST /messenger/1/messages') ?? {};
  expect(spanNamed('POST /{page}/messages')?.links).toMatchObject([{ traceId, spanId }]);

  collector.answer = () => undefined;
  await home.calls(told).record([numbered(2)]);
  expect(await told.end('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(loadedBy(told)).toBeGreaterThan(0);
});

test('a start that fails, with a collector that hangs → one line that says why, and the collector hears nothing', async () => {
  await using collector = new Collector();
  collector.answer = () => undefined;
  const endpoint = await collector.listen();
  const { hostname, port } = new URL(endpoint);
  const server = newHome().launch({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_TIMEOUT: '3600000' },
    settings: { SENTLOG_HOST: hostname, SENTLOG_PORT: port },
  });
  expect(await server.exited).toEqual({ code: 1, signal: null });
  expect(server.stderr.trim().split('\n')).toEqual([expect.stringMatching(/^sentlog: port \d+ of .* is in use/)]);
  expect(collector.calls).toEqual([]);
});

test('an endpoint without the packages of OpenTelemetry → one line that says so', async () => {
  const server = newHome().launch({
    nodeArgs,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', WITHOUT_TELEMETRY: 'yes' },
  });
  expect((await server.exited).code).toBe(1);
  expect(server.stderr.trim().split('\n')).toEqual([
    expect.stringMatching(/packages of OpenTelemetry are not installed/),
  ]);
});
