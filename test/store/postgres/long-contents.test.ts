import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Row } from '../../../src/postgres/cells.ts';
import { Connections } from '../../../src/postgres/connections.ts';
import { fewRows } from '../../../src/store/postgres/read/long-contents.ts';
import type { Store } from '../../../src/store/store.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { idsOf, messages, now, query, recordAll, walk } from '../conformance/engine.ts';
import { PostgresDatabase } from './database.ts';

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start(['fsync=off']);
  return () => server.remove();
});
afterEach(() => vi.restoreAllMocks());

const contentChars = 5_000;
const ofLength = (chars: number) => JSON.stringify({ type: 'TEXT', text: 'x'.repeat(chars) });

async function withStore(work: (store: Store) => Promise<void>): Promise<void> {
  const database = await PostgresDatabase.create(server);
  await work(await database.open());
  await database.close();
}

const fill = async (store: Store, account: number, count: number, chars: number) =>
  recordAll(
    store,
    messages(count, i => ({ sentAt: now - i * 1000, contentJson: ofLength(chars) })),
    { account },
  );

/** How many rows each statement gave, as they come. */
function answered(): number[] {
  const { query: asked } = Connections.prototype;
  const rows: number[] = [];
  vi.spyOn(Connections.prototype, 'query').mockImplementation(async function (this: Connections, ...how) {
    const given: readonly Row[] = await asked.apply(this, how);
    rows.push(given.length);
    return given;
  });
  return rows;
}

test('long contents → read a few at a time, page by page what is there; short ones again at once, but for the first time', async () => {
  await withStore(async store => {
    await fill(store, 1, 150, contentChars);
    await fill(store, 2, 150, 10);
    const rows = answered();
    for (const account of [1, 2]) {
      const expected = Array.from({ length: 150 }, (_, i) => `m${i}`);
      for (const limit of [1000, 150, 149, 60, 59, 1]) {
        const { logs } = await store.find(query({ account, limit }));
        expect(idsOf(logs)).toEqual(expected.slice(0, limit));
        const { text, count } = await store.render(query({ account, limit }), 'json');
        expect(JSON.parse(`[${Buffer.from(text).toString()}]`)).toHaveLength(count);
        expect(count).toBe(Math.min(limit, 150));
      }
      expect(idsOf(await walk(store, query({ account, limit: 70 })))).toEqual(expected);
      const most = Math.max(...rows.splice(0));
      if (account === 1) expect(most).toBe(fewRows);
      else expect(most).toBe(150);
    }
  });
});

test('a long page is read while messages come and change → as of the moment at which it began, each once', async () => {
  await withStore(async store => {
    await fill(store, 1, 200, contentChars);
    const { query: asked } = Connections.prototype;
    let comes = 0;
    const spy = vi.spyOn(Connections.prototype, 'query').mockImplementation(async function (this: Connections, ...how) {
      const given: readonly Row[] = await asked.apply(this, how);
      if (given.length === fewRows && comes < 3) {
        const between = messages(5, i => ({ messageId: `n${comes}-${i}`, sentAt: now - 100_000 + i * 10_000 }));
        comes++;
        await recordAll(store, between, { account: 1 });
      }
      return given;
    });
    const { logs } = await store.find(query({ account: 1, limit: 1000 }));
    expect(spy).toHaveBeenCalled();
    expect(comes).toBe(3);
    expect(idsOf(logs)).toEqual(Array.from({ length: 200 }, (_, i) => `m${i}`));
  });
});

test('two accounts ask for many long pages → a page of another comes before any of them', async () => {
  await withStore(async store => {
    for (const account of [1, 2]) await fill(store, account, 200, contentChars);
    await fill(store, 3, 1, 10);
    const over: string[] = [];
    const pages = [1, 2].flatMap(account =>
      Array.from({ length: 4 }, () =>
        store.render(query({ account, limit: 200 }), 'json').then(() => over.push('long')),
      ),
    );
    pages.push(store.render(query({ account: 3, limit: 1 }), 'json').then(() => over.push('short')));
    await Promise.all(pages);
    expect(over[0]).toBe('short');
    expect(over).toHaveLength(9);
  });
});
