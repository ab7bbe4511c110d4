import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EventStream } from '../support/event-stream.ts';
import { errorAnswer, logsPath, message, streamPath, TestServer } from '../support/http-server.ts';

let server: TestServer;
let url: string;
let streams: EventStream[];
beforeEach(async () => {
  server = new TestServer();
  url = await server.listen();
  streams = [];
});
afterEach(async () => {
  for (const stream of streams) await stream.close();
  await server.app.close();
});

async function listen(query = '', options: Parameters<typeof EventStream.open>[2] = {}): Promise<EventStream> {
  const stream = await EventStream.open(url, query, options);
  streams.push(stream);
  return stream.response.ok ? stream.opened() : stream;
}

/**
 * A stream that begins behind all that was recorded. Over PostgreSQL the place of now may lie before some of it, for as
 * long as an older transaction of the whole server is under way: once a later message was told, it no longer does.
 */
async function listenBehindAll(): Promise<EventStream> {
  const marks = await listen();
  await server.record([message('mark')]);
  await marks.until(({ messageIds }) => messageIds.includes('mark'));
  return listen();
}

const resume = (lastEventId: string) => ({ headers: { 'last-event-id': lastEventId } });
const delivered = (messageId: string) => ({ messageId, status: 'DELIVERED_TO_HANDSET' });

describe('GET /messenger/1/logs/stream', () => {
  test('new and changed logs → events with the log as it is read, on one line, each with its id', async () => {
    await server.record([message('before')]);
    const stream = await listenBehindAll();
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(stream.response.headers.get('cache-control')).toBe('no-store');
    expect(stream.response.headers.get('x-request-id')).not.toBeNull();
    expect(stream.response.headers.get('ratelimit-limit')).not.toBeNull();
    expect(stream.blocks).toEqual([{ id: expect.any(String) }]);
    await server.record([message('m1', { content: { type: 'TEXT', text: 'two\nlines' } })]);
    await server.record([delivered('m1'), delivered('before')]);
    await stream.until(({ logs }) => logs.length === 3);
    expect(stream.messageIds).toEqual(['m1', 'm1', 'before']);
    expect(stream.logs.map(({ status }) => status.name)).toEqual([
      'PENDING_ACCEPTED',
      'DELIVERED_TO_HANDSET',
      'DELIVERED_TO_HANDSET',
    ]);
    const [read] = (await server.call(`${logsPath}?messageId=m1`)).json().results;
    expect(stream.logs[1]).toEqual(read);
    expect(new Set(stream.blocks.map(({ id }) => id)).size).toBe(4);
  });

  test('a report that changes nothing → no event', async () => {
    await server.record([message('m1'), delivered('m1')]);
    const stream = await listenBehindAll();
    await server.record([delivered('m1'), message('m1')]);
    await server.record([message('m2')]);
    await stream.until(({ logs }) => logs.length > 0);
    expect(stream.messageIds).toEqual(['m2']);
  });

  test.each([
    'sender=a',
    'generalStatus=DELIVERED',
    'messageId=m1,m3',
    'bulkId[]=x&entityId=e',
    'sentSince=2023-02-02T11:59:00Z&sentUntil=2023-02-02T11:59:30Z',
  ])('the filter %s → as for logs', async query => {
    const stream = await listen(query);
    const all = await listen();
    await server.record([
      message('m1', { sender: 'a', sentAt: '2023-02-02T11:59:00Z' }),
      message('m2', { status: 5, bulkId: 'x', platform: { entityId: 'e' } }),
      message('m3', { sender: 'b', sentAt: '2023-02-02T11:59:30Z' }),
      message('m4', { sender: 'a', status: 'DELIVERED_TO_HANDSET', bulkId: 'x' }),
    ]);
    await all.until(({ logs }) => logs.length === 4);
    const expected = (await server.messageIds(query)).toSorted();
    await stream.until(({ logs }) => logs.length >= expected.length);
    expect(stream.messageIds.toSorted()).toEqual(expected);
  });

  test('resumed at any event, or before the first → the rest, once each', async () => {
    const stream = await listen();
    const start = stream.lastId;
    await server.record([message('m1'), message('m2'), delivered('m1')]);
    await stream.until(({ logs }) => logs.length === 3);
    const ids = [start, ...stream.blocks.filter(({ event }) => event === 'log').map(({ id }) => id ?? '')];
    const all = ['m1', 'm2', 'm1'];
    for (const [taken, id] of ids.entries()) {
      const resumed = await listen('', resume(id));
      const byParameter = await listen(`lastEventId=${id}`);
      await server.record([message(`live${taken}`)]);
      for (const one of [resumed, byParameter]) {
        await one.until(({ messageIds }) => messageIds.includes(`live${taken}`));
        expect(one.messageIds.slice(0, all.length - taken)).toEqual(all.slice(taken));
        expect(one.messageIds.length).toBe(all.length - taken + taken + 1);
      }
    }
  });

  test('the header and the parameter → the header holds; an empty header is none', async () => {
    const first = await listen();
    const start = first.lastId;
    await server.record([message('m1')]);
    await first.until(({ logs }) => logs.length === 1);
    const stream = await listen(`lastEventId=${start}`, resume(first.lastId));
    const other = await listen(`lastEventId=${start}`, resume(''));
    await server.record([message('m2')]);
    await stream.until(({ logs }) => logs.length > 0);
    await other.until(({ logs }) => logs.length === 2);
    expect(stream.messageIds).toEqual(['m2']);
  });

  test.each(['x', 'AAAA', '!'])('the damaged id %j → 400', async id => {
    const byHeader = await server.call(streamPath, resume(id));
    const byParameter = await server.call(`${streamPath}?lastEventId=${id}`);
    expect(errorAnswer(byHeader)).toEqual({ code: 'E400', properties: ['Last-Event-ID'] });
    expect(errorAnswer(byParameter)).toEqual({ code: 'E400', properties: ['lastEventId'] });
  });

  test('several bad parameters → 400 with each, and no store work', async () => {
    const answer = await server.call(`${streamPath}?limit=5&sentSince=now&generalStatus=GONE&lastEventId=%00`);
    expect(errorAnswer(answer).properties.toSorted()).toEqual(['generalStatus', 'lastEventId', 'limit', 'sentSince']);
    expect(server.store.callCount).toBe(0);
  });

  test('HEAD and OPTIONS → as elsewhere, without a stream', async () => {
    const head = await server.call(streamPath, { method: 'HEAD' });
    expect([head.statusCode, head.body, head.headers['content-type']]).toEqual([
      200,
      '',
      'text/event-stream; charset=utf-8',
    ]);
    const options = await server.call(streamPath, { method: 'OPTIONS' });
    expect([options.statusCode, options.headers.allow]).toEqual([204, 'GET, HEAD, OPTIONS']);
    expect(server.store.callCount).toBe(0);
  });
});
