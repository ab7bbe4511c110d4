import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { limits } from '../../src/limits.ts';
import { ReportCaller } from '../../src/sender/report-caller.ts';
import { receiver } from '../support/receiver.ts';

type Resolver = NonNullable<NonNullable<ConstructorParameters<typeof ReportCaller>[1]>['resolver']>;

/** A resolver of the tests' own: each name leads to these addresses. */
function resolving(addresses: readonly string[], asked: string[] = []): Resolver {
  const answer = (host: string, _options: object, done: (error: null, found: object[]) => void) => {
    asked.push(host);
    done(
      null,
      addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  return answer as unknown as Resolver;
}

function caller(allowed: readonly string[], options: ConstructorParameters<typeof ReportCaller>[1] = {}) {
  const made = new ReportCaller(allowed, options);
  onTestFinished(() => made.close());
  return made;
}

const call = (url: string) => ({ url, body: '{"results":[]}', headers: { 'content-type': 'application/json' } });
const loopback = ['127.0.0.0/8'];

describe('a call to whoever hears of reports', () => {
  it('answered with 2xx → taken, over one connection; its answer may be as long as it likes', async () => {
    const bodies: string[] = [];
    const sockets = new Set<unknown>();
    const port = await receiver(async (request, response) => {
      sockets.add(request.socket);
      let body = '';
      for await (const part of request) body += part;
      bodies.push(`${request.method} ${request.headers['content-type']} ${body}`);
      response.statusCode = bodies.length === 1 ? 204 : 200;
      response.end(bodies.length === 3 ? 'x'.repeat(10 * limits.pushAnswerBytesMax) : 'thanks');
    });
    const { call: post } = caller(loopback);
    for (let time = 0; time < 3; time++) expect(await post(call(`http://127.0.0.1:${port}/r`))).toBeUndefined();
    expect(bodies).toEqual(Array(3).fill('POST application/json {"results":[]}'));
    expect(sockets.size).toBeLessThanOrEqual(2);
  });

  it('redirected, refused, cut off, not answered → in vain, and why; a redirect is not followed', async () => {
    let reached = 0;
    const port = await receiver((request, response) => {
      const { url } = request;
      if (url === '/hang') return;
      if (url === '/cut') return void request.socket.destroy();
      if (url === '/target') reached++;
      response.statusCode = { '/redirect': 307, '/500': 500, '/404': 404 }[url ?? ''] ?? 200;
      response.setHeader('location', '/target');
      response.end();
    });
    const { call: post } = caller(loopback, { msMax: 300 });
    const at = (path: string) => post(call(`http://127.0.0.1:${port}${path}`));
    expect(await at('/redirect')).toBe('HTTP 307');
    expect(await at('/500')).toBe('HTTP 500');
    expect(await at('/404')).toBe('HTTP 404');
    expect(await at('/cut')).toMatch(/hang up|ECONNRESET/);
    expect(await at('/hang')).toBe('no answer in time');
    expect(reached).toBe(0);
    expect(await post(call(`http://%zz@127.0.0.1:${port}/`))).toBe('URI malformed');
    expect(await post(call('ftp://127.0.0.1/'))).toBe('not an http or https address');
  });

  it('a connection that was kept, and closed by the receiver without a word → called once more on another, once', async () => {
    const bodies: string[] = [];
    const isOld = new WeakSet<object>();
    const port = await receiver(async (request, response) => {
      const { url, socket } = request;
      if (isOld.has(socket) || url === '/gone') return void socket.destroy();
      isOld.add(socket);
      let body = '';
      for await (const part of request) body += part;
      bodies.push(body);
      response.end();
    });
    const { call: post } = caller(loopback);
    const at = (path: string) => post(call(`http://127.0.0.1:${port}${path}`));
    for (let time = 0; time < 6; time++) expect(await at('/')).toBeUndefined();
    expect(bodies).toEqual(Array(6).fill('{"results":[]}'));
    expect(await at('/gone')).toMatch(/hang up|ECONNRESET/);
  });

  it('answered with an upgrade, asked for by nobody → in vain, and settled', async () => {
    const answers: Readonly<Record<string, string>> = {
      '/101': 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
      '/bare': 'HTTP/1.1 101 Switching Protocols\r\n\r\n',
    };
    const port = await receiver((request, { socket }) => {
      socket?.write(answers[request.url ?? ''] ?? '');
    });
    const { call: post } = caller(loopback);
    const at = (path: string) => post(call(`http://127.0.0.1:${port}${path}`));
    expect(await at('/101')).toBe('HTTP 101');
    expect(await at('/bare')).toMatch(/HTTP 101|the connection was closed/);
  });

  it('an address that is not public, in whatever form → never called, unless it is allowed', async () => {
    let calls = 0;
    const port = await receiver((_, response) => {
      calls++;
      response.end();
    });
    const { call: post } = caller([]);
    const hosts = [
      '127.0.0.1',
      '2130706433',
      '0x7f.1',
      '0',
      '10.1.2.3',
      '172.31.0.1',
      '192.168.1.1',
      '169.254.169.254',
    ];
    const others = ['100.64.1.1', '[::1]', '[::]', '[::ffff:127.0.0.1]', '[fe80::1]', '[fd00::1]', '[64:ff9b::7f00:1]'];
    for (const host of [...hosts, ...others])
      expect(await post(call(`http://${host}:${port}/`)), host).toMatch(/is not a public address$/);
    expect(calls).toBe(0);
    expect(await caller(['127.0.0.1']).call(call(`http://127.0.0.1:${port}/`))).toBeUndefined();
    expect(await caller(['0.0.0.0/0', '::/0']).call(call(`http://127.0.0.1:${port}/`))).toBeUndefined();
    expect(await caller(['127.0.0.0/8']).call(call('http://10.0.0.1/'))).toMatch(/not a public address/);
  });

  it('any IPv6 address that is not of those given to the internet, or holds an IPv4 address → not called', async () => {
    const part = fc.integer({ min: 0, max: 0xffff });
    const outside = part.filter(first => first >> 13 !== 1);
    const { call: post } = caller([]);
    const host = fc.oneof(
      fc.tuple(outside, fc.array(part, { minLength: 7, maxLength: 7 })).map(([first, others]) => [first, ...others]),
      // Translated, mapped, compatible, NAT64, 6to4, Teredo: all lead to 127.0.0.1 where somebody routes them.
      fc.constantFrom(
        [0, 0, 0, 0, 0xffff, 0, 0x7f00, 1],
        [0, 0, 0, 0, 0, 0xffff, 0x7f00, 1],
        [0, 0, 0, 0, 0, 0, 0x7f00, 1],
      ),
      fc.constantFrom(
        [0x64, 0xff9b, 0, 0, 0, 0, 0x7f00, 1],
        [0x2002, 0x7f00, 1, 0, 0, 0, 0, 1],
        [0x2001, 0, 0, 0, 0, 0, 0x80ff, 0xfffe],
      ),
    );
    await fc.assert(
      fc.asyncProperty(host, async parts => {
        const address = parts.map(one => one.toString(16)).join(':');
        expect(await post(call(`http://[${address}]:9/`))).toMatch(/is not a public address$/);
        const named = caller([], { resolver: resolving([address]) });
        expect(await named.call(call('http://named.example:9/'))).toBe('named.example has no public address');
      }),
    );
  });

  it('a name → resolved once, and only its public addresses are connected to', async () => {
    const port = await receiver((request, response) => response.end(request.headers.host));
    const asked: string[] = [];
    const inside = caller([], { resolver: resolving(['127.0.0.1', '::1', '10.0.0.1'], asked) });
    expect(await inside.call(call(`http://rebound.example:${port}/`))).toBe('rebound.example has no public address');
    expect(asked).toEqual(['rebound.example']);
    const mixed = caller(loopback, { resolver: resolving(['10.0.0.1', '127.0.0.1'], asked) });
    expect(await mixed.call(call(`http://mixed.example:${port}/`))).toBeUndefined();
    expect(asked).toEqual(['rebound.example', 'mixed.example']);
  });
});
