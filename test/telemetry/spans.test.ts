import { describe, expect, test, vi } from 'vitest';
import { StoreUnavailable } from '../../src/store/store.ts';
import { tracedFetch, tracedReports, tracedStore } from '../../src/telemetry/traced.ts';
import { World } from '../mirror/world.ts';
import { type ToldSpan, texts } from '../support/collector.ts';
import { logsPath, message, TestServer } from '../support/http-server.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { WatchedStore } from '../support/watched-store.ts';
import { type Opened, opened } from './open.ts';

const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
const traceparent = `00-${traceId}-${spanId}-01`;
const [server, client, internal] = [2, 3, 1];

async function tracedServer({ tracing }: Opened): Promise<{ server: TestServer; url: string; inner: WatchedStore }> {
  const inner = new WatchedStore(new MemoryStore());
  const one = new TestServer({ tracing, store: new WatchedStore(tracedStore(inner, tracing)) });
  return { server: one, url: await one.listen(), inner };
}

const shown = ({ name, kind, attributes, status }: ToldSpan) => ({ name, kind, status, ...texts(attributes) });

test('a store that is told of takes as many records at once as the one it stands for', async () => {
  const inner = new WatchedStore(new MemoryStore());
  inner.batchRecords = 7;
  const { tracing } = await opened();
  expect(tracedStore(inner, tracing).batchRecords).toBe(7);
});

