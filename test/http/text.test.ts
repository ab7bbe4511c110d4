import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SentlogClient } from '../../src/client/index.ts';
import { limits } from '../../src/limits.ts';
import { formatDateTime } from '../../src/wire/date-time.ts';
import { logsPath, message, startOfTest, summaryPath, TestServer } from '../support/http-server.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { WatchedStore } from '../support/watched-store.ts';

const sentAtOf = (i: number) => formatDateTime(startOfTest - i * 1000);

let server: TestServer;
beforeAll(async () => {
  server = new TestServer({ store: new WatchedStore(new MemoryStore({ lookedThroughMax: 10 })) });
  await server.record(
    Array.from({ length: 35 }, (_, i) =>
      message(`m${i}`, { sentAt: sentAtOf(i), content: { type: 'TEXT', text: i % 8 === 0 ? 'A Néedle' : 'hay' } }),
    ),
  );
});
afterAll(async () => {
  await server.app.close();
  await server.store.close();
});

const needles = ['m0', 'm8', 'm16', 'm24', 'm32'];
const idsIn = (results: readonly { readonly messageId: string }[]) => results.map(({ messageId }) => messageId);
const client = () =>
  new SentlogClient({
    baseUrl: 'http://localhost',
    authorization: { app: 'one' },
    fetch: async input => {
      const answer = await server.call(String(input).replace('http://localhost', ''));
      return new Response(answer.body, { status: answer.statusCode });
    },
  });

describe('text', () => {
  test('a page whose time was over → what was found, how far it came, and a cursor that was not asked for', async () => {
    const first = (await server.call(`${logsPath}?text=needle`)).json();
    expect(idsIn(first.results)).toEqual(['m0', 'm8']);
    expect(first.searchedSince).toBe(sentAtOf(9));
    expect(first.cursor.limit).toBe(limits.pageLogsDefault);
    const second = (await server.call(`${logsPath}?text=needle&cursor=${first.cursor.nextCursor}`)).json();
    expect(idsIn(second.results)).toEqual(['m16']);
    expect(second.searchedSince).toBe(sentAtOf(19));
  });

  test('a page that was filled in time → as any other', async () => {
    const full = (await server.call(`${logsPath}?text=needle&limit=1`)).json();
    expect(Object.keys(full)).toEqual(['results']);
    expect(idsIn(full.results)).toEqual(['m0']);
    expect(Object.keys((await server.call(`${logsPath}?limit=1`)).json())).toEqual(['results']);
  });

  test('a cursor for other words → refused', async () => {
    const { cursor } = (await server.call(`${logsPath}?text=needle`)).json();
    const answer = await server.call(`${logsPath}?text=hay&cursor=${cursor.nextCursor}`);
    expect(answer.statusCode).toBe(400);
  });

  test('all of it → by the client and by an export, over pages that have none', async () => {
    const found: string[] = [];
    for await (const { messageId } of client().allLogs({ text: 'needle' })) found.push(messageId);
    expect(found).toEqual(needles);
    const page = await client().logs({ text: 'absent' });
    expect(page).toMatchObject({ results: [], searchedSince: sentAtOf(9) });
    const { body } = await server.call(`${logsPath}/export?text=needle`);
    expect(
      idsIn(
        body
          .trimEnd()
          .split('\n')
          .map(line => JSON.parse(line)),
      ),
    ).toEqual(needles);
    expect((await server.call(`${logsPath}/export?text=absent`)).body).toBe('');
  });

  test('a summary → of what has the words, and of what has not', async () => {
    expect((await server.call(`${summaryPath}?text=needle`)).json().total).toBe(5);
    expect((await server.call(`${summaryPath}?text[not]=needle`)).json().total).toBe(30);
  });

  test.each([
    ['text=', 'must not be empty'],
    ['text=--', 'must have a letter or a digit'],
    [`text=${'x'.repeat(201)}`, 'must have at most 200 characters'],
    ['text=a&text=b', 'must be given only once'],
    ['text[not]=%21', 'must have a letter or a digit'],
  ])('%s → 400 with its reason', async (query, violation) => {
    for (const path of [logsPath, `${logsPath}/export`, summaryPath, `${logsPath}/stream`]) {
      const answer = await server.call(`${path}?${query}`);
      expect(answer.statusCode).toBe(400);
      expect(answer.json().violations).toEqual([{ property: query.split('=')[0], violation }]);
    }
  });
});
