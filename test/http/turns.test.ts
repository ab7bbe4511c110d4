import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RejectionList } from '../../src/http/recording/rejection-list.ts';
import { limits } from '../../src/limits.ts';
import { EventStream } from '../support/event-stream.ts';
import { message, TestServer } from '../support/http-server.ts';

let server: TestServer;
beforeEach(() => {
  server = new TestServer();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await server.app.close();
});

/** Counts the texts that are parsed between two turns of the event loop while `work` runs; the most of all. */
async function mostParsedInATurn(work: () => Promise<unknown>): Promise<number> {
  const parse = vi.spyOn(JSON, 'parse');
  let [most, isOver] = [0, false];
  const look = () => {
    most = Math.max(most, parse.mock.calls.length);
    parse.mockClear();
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  await work();
  isOver = true;
  look();
  parse.mockRestore();
  return most;
}

const itemsPerTurnMax = 2000;
const parsed = JSON.parse;

describe('whoever sends much → gives way', () => {
  test.each([
    ['zeros', '0'],
    ['texts', '""'],
    ['no JSON objects', '[[]]'],
    ['objects without anything', '{}'],
    ['reports on nothing', '{"messageId":"m"}'],
  ])('%s, as JSON and as NDJSON', async (_, item) => {
    const items = Array.from({ length: 30_000 }, () => item);
    const json = await mostParsedInATurn(() => server.post(`{"results":[${items.join()}]}`));
    expect(json).toBeLessThan(itemsPerTurnMax);
    const lines = await mostParsedInATurn(() => server.post(items.join('\n'), 'App one', 'application/x-ndjson'));
    expect(lines).toBeLessThan(itemsPerTurnMax);
  });

  test('many callers at once → all of them together no more than one of them', async () => {
    const body = `{"results":[${Array.from({ length: 10_000 }, () => '0').join()}]}`;
    const most = await mostParsedInATurn(() => Promise.all(Array.from({ length: 8 }, () => server.post(body))));
    expect(most).toBeLessThan(itemsPerTurnMax);
  });

  test('sound records among them → recorded all the same, wherever they stand', async () => {
    const places = fc.uniqueArray(fc.nat(4999), { maxLength: 20, minLength: 1 });
    await fc.assert(
      fc.asyncProperty(places, async soundPlaces => {
        const other = new TestServer();
        const items = Array.from({ length: 5000 }, (_, i) => (soundPlaces.includes(i) ? message(`m${i}`) : 0));
        const answer = (await other.post({ results: items })).json();
        await other.app.close();
        expect(answer.recorded).toBe(soundPlaces.length);
        expect(answer.rejectedCount).toBe(5000 - soundPlaces.length);
        expect(answer.rejected).toHaveLength(limits.rejectionsListedMax);
      }),
      { numRuns: 5 },
    );
  });

  test('a field that is repeated without end → refused at the second', async () => {
    const answer = await server.post(`{${'"cursor":1,'.repeat(100_000)}"results":[]}`);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().violations).toEqual([{ property: 'cursor', violation: 'must be given only once' }]);
  });
});

describe('whoever asks for many messages to be sent → gives way', () => {
  const destination = '{"to":"d"}';
  test.each([
    ['zeros', `[${'0,'.repeat(1_500_000)}0]`],
    ['objects without anything', `[${'{},'.repeat(300_000)}{}]`],
    [
      'destinations without end',
      `[{"sender":"s","content":{"type":"TEXT","text":"x"},"destinations":[${`${destination},`.repeat(300_000)}${destination}]}]`,
    ],
    ['contents in depth', `[{"content":${'['.repeat(1_500_000)}${']'.repeat(1_500_000)}}]`],
    ['contents of many fields', `[{"content":{${Array.from({ length: 150_000 }, (_, i) => `"k${i}":0`)}}}]`],
    ['messages that are wrong', `[${Array(9000).fill(`{"sender":1,"destinations":[{}],"x":[${'0,'.repeat(200)}0]}`)}]`],
  ])('%s', async (_, messages) => {
    const sending = { accept: async () => [], paused: () => [], figures: async () => undefined };
    const other = new TestServer({ sending } as never);
    const parse = vi.spyOn(JSON, 'parse');
    const longest: number[] = [];
    let chars = 0;
    parse.mockImplementation((text, reviver) => {
      chars += text.length;
      return parsed(text, reviver);
    });
    let isOver = false;
    const look = () => {
      longest.push(chars);
      chars = 0;
      if (!isOver) setImmediate(look);
    };
    setImmediate(look);
    const answer = await other.app.inject({
      ...{ method: 'POST', url: '/messenger/1/messages', payload: `{"messages":${messages}}` },
      headers: { authorization: 'App one', 'content-type': 'application/json' },
    });
    isOver = true;
    parse.mockRestore();
    await other.app.close();
    expect(answer.statusCode).toBe(400);
    expect(Math.max(chars, ...longest)).toBeLessThan(3 * limits.stretchChars);
  });
});

test('rejections in any order, of any length → the first that there is room for, by their index', () => {
  const lengths = fc.array(fc.oneof(fc.constant(10), fc.nat(3000)), { minLength: 1, maxLength: 4000 });
  fc.assert(
    fc.property(lengths, fc.infiniteStream(fc.double({ noNaN: true })), (chars, order) => {
      const all = chars.map((length, index) => ({
        index,
        violations: [{ property: '', violation: 'x'.repeat(length) }],
      }));
      const list = new RejectionList();
      const ranked = all.map(rejection => ({ rejection, rank: order.next().value }));
      for (const { rejection } of ranked.sort((a, b) => a.rank - b.rank)) list.add(rejection);
      let room = 1024 * 1024;
      const expected = all.slice(0, limits.rejectionsListedMax).filter(({ violations }) => {
        room -= 100 + (violations[0]?.violation.length ?? 0);
        return room >= 0;
      });
      expect(list.first().map(({ index }) => index)).toEqual(expected.map(({ index }) => index));
    }),
    { numRuns: 30 },
  );
});

test('whoever follows by words, and messages are long → others have their turn between them', async () => {
  // So that it is the number of messages that is told, not how fast they are looked through.
  const began = performance.now();
  let calls = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => began + calls++);
  const looked = vi.spyOn(String.prototype, 'normalize');
  const streams = await Promise.all(
    ['nobody has this', 'nor that'].map(async text =>
      (await EventStream.open(await server.listen(), `text=${encodeURIComponent(text)}`)).opened(),
    ),
  );
  let [most, isOver] = [0, false];
  const look = () => {
    most = Math.max(most, looked.mock.calls.length);
    looked.mockClear();
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  const content = { type: 'TEXT', text: 'é' };
  await server.post({ results: Array.from({ length: 250 }, (_, i) => message(`m${i}`, { content })) });
  await server.post({ results: [message('last', { content: { type: 'TEXT', text: 'nobody has this, nor that' } })] });
  for (const stream of streams) await stream.until(({ messageIds }) => messageIds.length > 0);
  isOver = true;
  for (const stream of streams) {
    expect(stream.messageIds).toEqual(['last']);
    await stream.close();
  }
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThan(50);
});
