import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Filter } from '../../src/domain/filter.ts';
import { Cursors, type Walk } from '../../src/http/cursor.ts';
import { InvalidBookmark } from '../../src/store/store.ts';
import { parseLogsQuery } from '../../src/wire/query/filter-query.ts';
import { errorAnswer, logsPath, message, startOfTest, TestServer } from '../support/http-server.ts';

const at = (moment: number) => new Date(moment).toISOString();

describe('a walk', () => {
  let server: TestServer;
  beforeEach(async () => {
    server = new TestServer();
    server.callers.add('one as well', 1);
    server.callers.add('bound', 1, ['messenger:manage'], { applicationId: 'a' });
    const sentAt = at(startOfTest - 60_000);
    const records = Array.from({ length: 25 }, (_, index) =>
      message(`m${index}`, { sentAt, sender: index % 2 === 0 ? 'even' : 'odd', platform: { applicationId: 'a' } }),
    );
    await server.record(records);
    await server.record(records, 'App two');
  });
  afterEach(() => server.app.close());

  async function page(query: string, authorization = 'App one') {
    const answer = await server.call(`${logsPath}?${query}`, { headers: { authorization } });
    expect(answer.statusCode).toBe(200);
    return answer.json();
  }

  async function cursorOf(query: string, authorization = 'App one'): Promise<string> {
    return (await page(`useCursor=true&limit=10&${query}`, authorization)).cursor.nextCursor;
  }

  async function refused(query: string, authorization = 'App one') {
    const answer = await server.call(`${logsPath}?${query}`, { headers: { authorization } });
    expect(errorAnswer(answer)).toEqual({ code: 'E400', properties: ['cursor'] });
  }

  test('a damaged cursor beside other bad parameters → all of them in one answer', async () => {
    const answer = await server.call(`${logsPath}?limit=0&useCursor=maybe&cursor=zz`);
    expect(errorAnswer(answer)).toEqual({ code: 'E400', properties: ['limit', 'useCursor', 'cursor'] });
  });

  test('a bad filter → said of the filter alone, since a cursor is good for one filter only', async () => {
    const answer = await server.call(`${logsPath}?sentSince=now&cursor=${await cursorOf('')}`);
    expect(errorAnswer(answer)).toEqual({ code: 'E400', properties: ['sentSince'] });
  });

  test('page after page, though all were sent in one millisecond and more arrive → every message once', async () => {
    const seen: string[] = [];
    let query = 'useCursor=true&limit=10';
    for (;;) {
      const { results, cursor } = await page(query);
      expect(cursor.limit).toBe(10);
      seen.push(...results.map((log: { messageId: string }) => log.messageId));
      await server.record([message(`late${seen.length}`, { sentAt: at(startOfTest) })]);
      if (cursor.nextCursor === undefined) break;
      query = `limit=10&cursor=${cursor.nextCursor}`;
    }
    expect(seen.toSorted()).toEqual(Array.from({ length: 25 }, (_, index) => `m${index}`).toSorted());
  });

  test('another limit for the next page → taken', async () => {
    const { results, cursor } = await page(`limit=20&cursor=${await cursorOf('')}`);
    expect(results).toHaveLength(15);
    expect(cursor).toEqual({ limit: 20 });
  });

  test('the same page again → the same bytes, cursor and all', async () => {
    const url = `${logsPath}?useCursor=true&limit=10&sender=even`;
    const first = await server.call(url);
    expect(first.json().cursor.nextCursor).toBeTypeOf('string');
    expect((await server.call(url)).body).toBe(first.body);
  });

  test('the same filter in other words → the same walk', async () => {
    const asked =
      'messageId=m1,m2,m3,m4,m5,m6,m7,m8,m9,m10,m11&sentSince=2023-02-01T00:00:00Z' +
      '&generalStatus=PENDING,EXPIRED&bulkId[not]=x,y';
    const cursor = await cursorOf(asked);
    const ids =
      'messageId[]=m11,m10,m9,m8,m7,m6&messageId=m5,m4,m3,m2,m1,m1&bulkId[not]=y&bulkId[not]=x&generalStatus=EXPIRED,PENDING';
    const { results } = await page(`cursor=${cursor}&sentSince=2023-02-01T01:00:00%2B01:00&${ids}`);
    expect(results).toHaveLength(1);
  });

  test('another key of the account → goes on with the walk', async () => {
    expect((await page(`cursor=${await cursorOf('')}`, 'App one as well')).results).toHaveLength(15);
  });

  test.each([
    ['with another sender', 'sender=odd', 'App one'],
    ['with one filter more', 'sender=even&entityId=e', 'App one'],
    ['without its filter', '', 'App one'],
    ['of another account', 'sender=even', 'App two'],
    ['of another binding', 'sender=even', 'App bound'],
  ])('a cursor %s → 400, and no store work', async (_what, query, authorization) => {
    const cursor = await cursorOf('sender=even');
    const before = server.store.callCount;
    await refused(`cursor=${cursor}&${query}`, authorization);
    expect(server.store.callCount).toBe(before);
  });

  test.each([
    ['a letter', 'x'],
    ['a version byte of ours alone', 'AQ'],
    ['a version byte of another', 'Ag'],
    ['a space', ' '],
    ['no base64', '*'.repeat(40)],
    ['no ASCII', '💥'],
    ['sixty thousand letters', 'A'.repeat(60_000)],
    ['a bookmark of the store', '1675339140000.3.25.0'],
  ])('%s for a cursor → 400', async (_what, cursor) => {
    await refused(`cursor=${encodeURIComponent(cursor)}`);
  });

  test('a cursor with any one character changed, dropped or added → 400', async () => {
    const cursor = await cursorOf('sender=even');
    const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', '='];
    await fc.assert(
      fc.asyncProperty(
        fc.nat(cursor.length - 1),
        fc.constantFrom('', ...letters),
        fc.boolean(),
        async (index, letter, insert) => {
          const damaged = cursor.slice(0, index) + letter + cursor.slice(insert ? index : index + 1);
          fc.pre(damaged !== cursor);
          await refused(`sender=even&cursor=${damaged}`);
        },
      ),
    );
  });

  test('a cursor of a server with another secret → 400', async () => {
    const stranger = new TestServer({ store: server.store, cursorSecret: Buffer.alloc(32, 2) });
    const answer = await stranger.call(`${logsPath}?cursor=${await cursorOf('')}`);
    expect(errorAnswer(answer).properties).toEqual(['cursor']);
    await stranger.app.close();
  });

  test('a bookmark that the store does not know → 400', async () => {
    const cursor = await cursorOf('');
    server.store.render = () => Promise.reject(new InvalidBookmark());
    await refused(`cursor=${cursor}`);
  });
});

