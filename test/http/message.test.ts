import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { errorAnswer, message, TestServer } from '../support/http-server.ts';

const pathOf = (messageId: string) => `/messenger/1/messages/${encodeURIComponent(messageId)}`;

let server: TestServer;
beforeEach(() => {
  server = new TestServer();
});
afterEach(() => server.app.close());

describe('GET /messenger/1/messages/{messageId}', () => {
  test('a message with its reports → its log, seenAt and the whole timeline, oldest first', async () => {
    await server.record([message('m1', { sentAt: '2023-02-02T11:00:00Z', campaignReferenceId: 'c' })]);
    server.now += 1000;
    await server.record([{ messageId: 'm1', status: 'DELIVERED_TO_HANDSET', doneAt: '2023-02-02T11:00:05Z' }]);
    server.now += 1000;
    await server.record([{ messageId: 'm1', status: 'PENDING_ENROUTE', at: '2023-02-02T11:00:01Z' }]);
    await server.record([{ messageId: 'm1', seenAt: '2023-02-02T11:30:00+0000' }]);

    const answer = await server.call(pathOf('m1'));
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    const { timeline, seenAt, ...log } = answer.json();
    expect([log]).toEqual((await server.call('/messenger/1/logs')).json().results);
    expect(Object.keys(answer.json()).slice(-3)).toEqual(['campaignReferenceId', 'seenAt', 'timeline']);
    expect(seenAt).toBe('2023-02-02T11:30:00.000+0000');
    const steps = timeline.map(({ at, status, receivedAt }: Step) => [
      at.slice(11, 19),
      status.name,
      receivedAt.slice(11, 19),
    ]);
    expect(steps).toEqual([
      ['11:00:00', 'PENDING_ACCEPTED', '12:00:00'],
      ['11:00:05', 'DELIVERED_TO_HANDSET', '12:00:01'],
      ['11:00:01', 'PENDING_ENROUTE', '12:00:02'],
      ['11:30:00', 'DELIVERED_TO_HANDSET', '12:00:02'],
    ]);
    for (const { error } of timeline) expect(error.name).toBe('NO_ERROR');
  });

  test('never seen → no seenAt', async () => {
    await server.record([message('m1')]);
    expect((await server.call(pathOf('m1'))).json()).not.toHaveProperty('seenAt');
  });

  test.each(['a/b', 'a?b=c', 'a b', '%41', 'ü😀', '...', 'x'.repeat(200), '😀'.repeat(200)])(
    'the id %s → found',
    async id => {
      await server.record([message(id)]);
      const answer = await server.call(pathOf(id));
      expect(answer.json()).toMatchObject({ messageId: id });
    },
  );

  test('an unknown id → 404', async () => {
    expect(errorAnswer(await server.call(pathOf('nothing')))).toEqual({ code: 'E404', properties: [] });
  });

  test.each(['a\u0000b', '\n', 'x'.repeat(500), 'x'.repeat(3000)])(
    'the impossible id %j → 404, and no store work',
    async id => {
      expect(errorAnswer(await server.call(pathOf(id))).code).toBe('E404');
      expect(server.store.callCount).toBe(0);
    },
  );

  test('a parameter → 400', async () => {
    expect(errorAnswer(await server.call(`${pathOf('m1')}?limit=1`))).toEqual({ code: 'E400', properties: ['limit'] });
  });

  test("another application's message → 404 for a bound key, as if it were not there", async () => {
    server.callers.add('bound', 1, ['messenger:logs:read'], { applicationId: 'a1' });
    await server.record([
      message('mine', { platform: { applicationId: 'a1', entityId: 'e' } }),
      message('other', { platform: { applicationId: 'a2' } }),
    ]);
    const headers = { authorization: 'App bound' };
    expect((await server.call(pathOf('mine'), { headers })).statusCode).toBe(200);
    const other = await server.call(pathOf('other'), { headers });
    const missing = await server.call(pathOf('missing'), { headers });
    expect(other.statusCode).toBe(404);
    expect(other.body).toBe(missing.body);
  });
});

type Step = { readonly at: string; readonly status: { readonly name: string }; readonly receivedAt: string };
