import { once } from 'node:events';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { defaultTimeouts, type Timeouts } from '../../src/http/parts.ts';
import { limits } from '../../src/limits.ts';
import { logsPath, message, TestServer } from '../support/http-server.ts';
import { openSocket } from '../support/raw-http.ts';

let server: TestServer;
/** The server's side of the connection that was opened last. */
let near: Socket;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.app.close();
});

async function connected(timeouts: Partial<Timeouts> = {}): Promise<Socket> {
  server = new TestServer({ timeouts: { ...defaultTimeouts, ...timeouts } });
  const address = await server.listen();
  const come = once(server.app.server, 'connection');
  const socket = await openSocket(address);
  sockets.push(socket);
  [near] = await come;
  return socket;
}

/** All that comes until the server closes, or until the text has come. */
async function received(socket: Socket, until?: string): Promise<string> {
  let text = '';
  for await (const piece of socket.iterator({ destroyOnReturn: false })) {
    text += piece;
    if (until !== undefined && text.includes(until)) return text;
  }
  return text;
}

function head(method: string, path: string, ...headers: string[]): string {
  return `${[`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Authorization: App one', ...headers].join('\r\n')}\r\n\r\n`;
}

const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const lineOf = (messageId: string) => `${JSON.stringify(message(messageId))}\n`;
const streamed = ['Content-Type: application/x-ndjson', 'Transfer-Encoding: chunked'];

function expectError(answer: string, status: number): void {
  const [headers = '', body = ''] = answer.split('\r\n\r\n');
  expect(headers.split('\r\n')[0]).toBe(`HTTP/1.1 ${status} ${STATUS_CODES[status]}`);
  expect(headers.toLowerCase()).toContain('x-request-id: ');
  expect(headers.toLowerCase()).toContain('cache-control: no-store');
  expect(Object.keys(JSON.parse(body))).toEqual(['errorCode', 'description', 'action', 'violations', 'resources']);
  expect(JSON.parse(body).errorCode).toBe(`E${status}`);
}

test.each(['example.com:443', '169.254.169.254:80', logsPath])(
  'CONNECT %s → 400, and the connection ends',
  async to => {
    const socket = await connected();
    socket.write(`${head('CONNECT', to)}GET / HTTP/1.1\r\nHost: x\r\n\r\n`);
    const answer = await received(socket);
    expectError(answer, 400);
    expect(answer).toContain('"violation":"is CONNECT, and this server is no proxy"');
  },
);

test('CONNECT of a caller who resets the connection → nothing but that connection ends', async () => {
  const socket = await connected();
  socket.write(head('CONNECT', 'example.com:443'));
  await once(server.app.server, 'connect');
  expect(near.listenerCount('error')).toBeGreaterThan(0);
  socket.resetAndDestroy();
  await once(near, 'close');
  expect((await server.app.inject('/health/live')).statusCode).toBe(200);
});

test('OPTIONS of the server as a whole → 204 with every method of any path', async () => {
  const socket = await connected();
  socket.write('OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n');
  const answer = await received(socket, '\r\n\r\n');
  expect(answer).toMatch(/^HTTP\/1\.1 204 /);
  expect(answer.toLowerCase()).toContain('\r\nallow: get, post, head, options, delete\r\n');
});

const ambiguous: readonly (readonly [what: string, head: string])[] = [
  ['two Host headers', `GET ${logsPath} HTTP/1.1\r\nHost: a\r\nHost: b\r\n`],
  ['the same Host twice', `GET ${logsPath} HTTP/1.1\r\nhost: a\r\nHOST: a\r\n`],
  ...['a b', 'a,b', 'u@a', 'a/b', 'a?b', 'a#b', 'a:b', '[a', 'ä'].map(
    host => [`Host: ${host}`, `GET ${logsPath} HTTP/1.1\r\nHost: ${host}\r\n`] as const,
  ),
  ['a fragment', `GET ${logsPath}#a?limit=1 HTTP/1.1\r\nHost: a\r\n`],
  ['two Authorization headers', `GET ${logsPath} HTTP/1.1\r\nHost: a\r\nauthorization: App two\r\n`],
  ['two types of content', `POST ${logsPath} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n`],
  ['HTTP/2.0', `GET ${logsPath} HTTP/2.0\r\nHost: a\r\n`],
  ['two Host headers of HTTP/1.0', `GET ${logsPath} HTTP/1.0\r\nHost: a\r\nHost: b\r\n`],
  [
    'a coding of HTTP/1.0',
    `POST ${logsPath} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n`,
  ],
  ...['gzip, chunked', 'chunked, chunked', 'identity, chunked', 'x, Chunked'].map(
    coding =>
      [
        `Transfer-Encoding: ${coding}`,
        `POST ${logsPath} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ${coding}\r\n`,
      ] as const,
  ),
  [
    'two codings, a header each',
    `POST ${logsPath} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n`,
  ],
  ...['GET *', 'HEAD *', 'POST *', 'DELETE *', 'GET *x', 'OPTIONS *?a=b'].map(
    line => [line, `${line} HTTP/1.1\r\nHost: a\r\n`] as const,
  ),
];

