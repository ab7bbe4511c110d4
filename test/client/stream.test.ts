import { afterEach, describe, expect, test } from 'vitest';
import {
  ConnectionError,
  SentlogClient,
  SentlogError,
  type StreamEvent,
  UnexpectedAnswer,
} from '../../src/client/index.ts';
import { message, TestServer } from '../support/http-server.ts';

type Request = { readonly url: URL; readonly lastEventId: string | null };
/** The pieces of one connection's answer; it breaks off after them, unless `end` says otherwise. */
type Connection = Response | Error | { readonly pieces: readonly string[]; readonly end?: 'clean' | 'silent' };

function answerOf(given: Exclude<Connection, Response | Error>, signal: AbortSignal | null | undefined): Response {
  const pieces = given.pieces.map(piece => new TextEncoder().encode(piece));
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    start: controller => signal?.addEventListener('abort', () => controller.error(signal.reason)),
    pull(controller) {
      const piece = pieces[at++];
      if (piece !== undefined) controller.enqueue(piece);
      else if (given.end === 'silent') return new Promise(() => {});
      else if (given.end === 'clean') controller.close();
      else controller.error(new TypeError('terminated'));
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

function scripted(connections: readonly Connection[], attemptsMax?: number) {
  const requests: Request[] = [];
  const pausesMs: number[] = [];
  const client = new SentlogClient({
    baseUrl: 'https://log.example',
    fetch: async (input, init) => {
      const given = connections[requests.length] ?? new TypeError('no connection is left');
      requests.push({ url: new URL(String(input)), lastEventId: new Headers(init?.headers).get('last-event-id') });
      if (given instanceof Error) throw given;
      return given instanceof Response ? given : answerOf(given, init?.signal);
    },
    retry: {
      ...(attemptsMax !== undefined && { attemptsMax }),
      wait: async ms => {
        pausesMs.push(ms);
      },
    },
  });
  return { client, requests, pausesMs };
}

const log = (id: string, messageId: string) => `event: log\nid: ${id}\ndata: {"messageId":"${messageId}"}\n\n`;
const refused = (status: number, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ errorCode: `E${status}`, description: 'No.', violations: [] }), { status, headers });

async function take(source: AsyncIterable<StreamEvent>, count: number): Promise<readonly string[]> {
  const taken: string[] = [];
  for await (const event of source) {
    taken.push(event.kind === 'log' ? `${event.log.messageId} ${event.id}` : `${event.kind} ${event.id}`);
    if (taken.length === count) break;
  }
  return taken;
}

describe('stream', () => {
  test('events in pieces of any size and any line end → each once, comments passed over', async () => {
    const text = `: hello\r\n\r\nid: 1\n\n${log('2', 'ü😀')}event: reset\rid: 3\rdata: {}\r\r:\nid: 4\n\nretry: 5\n\n${log('6', 'b')}`;
    const bytes = new TextEncoder().encode(text);
    const expected = ['place 1', 'ü😀 2', 'reset 3', 'place 4', 'b 6'];
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        Buffer.from(bytes.subarray(i * size, (i + 1) * size)).toString('latin1'),
      );
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          for (const piece of pieces) controller.enqueue(Buffer.from(piece, 'latin1'));
        },
      });
      const { client } = scripted([new Response(body)]);
      expect(await take(client.stream(), 5)).toEqual(expected);
    }
  });

  test('the filter, and the id of an earlier stream → in the request', async () => {
    const { client, requests } = scripted([{ pieces: [log('1', 'a')] }]);
    await take(client.stream({ sender: 's', messageId: ['a', 'b'] }, { lastEventId: '0' }), 1);
    expect(requests[0]?.url.href).toBe('https://log.example/messenger/1/logs/stream?sender=s&messageId=a&messageId=b');
    expect(requests[0]?.lastEventId).toBe('0');
  });

  test('a connection that breaks, ends, or goes silent → made again, on from the last whole event', async () => {
    const { client, requests, pausesMs } = scripted([
      { pieces: ['id: 0\n\n', log('1', 'a'), 'event: log\nid: 2\ndata: {"messa'] },
      { pieces: [log('2', 'b')], end: 'clean' },
      { pieces: ['id: 2\n\n'], end: 'silent' },
      new TypeError('refused'),
      { pieces: [log('3', 'c')] },
    ]);
    expect(await take(client.stream({}, { silenceMaxMs: 20 }), 5)).toEqual(['place 0', 'a 1', 'b 2', 'place 2', 'c 3']);
    expect(requests.map(({ lastEventId }) => lastEventId)).toEqual([null, '1', '2', '2', '2']);
    expect(pausesMs).toHaveLength(4);
  });

  test('limited, or not served now → waits as long as it is told', async () => {
    const { client, pausesMs } = scripted([
      refused(429, { 'retry-after': '7' }),
      refused(503, { 'retry-after': '2' }),
      refused(502),
      { pieces: [log('1', 'a')] },
    ]);
    await take(client.stream(), 1);
    expect(pausesMs.slice(0, 2)).toEqual([7000, 2000]);
    expect(pausesMs[2]).toBeLessThanOrEqual(5000);
  });

  test.each([400, 401, 403])('refused with %i → thrown, without another try', async status => {
    const { client, requests } = scripted([refused(status)]);
    await expect(take(client.stream(), 1)).rejects.toThrow(SentlogError);
    expect(requests).toHaveLength(1);
  });

  test('as many failures in a row as the options allow → the last is thrown; an event begins to count anew', async () => {
    const broken = new TypeError('refused');
    const { client, requests } = scripted([broken, { pieces: [log('1', 'a')] }, broken, broken, broken], 3);
    await expect(take(client.stream(), 2)).rejects.toThrow(ConnectionError);
    expect(requests).toHaveLength(4);
  });

  test('something else than events → thrown', async () => {
    const { client } = scripted([{ pieces: ['event: log\ndata: nonsense\n\n'] }]);
    await expect(take(client.stream(), 1)).rejects.toThrow(UnexpectedAnswer);
  });

  test('aborted while it waits for an event, or before → the reason is thrown', async () => {
    const ending = new AbortController();
    const { client } = scripted([{ pieces: ['id: 1\n\n'], end: 'silent' }]);
    const events = client.stream({}, { signal: ending.signal });
    await events.next();
    setTimeout(() => ending.abort(new Error('enough')), 10);
    await expect(events.next()).rejects.toThrow('enough');
    await expect(client.stream({}, { signal: ending.signal }).next()).rejects.toThrow('enough');
  });

  test('a list of no values → nothing, without a request', async () => {
    const { client, requests } = scripted([]);
    expect(await take(client.stream({ bulkId: [] }), 1)).toEqual([]);
    expect(requests).toEqual([]);
  });
});

describe('stream of a server', () => {
  const server = new TestServer();
  afterEach(() => server.app.close());

  test('connections are cut while it records → every log once', async () => {
    const baseUrl = await server.listen();
    const wait = () => new Promise<void>(resolve => setTimeout(resolve, 10));
    const client = new SentlogClient({ baseUrl, authorization: { app: 'one' }, retry: { wait } });
    const seen: string[] = [];
    for await (const event of client.stream()) {
      if (event.kind === 'log') seen.push(event.log.messageId);
      if (seen.length === 30) break;
      if (event.kind === 'log' && seen.length % 7 === 0) server.app.server.closeAllConnections();
      if (event.kind === 'place' && seen.length === 0)
        for (let i = 0; i < 30; i++) await server.record([message(`m${i}`)]);
    }
    expect(seen).toEqual(Array.from({ length: 30 }, (_, i) => `m${i}`));
  });
});