describe('a request', () => {
  test('with traceparent → a span in its trace, whose store call is a child; the log names both', async () => {
    const telemetry = await opened();
    const { server: one, url } = await tracedServer(telemetry);
    const headers = { authorization: 'App one', 'content-type': 'application/json', traceparent };
    const body = JSON.stringify({ results: [message('m1'), message('m2')] });
    expect((await fetch(url + logsPath, { method: 'POST', headers, body })).status).toBe(200);
    await one.app.close();
    await telemetry.telemetry.close();
    const { spans } = telemetry.collector;
    const [request] = spans.filter(span => span.kind === server);
    expect(spans.map(span => span.traceId)).toEqual(spans.map(() => traceId));
    expect(request?.parentSpanId).toBe(spanId);
    expect(request && shown(request)).toEqual({
      name: `POST ${logsPath}`,
      kind: server,
      status: { code: 0 },
      'http.request.method': 'POST',
      'http.route': logsPath,
      'http.response.status_code': 200,
      'url.scheme': 'http',
    });
    const children = spans.filter(span => span.parentSpanId === request?.spanId);
    expect(children.map(shown)).toEqual([
      { name: 'store record', kind: internal, status: { code: 0 }, 'sentlog.records': 2 },
    ]);
    const lines = one.logged.map(line => JSON.parse(line)).filter(line => line.msg === 'answered');
    expect(lines).toMatchObject([{ trace_id: traceId, span_id: request?.spanId }]);
  });

  test('each for itself → none is a part of another, whatever goes on at the same time', async () => {
    const telemetry = await opened();
    const { server: one, url } = await tracedServer(telemetry);
    await one.record([message('m1')]);
    const limits = Array.from({ length: 20 }, (_, i) => i + 1);
    const headers = { authorization: 'App one' };
    await Promise.all(limits.map(limit => fetch(`${url}${logsPath}?limit=${limit}`, { headers }).then(a => a.text())));
    await one.app.close();
    await telemetry.telemetry.close();
    const { spans } = telemetry.collector;
    const requests = spans.filter(span => span.name === `GET ${logsPath}`);
    expect(new Set(requests.map(span => span.traceId)).size).toBe(20);
    expect(requests.filter(span => span.parentSpanId)).toEqual([]);
    const found = spans.filter(span => span.name === 'store find');
    expect(
      found.map(span => texts(span.attributes)['sentlog.limit']).toSorted((a, b) => Number(a) - Number(b)),
    ).toEqual(limits);
    for (const span of found) {
      const parent = requests.find(request => request.spanId === span.parentSpanId);
      expect(parent?.traceId).toBe(span.traceId);
    }
  });

  test('of whatever kind → nothing of what was asked, of whom or by whom is told', async () => {
    const telemetry = await opened();
    const { server: one, url, inner } = await tracedServer(telemetry);
    const secrets = [
      '447900900123',
      'very-secret',
      'm-4711',
      'Hello-you',
      'campaign-9',
      'one',
      'curl-of-mine',
      '127.0.0.1',
    ];
    const headers = {
      authorization: 'App one',
      'user-agent': 'curl-of-mine',
      'x-request-id': 'very-secret',
      tracestate: 'bad\u00e9',
    };
    const get = (path: string, more = {}) =>
      fetch(url + path, { headers: { ...headers, ...more } }).then(a => a.text());
    await one.record([
      message('m-4711', { destination: '447900900123', content: { type: 'TEXT', text: 'Hello-you' } }),
    ]);
    await get(`${logsPath}?destination=447900900123&campaignReferenceId=campaign-9`);
    await get('/messenger/1/messages/m-4711');
    await get('/messenger/1/messages/very-secret');
    await get(`${logsPath}/summary?destination=447900900123&by=sender`);
    await get(`${logsPath}/export?format=ndjson&destination=447900900123`);
    await get('/very-secret/447900900123');
    await get(`${logsPath}?limit=very-secret`);
    await get(logsPath, { authorization: 'App very-secret' });
    await fetch(url + logsPath, { method: 'PROPFIND', headers }).then(a => a.text());
    inner.failWith(new StoreUnavailable('very-secret at 127.0.0.1'));
    await get(`${logsPath}?messageId=m-4711`);
    await one.app.close();
    await telemetry.telemetry.close();
    const { spans, calls } = telemetry.collector;
    const names = [...new Set(spans.map(span => span.name))].toSorted();
    expect(names).toEqual([
      'GET',
      `GET ${logsPath}`,
      `GET ${logsPath}/export`,
      `GET ${logsPath}/summary`,
      'GET /messenger/1/messages/:messageId',
      'HTTP',
      `POST ${logsPath}`,
      'store find',
      'store history',
      'store record',
      'store summary',
    ]);
    const told = spans.flatMap(span => Object.values(texts(span.attributes)).map(String));
    for (const secret of secrets) expect(told.filter(text => text.includes(secret))).toEqual([]);
    expect(spans.flatMap(span => span.events ?? [])).toEqual([]);
    expect(spans.map(span => span.status.message ?? '').join('')).toBe('');
    const bodies = calls.map(call => call.body).join();
    for (const secret of secrets.slice(0, 5)) expect(bodies).not.toContain(secret);
    const failed = spans.filter(span => span.status.code === 2).map(shown);
    expect(failed).toMatchObject([
      { name: 'store find', 'error.type': 'Unavailable' },
      { name: `GET ${logsPath}`, 'error.type': '503', 'http.response.status_code': 503 },
    ]);
  });

  test('whose caller goes away before its end → is told of all the same', async () => {
    const telemetry = await opened();
    const { server: one, url } = await tracedServer(telemetry);
    await one.record([message('m1')]);
    const gone = new AbortController();
    const answer = await fetch(`${url}${logsPath}/stream`, {
      headers: { authorization: 'App one' },
      signal: gone.signal,
    });
    expect(answer.status).toBe(200);
    gone.abort();
    await one.app.close();
    await telemetry.telemetry.close();
    expect(telemetry.collector.spans.map(span => span.name)).toContain(`GET ${logsPath}/stream`);
  });
});

