import { beforeAll, expect, it } from 'vitest';
import type { Filter } from '../../../src/domain/filter.ts';
import { deliveryErrors, noError } from '../../../src/domain/registry.ts';
import { keptPlansMax } from '../../../src/postgres/kept-plans.ts';
import type { Statement } from '../../../src/postgres/session.ts';
import { pageStatement } from '../../../src/store/postgres/search/page-query.ts';
import { type PageSource, Pages } from '../../../src/store/postgres/search/pages.ts';
import type { Store } from '../../../src/store/store.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { delivered, hourMs, message, messages, now, query, record, recordAll, walk } from '../conformance/engine.ts';
import { PostgresDatabase } from './database.ts';

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start(['fsync=off']);
  return () => server.remove();
});

async function withStore(work: (store: Store) => Promise<void>): Promise<void> {
  const database = await PostgresDatabase.create(server);
  await work(await database.open());
  await database.close();
}

const pending = (store: Store, filter: Filter = {}) =>
  store
    .find(query({ filter: { generalStatus: 'PENDING', ...filter }, limit: 3 }))
    .then(({ logs }) => logs.map(log => log.messageId));
const ids = (...numbers: readonly number[]) => numbers.map(i => `m${i}`);
const deliver = (store: Store, ...numbers: readonly number[]) =>
  record(
    store,
    ids(...numbers).map(messageId => ({ messageId, status: delivered })),
  );
/** The first is the newest. */
const log = (count: number, apartMs: number) =>
  messages(count, i => ({ sentAt: now - i * apartMs, sender: i % 2 === 0 ? 'even' : 'odd' }));

it('errors of any choice → asked for by one statement, whose plan is kept', () => {
  const names = [...new Set(deliveryErrors.map(({ name }) => name))].filter(name => name !== noError.name);
  const snapshot = { end: 100, running: [] };
  for (const bounds of [{}, { snapshot }, { snapshot, place: { sentAt: now, number: 1 } }]) {
    const statements = [1, 2, 5].flatMap(count =>
      [0, 7].map(from => {
        const filter = { errorName: names.slice(from, from + count) };
        return pageStatement(query({ filter }), bounds, 'error_key');
      }),
    );
    expect(new Set(statements.map(({ text }) => text)).size).toBe(1);
    expect(statements.every(({ plan }) => plan === 'kept')).toBe(true);
  }
});

it('pages of more shapes than plans are kept of → each by a plan that may be kept, the frequent one always by the same', async () => {
  const asked: Statement[] = [];
  const source: PageSource = {
    read: async statement => {
      asked.push(statement);
      return [];
    },
    readPlanned: () => Promise.reject(new Error('planned for its values')),
    readTogether: () => Promise.reject(new Error('nothing is sealed')),
  };
  const pages = new Pages();
  for (let limit = 1; limit <= 3 * keptPlansMax; limit++) {
    await pages.rows(source, query({ limit: 1000 }), {});
    await pages.rows(source, query({ limit }), {});
  }
  expect(asked.every(({ name, isOneOfMany }) => name !== undefined && isOneOfMany)).toBe(true);
  expect(new Set(asked.map(({ name }) => name)).size).toBe(3 * keptPlansMax + 1);
  const frequent = asked.filter((_, i) => i % 2 === 0);
  expect(new Set(frequent.map(({ name }) => name)).size).toBe(1);
});

it('what filled a page has left the filter → asked again, the page is full of older messages', () =>
  withStore(async store => {
    await recordAll(store, log(40, hourMs));
    for (let again = 0; again < 3; again++) expect(await pending(store)).toEqual(ids(0, 1, 2));
    await deliver(store, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    for (let again = 0; again < 2; again++) expect(await pending(store)).toEqual(ids(10, 11, 12));
    await recordAll(store, [message('new', { sentAt: now + 1 })]);
    expect(await pending(store)).toEqual(['new', ...ids(10, 11)]);
    await deliver(store, ...Array.from({ length: 28 }, (_, i) => 11 + i));
    expect(await pending(store)).toEqual(['new', ...ids(10, 39)]);
  }));

it.each([
  ['few', 40, hourMs],
  ['many', 2_400, hourMs / 60],
])('two conditions that %s messages meet → the newest that meet both', (_, count, apartMs) =>
  withStore(async store => {
    await recordAll(store, log(count, apartMs));
    for (let again = 0; again < 2; again++) expect(await pending(store, { sender: 'odd' })).toEqual(ids(1, 3, 5));
    await deliver(store, 0, 1, 2, 3, 7);
    for (let again = 0; again < 2; again++) expect(await pending(store, { sender: 'odd' })).toEqual(ids(5, 9, 11));
    expect(await pending(store, { sender: 'even', sentUntil: now - 10 * apartMs })).toEqual(ids(12, 14, 16));
    const odd = { generalStatus: 'DELIVERED', sender: 'odd' } as const;
    const walked = await walk(store, { filter: odd, limit: 2 }, () => deliver(store, 9).then(() => undefined));
    expect(walked.map(one => one.messageId)).toEqual(ids(1, 3, 7));
  }),
);