test.each(ambiguous)('%s → 400, and nothing after it is read as a request', async (what, lines) => {
  const socket = await connected();
  const type = 'Authorization: App one\r\nContent-Type: application/x-ndjson\r\n';
  socket.write(`${lines}${type}\r\n0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: a\r\n\r\n`);
  const answer = await received(socket);
  expect(answer).toMatch(/^HTTP\/1\.[01] 400 /);
  if (!what.startsWith('HEAD'))
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ errorCode: 'E400' });
  expect(answer.match(/HTTP\/1\.[01] \d/g)).toHaveLength(1);
});

test.each(['', 'a', 'a.example:80', '127.0.0.1:', '[::1]:8080', 'a_b'])('Host: %s → taken', async host => {
  const socket = await connected();
  socket.write(`GET /health/live HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  expect(await received(socket, '\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
});

test.each(['OPTIONS *', `OPTIONS ${logsPath}`, `PATCH ${logsPath}`, 'GET /health/live'])(
  '%s with Connection: close → answered, and the connection ends',
  async request => {
    const socket = await connected();
    socket.write(`${request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect((await received(socket)).toLowerCase()).toContain('\r\nconnection: close\r\n');
  },
);

describe('malformed HTTP', () => {
  test.each([
    ['nonsense', 'hello\r\n\r\n', 400],
    ['a control character in a header', 'GET / HTTP/1.1\r\nHost: x\r\nA: \u0001\r\n\r\n', 400],
    ['no Host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    ['a method of nobody', 'SURPRISE / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['an expectation of nobody', 'GET /nowhere HTTP/1.1\r\nHost: x\r\nExpect: cake\r\nConnection: close\r\n\r\n', 404],
    ['headers without end', `GET / HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(100_000)}`, 431],
  ])('%s → the body of every error, and the connection ends', async (_what, request, status) => {
    const socket = await connected();
    socket.write(request);
    expectError(await received(socket), status);
  });

  test('a body whose chunks are broken → 400, and what came whole before is recorded or not, but never half', async () => {
    const socket = await connected();
    socket.write(head('POST', logsPath, ...streamed) + chunk(lineOf('m1')) + chunk(lineOf('m2').slice(0, 20)));
    socket.write('zz\r\n');
    expectError(await received(socket), 400);
    expect(await server.messageIds('messageId=m2')).toEqual([]);
  });
});

describe('slow senders', () => {
  test('headers that do not come → 408', async () => {
    const socket = await connected({ headersMs: 200 });
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n');
    expectError(await received(socket), 408);
  });

  test.each([
    ['JSON', 'application/json', '{"results":['],
    ['NDJSON', 'application/x-ndjson', lineOf('m1').slice(0, 9)],
  ])('%s that stops coming → 408', async (_what, type, start) => {
    const socket = await connected({ bodyIdleMs: 200 });
    socket.write(head('POST', logsPath, `Content-Type: ${type}`, 'Content-Length: 1000') + start);
    const answer = await received(socket);
    expectError(answer, 408);
    expect(answer.toLowerCase()).toContain('connection: close');
  });

  test('JSON that drips without end → 408', async () => {
    const socket = await connected({ bodyIdleMs: 10_000, bodyMs: 300 });
    socket.write(head('POST', logsPath, 'Content-Type: application/json', 'Content-Length: 100000'));
    const drip = setInterval(() => socket.write(' '), 20);
    socket.once('close', () => clearInterval(drip));
    expectError(await received(socket), 408);
  });

  test('NDJSON that pauses less than it may, for longer than JSON might → taken, and recorded while it pauses', async () => {
    const socket = await connected({ bodyIdleMs: 60_000, bodyMs: 50, streamPauseMs: 20 });
    socket.write(head('POST', logsPath, ...streamed) + chunk(lineOf('m1')));
    while ((await server.messageIds('')).length === 0) await new Promise(resolve => setTimeout(resolve, 20));
    socket.write(`${chunk(lineOf('m2'))}0\r\n\r\n`);
    expect(await received(socket, '"rejected":[]}')).toContain('"recorded":2');
    expect(await server.messageIds('')).toEqual(['m2', 'm1']);
  });
});

describe('senders that go away', () => {
  test('in the middle of a line → that line is not recorded, and the others are served', async () => {
    const socket = await connected({ streamPauseMs: 20 });
    socket.write(head('POST', logsPath, ...streamed) + chunk(`${lineOf('m1')}{"messageId":"m2"`));
    while ((await server.messageIds('')).length === 0) await new Promise(resolve => setTimeout(resolve, 20));
    socket.destroy();
    await once(socket, 'close');
    expect(await server.messageIds('')).toEqual(['m1']);
    while (!server.logged.some(line => line.includes('a client went away')))
      await new Promise(resolve => setTimeout(resolve, 20));
    expect(server.logged.some(line => line.includes('"level":50'))).toBe(false);
  });

  test('in the middle of gzip → nothing hangs, and nothing is logged as a failure', async () => {
    const socket = await connected();
    const body = gzipSync(lineOf('m1').repeat(10_000));
    const headers = ['Content-Type: application/x-ndjson', 'Content-Encoding: gzip', `Content-Length: ${body.length}`];
    socket.write(head('POST', logsPath, ...headers));
    socket.write(body.subarray(0, 200));
    await server.callers.admitted(1);
    socket.destroy();
    while (!server.logged.some(line => line.includes('a client went away')))
      await new Promise(resolve => setTimeout(resolve, 20));
    expect(server.logged.some(line => line.includes('"level":50'))).toBe(false);
  });
});

describe('refusals before the body is read', () => {
  test.each([
    ['too long by its own word', 413, 'App one', 'application/json'],
    ['not let in', 401, 'App nobody', 'application/json'],
    ['of a type nobody reads', 415, 'App one', 'text/plain'],
  ])(
    '%s → %i at once, the sender can finish, and the connection goes on',
    async (_what, status, authorization, type) => {
      const socket = await connected();
      const bodyBytes = limits.jsonBodyBytesMax + 1000;
      const lines = [
        `POST ${logsPath} HTTP/1.1`,
        'Host: x',
        `Authorization: ${authorization}`,
        `Content-Type: ${type}`,
      ];
      socket.write(`${[...lines, `Content-Length: ${bodyBytes}`].join('\r\n')}\r\n\r\n`);
      expectError(await received(socket, '"resources":[{'), status);
      socket.write(Buffer.alloc(bodyBytes, ' '));
      socket.write(head('GET', '/health/live'));
      expect(await received(socket, '"live"')).toContain('HTTP/1.1 200');
    },
  );

  test('a long body refused at once → its sender, who reads nothing before its end, sees why', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const sender = await connected();
    const failed: Error[] = [];
    sender.on('error', error => failed.push(error));
    sender.pause();
    let sent = 0;
    const send = (bytes: string | Buffer) => {
      sent += bytes.length;
      sender.write(bytes);
    };
    const allRead = () => expect.poll(() => near.bytesRead).toBe(sent);
    const pieces = Array.from({ length: 12 }, () => Buffer.alloc(1024 * 1024, ' '));
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    send(head('POST', logsPath, 'Content-Type: application/json', `Content-Length: ${bytes}`));
    await allRead();
    for (const piece of pieces) {
      await new Promise(resolve => setTimeout(resolve, 0));
      send(piece);
      // As where the process was busy all the time: the piece is there, and nobody has read of it.
      vi.advanceTimersByTime(defaultTimeouts.lingerMs);
      await allRead();
    }
    expect(failed).toEqual([]);
    sender.resume();
    expectError(await received(sender, '"resources":[{'), 413);
    sender.write(head('GET', '/health/live'));
    expect(await received(sender, '"live"')).toContain('HTTP/1.1 200');
  });

  test('gzip that was given up in the middle → the connection goes on', async () => {
    const socket = await connected();
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '));
    const headers = ['Content-Type: application/json', 'Content-Encoding: gzip', `Content-Length: ${bomb.length}`];
    socket.write(head('POST', logsPath, ...headers));
    socket.write(bomb);
    expectError(await received(socket, '"resources":[{'), 413);
    socket.write(head('GET', '/health/live'));
    expect(await received(socket, '"live"')).toContain('HTTP/1.1 200');
  });
});

test('NDJSON in any pieces, letters cut in half too → the same outcome', async () => {
  server = new TestServer();
  const address = await server.listen();
  const body = Buffer.from(`${lineOf('é😀1')}\n5\n${lineOf('m2')}{"messageId":"é😀1","status":5}\n{"messageId":`);
  const outcomes = new Set<string>();
  for (const [account, size] of [1, 2, 3, 7, 64, 1000].entries()) {
    server.callers.add(`cut${account}`, 10 + account);
    const pieces = Array.from({ length: Math.ceil(body.length / size) }, (_, at) =>
      body.subarray(at * size, (at + 1) * size),
    );
    const answer = await fetch(address + logsPath, {
      method: 'POST',
      headers: { authorization: `App cut${account}`, 'content-type': 'application/x-ndjson' },
      body: ReadableStream.from(pieces),
      duplex: 'half',
    });
    outcomes.add(await answer.text());
  }
  expect(outcomes.size).toBe(1);
  const [outcome = ''] = outcomes;
  expect(JSON.parse(outcome)).toMatchObject({ recorded: 2, updated: 1, rejected: [{ index: 1 }, { index: 4 }] });
});

describe('a server that closes', () => {
  test('uploads under way → may finish, and their connections end', async () => {
    const socket = await connected({ closingMs: 60_000 });
    const other = await openSocket(`http://127.0.0.1:${socket.remotePort}`);
    sockets.push(other);
    other.write(
      head('GET', logsPath)
        .replace('GET', 'POST')
        .replace('\r\n\r\n', '\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n'),
    );
    other.write('{"results"');
    socket.write(head('POST', logsPath, ...streamed) + chunk(lineOf('m1')));
    await server.callers.admitted(2);
    const closed = server.app.close();
    other.write(':[]}');
    const refused = await received(other);
    expectError(refused, 400);
    expect(refused.toLowerCase()).toContain('connection: close');
    socket.write(`${chunk(lineOf('m2'))}0\r\n\r\n`);
    const answer = await received(socket);
    expect(answer).toContain('"recorded":2');
    expect(answer.toLowerCase()).toContain('connection: close');
    await closed;
  });

  test('a request that comes too late → 503 with Retry-After', async () => {
    const socket = await connected();
    const request = head('GET', '/health/live');
    socket.write(request.slice(0, 20));
    await expect.poll(() => near.bytesRead).toBe(20);
    const closed = server.app.close();
    await expect.poll(() => server.app.server.listening).toBe(false);
    socket.write(request.slice(20));
    const answer = await received(socket);
    expectError(answer, 503);
    expect(answer.toLowerCase()).toContain('retry-after: 1');
    await closed;
  });

  test('an upload without end → cut after its time with 503 and Retry-After; what it was answered for stays', async () => {
    const socket = await connected({ closingMs: 100, streamPauseMs: 10 });
    socket.write(head('POST', logsPath, ...streamed) + chunk(lineOf('m1')));
    await server.callers.admitted(1);
    const closed = server.app.close();
    const answer = await received(socket);
    expectError(answer, 503);
    expect(answer.toLowerCase()).toContain('retry-after: ');
    await closed;
  });

  test('an export without end → cut after its time, visibly', async () => {
    const socket = await connected({ closingMs: 100 });
    const text = new TextEncoder().encode('{}\n'.repeat(1000));
    server.store.render = async () => ({ text, count: 1000, next: 'more' });
    socket.write(head('GET', `${logsPath}/export`));
    const answer = received(socket);
    await server.callers.admitted(1);
    await server.app.close();
    const whole = await answer;
    expect(whole).toMatch(/^HTTP\/1\.1 200 /);
    expect(whole.endsWith('0\r\n\r\n')).toBe(false);
  });
});
