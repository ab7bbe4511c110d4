import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { limits } from '../../src/limits.ts';
import { errorAnswer, logsPath, message, TestServer } from '../support/http-server.ts';

let server: TestServer;
afterEach(() => server.app.close());

const paths = [
  [logsPath, 'GET, POST, HEAD, OPTIONS'],
  [`${logsPath}/export`, 'GET, HEAD, OPTIONS'],
  ['/messenger/1/messages/m1', 'GET, HEAD, OPTIONS'],
  ['/auth/1/oauth2/token', 'POST, OPTIONS'],
  ['/auth/1/session', 'POST, DELETE, OPTIONS'],
  ['/health/live', 'GET, HEAD, OPTIONS'],
  ['/health/ready', 'GET, HEAD, OPTIONS'],
  ['/metrics', 'GET, HEAD, OPTIONS'],
  ['/openapi.json', 'GET, HEAD, OPTIONS'],
] as const;

describe('methods', () => {
  test.each(paths)('OPTIONS %s → 204 with what is allowed', async (url, allow) => {
    server = new TestServer();
    const answer = await server.call(url, { method: 'OPTIONS' });
    expect(answer.statusCode).toBe(204);
    expect(answer.headers.allow).toBe(allow);
    expect(answer.body).toBe('');
  });

  test.each(paths)('PATCH %s → 405 with what is allowed, in the body of every error', async (url, allow) => {
    server = new TestServer();
    const answer = await server.call(url, { method: 'PATCH' });
    expect(errorAnswer(answer).code).toBe('E405');
    expect(answer.headers.allow).toBe(allow);
  });

  test('other methods, of WebDAV too → 405 on a known path, 404 elsewhere', async () => {
    server = new TestServer();
    for (const method of ['PUT', 'PATCH', 'DELETE', 'TRACE', 'QUERY', 'PROPFIND', 'LOCK', 'SEARCH'] as const) {
      expect(errorAnswer(await server.call(logsPath, { method })).code).toBe('E405');
      expect(errorAnswer(await server.call('/nowhere', { method, payload: 'x' })).code).toBe('E404');
    }
  });

  test('HEAD → the headers of GET without its body', async () => {
    server = new TestServer();
    await server.record([message('m1')]);
    const got = await server.call(logsPath);
    const head = await server.call(logsPath, { method: 'HEAD' });
    expect(head.statusCode).toBe(200);
    expect(head.body).toBe('');
    expect(head.headers['content-length']).toBe(got.headers['content-length']);
    expect(head.headers['content-type']).toBe(got.headers['content-type']);
  });

  test('HEAD of an export → no store work', async () => {
    server = new TestServer();
    const head = await server.call(`${logsPath}/export?format=csv`, { method: 'HEAD' });
    expect(head.statusCode).toBe(200);
    expect(head.headers['content-type']).toMatch(/^text\/csv/);
    expect(server.store.callCount).toBe(0);
  });

  test.each(['/messenger', '/messenger/1/messages', '/messenger/1/messages/', '/messenger/1/logs/x'])(
    '%s → 404, whatever the method',
    async url => {
      server = new TestServer();
      for (const method of ['GET', 'POST', 'OPTIONS', 'DELETE'] as const)
        expect(errorAnswer(await server.call(url, { method })).code).toBe('E404');
    },
  );

  test('a path that is not percent-encoded UTF-8 → 400', async () => {
    server = new TestServer();
    for (const url of ['/messenger/1/messages/%zz', '/messenger/1/messages/%ff']) {
      const answer = await server.call(url);
      expect(errorAnswer(answer)).toEqual({ code: 'E400', properties: ['path'] });
      expect(answer.headers['x-request-id']).toBeTypeOf('string');
    }
  });

  test('a request line beyond the bound → 414', async () => {
    server = new TestServer();
    const long = `${logsPath}?campaignReferenceId=${'x'.repeat(limits.urlBytesMax)}`;
    expect(errorAnswer(await server.call(long)).code).toBe('E414');
  });
});

describe('request ids', () => {
  test.each(['abc-123', '0af7651916cd43dd8448eb211c80319c', 'a/b:c=d+e@f~g.h_i'])(
    "the caller's own %s → repeated",
    async id => {
      server = new TestServer();
      const answer = await server.call(logsPath, { headers: { 'x-request-id': id } });
      expect(answer.headers['x-request-id']).toBe(id);
    },
  );

  test.each(['', 'a b', 'é', 'x'.repeat(129), '<script>', '"'])('%j → replaced by one of ours', async id => {
    server = new TestServer();
    const answer = await server.call('/nowhere', { headers: { 'x-request-id': id } });
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('compression', () => {
  const many = Array.from({ length: 20 }, (_, index) => message(`m${index}`));

  test('asked for → gzip of the same bytes, whole answers and streams', async () => {
    server = new TestServer();
    await server.record(many);
    for (const url of [logsPath, `${logsPath}/export`]) {
      const plain = await server.call(url);
      expect(plain.headers['content-encoding']).toBeUndefined();
      expect(plain.headers.vary).toBe('Accept-Encoding');
      const zipped = await server.call(url, { headers: { 'accept-encoding': 'br, gzip;q=0.5' } });
      expect(zipped.headers['content-encoding']).toBe('gzip');
      expect(gunzipSync(zipped.rawPayload).toString()).toBe(plain.body);
      expect(zipped.rawPayload.length).toBeLessThan(plain.rawPayload.length);
    }
  });

  test.each(['identity', 'br', 'gzip;q=0', '', '*;q=0', 'gzip;q=nonsense'])(
    'Accept-Encoding %j → as it is',
    async accepted => {
      server = new TestServer();
      await server.record(many);
      const answer = await server.call(logsPath, { headers: { 'accept-encoding': accepted } });
      expect(answer.headers['content-encoding']).toBeUndefined();
      expect(answer.json().results).toHaveLength(20);
    },
  );

  test('a small answer → as it is', async () => {
    server = new TestServer();
    const answer = await server.call(logsPath, { headers: { 'accept-encoding': 'gzip' } });
    expect(answer.headers['content-encoding']).toBeUndefined();
  });
});

describe('CORS', () => {
  const origin = 'https://logs.example';
  const preflight = {
    origin,
    'access-control-request-method': 'GET',
    'access-control-request-headers': 'authorization',
  };

  test('no origins named → no answer mentions it', async () => {
    server = new TestServer();
    for (const method of ['GET', 'OPTIONS'] as const) {
      const { headers } = await server.call(logsPath, { method, headers: preflight });
      expect(Object.keys(headers).filter(name => name.startsWith('access-control'))).toEqual([]);
    }
  });

  test('a named origin → may ask and may read, errors too', async () => {
    server = new TestServer({ corsOrigins: [origin] });
    const asked = await server.app.inject({ method: 'OPTIONS', url: logsPath, headers: preflight });
    expect(asked.statusCode).toBe(204);
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': expect.stringContaining('GET'),
      'access-control-allow-headers': expect.stringContaining('Authorization'),
      vary: 'Origin',
    });
    const refused = await server.app.inject({ url: logsPath, headers: { origin } });
    expect(refused.statusCode).toBe(401);
    expect(refused.headers['access-control-allow-origin']).toBe(origin);
    expect(refused.headers['access-control-expose-headers']).toContain('RateLimit-Limit');
  });

  test('another origin → not allowed', async () => {
    server = new TestServer({ corsOrigins: [origin] });
    const { headers } = await server.call(logsPath, { headers: { origin: 'https://evil.example' } });
    expect(headers['access-control-allow-origin']).toBeUndefined();
    expect(headers.vary).toBe('Origin');
  });
});