describe('a call of another server', () => {
  test('of a mirror → a part of its step, beside what the log takes; the other side is told, and nothing of the question', async () => {
    const telemetry = await opened();
    const { tracing } = telemetry;
    const world = new World({ store: tracedStore(new MemoryStore(), tracing), tracing });
    const calls = vi.spyOn(world.infobip, 'fetch');
    world.add();
    await world.run(100);
    const asked = calls.mock.calls.map(([, init]) => new Headers(init?.headers));
    await telemetry.telemetry.close();
    const { spans } = telemetry.collector;
    const [step] = spans.filter(span => span.name === 'mirror step');
    const [outgoing] = spans.filter(span => span.kind === client);
    expect(step && shown(step)).toEqual({
      name: 'mirror step',
      kind: internal,
      status: { code: 0 },
      'sentlog.mirror': 'a',
    });
    expect(step?.parentSpanId ?? '').toBe('');
    expect(outgoing && shown(outgoing)).toEqual({
      name: 'GET /messenger/1/logs',
      kind: client,
      status: { code: 0 },
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'server.address': 'infobip',
      'server.port': 80,
      'url.template': '/messenger/1/logs',
    });
    expect(outgoing?.parentSpanId).toBe(step?.spanId);
    expect(asked.map(headers => headers.get('traceparent'))).toEqual([`00-${step?.traceId}-${outgoing?.spanId}-01`]);
    expect(asked[0]?.get('authorization')).toBe(`App ${world.key}`);
    const [recorded] = spans.filter(span => span.name === 'store record');
    expect(recorded?.parentSpanId).toBe(step?.spanId);
    expect(telemetry.collector.calls.map(one => one.body).join()).not.toMatch(/sentSince|useCursor|the-key/);
  });

  test.each([
    ['https://gateway.example', 'gateway.example', 443],
    ['https://gateway.example/tenant-token', 'gateway.example', 443],
    ['https://gateway.example:8443/secret/9f3/api', 'gateway.example', 8443],
    ['http://10.0.0.9/secret/messenger/1/logs/of', '10.0.0.9', 80],
  ])(
    'of a mirror at "%s" → the server and what is called, never what stands before it',
    async (from, address, port) => {
      const telemetry = await opened();
      const asked: string[] = [];
      const call = tracedFetch(async input => {
        asked.push(String(input));
        return Response.json({ results: [] });
      }, telemetry.tracing);
      const url = `${from}/messenger/1/logs?useCursor=true`;
      for (const input of [url, new URL(url), new Request(url)]) await call(input);
      await telemetry.telemetry.close();
      expect(asked.slice(0, 2)).toEqual([url, url]);
      const { spans, calls } = telemetry.collector;
      expect(spans.map(shown)).toEqual(
        Array(3).fill({
          name: 'GET /messenger/1/logs',
          kind: client,
          status: { code: 0 },
          'http.request.method': 'GET',
          'http.response.status_code': 200,
          'server.address': address,
          'server.port': port,
          'url.template': '/messenger/1/logs',
        }),
      );
      expect(calls.map(one => one.body).join()).not.toMatch(/tenant-token|secret|useCursor/);
    },
  );

  test('of a receiver of reports → its address is not told, nor is it told what the call is part of', async () => {
    const telemetry = await opened();
    const failures = [undefined, 'HTTP 503', 'secret.example has no public address'];
    const seen: object[] = [];
    const call = tracedReports(async report => {
      seen.push(report);
      return failures[seen.length - 1];
    }, telemetry.tracing);
    const report = { url: 'https://secret.example/token', body: '{}', headers: {} };
    for (const failure of failures) expect(await call(report)).toBe(failure);
    await telemetry.telemetry.close();
    expect(seen).toEqual(failures.map(() => report));
    const { spans, calls } = telemetry.collector;
    expect(spans.map(shown)).toEqual([
      { name: 'push reports', kind: client, status: { code: 0 } },
      { name: 'push reports', kind: client, status: { code: 2 }, 'error.type': '503' },
      { name: 'push reports', kind: client, status: { code: 2 }, 'error.type': 'unreachable' },
    ]);
    expect(calls.map(one => one.body).join()).not.toContain('secret');
  });
});
