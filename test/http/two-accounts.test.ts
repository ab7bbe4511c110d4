import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EventStream } from '../support/event-stream.ts';
import { errorAnswer, logsPath, message, streamPath, summaryPath, TestServer } from '../support/http-server.ts';

describe('two accounts with equal ids', () => {
  let server: TestServer;
  beforeEach(async () => {
    server = new TestServer();
    const shared = { bulkId: 'b', campaignReferenceId: 'c', platform: { entityId: 'e', applicationId: 'a' } };
    await server.record([message('m1', { ...shared, sender: 'one' }), message('m2', { ...shared, sender: 'one' })]);
    await server.record([message('m1', { ...shared, sender: 'two' })], 'App two');
  });
  afterEach(() => server.app.close());

  const by = (name: string) => ({ headers: { authorization: `App ${name}` } });
  const senders = (logs: readonly { readonly sender: string }[]) => logs.map(log => log.sender);

  test.each([
    '',
    'messageId=m1,m2',
    'bulkId=b',
    'campaignReferenceId=c',
    'entityId=e&applicationId=a',
    'generalStatus=PENDING',
  ])('logs by %j → each its own', async query => {
    expect(senders((await server.call(`${logsPath}?${query}`, by('one'))).json().results)).toEqual(['one', 'one']);
    expect(senders((await server.call(`${logsPath}?${query}`, by('two'))).json().results)).toEqual(['two']);
  });

  test('a filter by the sender of the other → nothing', async () => {
    expect((await server.call(`${logsPath}?sender=one`, by('two'))).body).toBe('{"results":[]}');
  });

  test.each(['ndjson', 'csv'])('an export as %s → each its own', async format => {
    const one = await server.call(`${logsPath}/export?format=${format}`, by('one'));
    const two = await server.call(`${logsPath}/export?format=${format}`, by('two'));
    expect(one.body).not.toMatch(/(?<![a-z])two(?![a-z])/);
    expect(two.body).not.toMatch(/(?<![a-z])one(?![a-z])/);
  });

  test('one message → each its own; one that only the other has → as one that nobody has', async () => {
    expect((await server.call('/messenger/1/messages/m1', by('one'))).json().sender).toBe('one');
    expect((await server.call('/messenger/1/messages/m1', by('two'))).json().sender).toBe('two');
    const others = await server.call('/messenger/1/messages/m2', by('two'));
    expect(errorAnswer(others).code).toBe('E404');
    expect(others.body).toBe((await server.call('/messenger/1/messages/m9', by('two'))).body);
  });

  test('a report on a message that only the other has → as on one that nobody has', async () => {
    const answer = await server.post({ results: [message('m3'), { messageId: 'm2', status: 5 }] }, 'App two');
    expect(answer.json()).toMatchObject({ recorded: 1, updated: 0, waiting: 1, rejected: [] });
    const { status } = (await server.call('/messenger/1/messages/m2', by('one'))).json();
    expect(status.name).toBe('PENDING_ACCEPTED');
  });

  test('a report on an id that both have → moves only its own', async () => {
    await server.record([{ messageId: 'm1', status: 'DELIVERED_TO_HANDSET' }], 'App two');
    const statusFor = async (name: string) =>
      (await server.call('/messenger/1/messages/m1', by(name))).json().status.name;
    expect(await statusFor('one')).toBe('PENDING_ACCEPTED');
    expect(await statusFor('two')).toBe('DELIVERED_TO_HANDSET');
  });

  test("the other's cursor → 400", async () => {
    const { cursor } = (await server.call(`${logsPath}?useCursor=true&limit=1`, by('one'))).json();
    const answer = await server.call(`${logsPath}?limit=1&cursor=${cursor.nextCursor}`, by('two'));
    expect(errorAnswer(answer).properties).toEqual(['cursor']);
  });

  test('a summary → each its own', async () => {
    const totals = async (query: string) =>
      Promise.all(
        ['one', 'two'].map(async name => (await server.call(`${summaryPath}?${query}`, by(name))).json().total),
      );
    expect(await totals('')).toEqual([2, 1]);
    expect(await totals('bulkId=b&messageId=m1,m2')).toEqual([2, 1]);
    expect(await totals('sender=one')).toEqual([2, 0]);
  });

  test("streams → each its own; the other's event id → 400", async () => {
    const url = await server.listen();
    const [one, two] = await Promise.all(['one', 'two'].map(async name => EventStream.open(url, '', { name })));
    if (one === undefined || two === undefined) throw new Error('no stream');
    await Promise.all([one.opened(), two.opened()]);
    await server.record([{ messageId: 'm1', status: 5 }], 'App two');
    await server.record([message('m3'), { messageId: 'm1', status: 5 }]);
    await server.record([message('m4')], 'App two');
    await one.until(({ logs }) => logs.length === 2);
    await two.until(({ logs }) => logs.length === 2);
    expect([one.messageIds, two.messageIds]).toEqual([
      ['m3', 'm1'],
      ['m1', 'm4'],
    ]);
    const foreign = await server.call(`${streamPath}?lastEventId=${one.lastId}`, by('two'));
    expect(errorAnswer(foreign)).toEqual({ code: 'E400', properties: ['lastEventId'] });
    await Promise.all([one.close(), two.close()]);
  });
});