describe('Cursors', () => {
  const sealOf = (cursors: Cursors, filter: Filter) => cursors.seal('bookmark', { account: 1, binding: {}, filter });

  test.each<[string, Filter]>([
    ['sender=+385', { sender: '+385' }],
    ['destination[not]=+385&entityId=e', { entityId: 'e', not: { destination: '+385' } }],
    ['bulkId=a, b', { bulkId: ['a', 'b'] }],
    ['bulkId=a, b , ', { bulkId: ['a', 'b'] }],
    ['messageId[not]= a\\, b ,c', { not: { messageId: ['a, b', 'c'] } }],
    ['errorName= \\ a ', { errorName: [' a'] }],
    ['campaignReferenceId=\\ a,b\\ ', { campaignReferenceId: [' a', 'b '] }],
    ['bulkId= ', { bulkId: [' '] }],
    ['sender= Shop', { sender: ' Shop' }],
  ])('%s → as its walks were sealed before its values stood for what they may have been recorded as', (raw, before) => {
    const { value } = parseLogsQuery(raw);
    const cursors = new Cursors(Buffer.alloc(32, 3));
    expect(value && sealOf(cursors, value.filter)).toBe(sealOf(cursors, before));
  });

  test('a value with blanks that is written alone → a walk of its own', () => {
    const cursors = new Cursors(Buffer.alloc(32, 3));
    const seals = [['a'], [' a'], ['a '], [' ']].map(bulkId => sealOf(cursors, { bulkId }));
    expect(new Set(seals).size).toBe(4);
  });

  const walk: Walk = { account: 1, binding: {}, filter: { sender: 's' } };

  test('any bookmark → comes back, and cannot be read in the cursor', () => {
    const cursors = new Cursors(Buffer.alloc(32, 3));
    fc.assert(
      fc.property(fc.string({ minLength: 8 }), bookmark => {
        const cursor = cursors.seal(bookmark, walk);
        expect(cursors.open(cursor, walk)).toBe(bookmark);
        expect(Buffer.from(cursor, 'base64url').includes(Buffer.from(bookmark))).toBe(false);
      }),
    );
  });
});
