import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test, vi } from 'vitest';
import { limits } from '../../src/limits.ts';
import { type Opened, opened } from './open.ts';

async function work({ tracing }: Opened, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await tracing.within({ name: 'work' }, async () => {});
}

test('a collector that takes nothing for long → what waits for it is bounded, and the rest goes out afterwards', async () => {
  const telemetry = await opened({ OTEL_BSP_MAX_QUEUE_SIZE: '100', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10' });
  const { collector } = telemetry;
  collector.answer = () => undefined;
  await work(telemetry, 5000);
  await expect.poll(() => collector.calls.length).toBe(1);
  collector.answer = () => ({ status: 200 });
  collector.release();
  await telemetry.telemetry.close();
  expect(collector.spans).toHaveLength(110);
});

test.each([400, 500])(
  'a collector that answers with %i → the work goes on, and one line a minute tells of it',
  async status => {
    const telemetry = await opened({ OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10', OTEL_BSP_SCHEDULE_DELAY: '1' });
    const { collector } = telemetry;
    collector.answer = () => ({ status });
    for (let round = 1; round <= 3; round++) {
      await work(telemetry, 10);
      await expect.poll(() => collector.calls.length).toBeGreaterThanOrEqual(round);
    }
    await telemetry.telemetry.close();
    expect(telemetry.warned.map(one => one.message)).toEqual(['telemetry is in trouble']);
  },
);

test('nobody where the collector should be → told of by its kind', async () => {
  const nobody = createServer().listen(0, '127.0.0.1');
  await once(nobody, 'listening');
  const address = nobody.address();
  if (typeof address !== 'object' || address === null) throw new Error('it listens nowhere');
  nobody.close();
  // Less than the SDK waits before it tries again.
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${address.port}`, OTEL_EXPORTER_OTLP_TIMEOUT: '500' };
  const telemetry = await opened(env);
  await work(telemetry, 1);
  await telemetry.telemetry.close();
  expect(telemetry.warned).toEqual([
    { message: 'telemetry is in trouble', detail: { reason: expect.stringContaining('ECONNREFUSED') } },
  ]);
});

test('a collector that does not answer at the end → waited for no longer than is bounded', async () => {
  const telemetry = await opened({ OTEL_EXPORTER_OTLP_TIMEOUT: '3600000', OTEL_BSP_EXPORT_TIMEOUT: '3600000' });
  const { collector } = telemetry;
  collector.answer = () => undefined;
  await work(telemetry, 1);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const closed = telemetry.telemetry.close();
    await vi.advanceTimersByTimeAsync(limits.telemetryFlushMs);
    await closed;
  } finally {
    vi.useRealTimers();
  }
  expect(telemetry.warned.map(one => one.message)).toEqual(['telemetry is in trouble']);
  await expect.poll(() => collector.calls.length).toBe(1);
  collector.release();
});

test('by default → protobuf, with what the environment says of the server and for the collector', async () => {
  const { collector, telemetry, tracing } = await opened({
    OTEL_EXPORTER_OTLP_PROTOCOL: '',
    OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=acme,authorization=Bearer%20abc',
    OTEL_SERVICE_NAME: 'log-of-mine',
  });
  await tracing.within({ name: 'a-part-of-the-work' }, async () => {});
  await telemetry.close();
  const [call] = collector.calls;
  expect(call?.headers).toMatchObject({
    'content-type': 'application/x-protobuf',
    'x-tenant': 'acme',
    authorization: 'Bearer abc',
  });
  expect(call?.body).toContain('a-part-of-the-work');
  expect(call?.body).toContain('log-of-mine');
});

test('without a name of its own → sentlog, its version, and an instance of it', async () => {
  const { collector, telemetry, tracing } = await opened({
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
  });
  await tracing.within({ name: 'work' }, async () => {});
  await telemetry.close();
  expect(collector.resources).toEqual([
    expect.objectContaining({
      'service.name': 'sentlog',
      'service.version': expect.stringMatching(/^\d+\./),
      'service.instance.id': expect.stringMatching(/^[\da-f-]{36}$/),
      'deployment.environment.name': 'test',
    }),
  ]);
});
