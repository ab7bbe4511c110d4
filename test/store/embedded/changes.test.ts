import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { Submission } from '../../../src/domain/message.ts';
import { statuses } from '../../../src/domain/registry.ts';
import { type Bookmark, InvalidBookmark, type Store, StoreUnusable } from '../../../src/store/store.ts';
import { changeLogFields } from '../../support/log-json.ts';
import { numberedIds, recordNumbered, SqliteLog, submission, until } from '../../support/sqlite-log.ts';

const now = 1_800_000_000_000;
const logs: SqliteLog[] = [];
const stores = new Set<Store>();

afterEach(async () => {
  for (const store of stores) await store.close();
  stores.clear();
  for (const log of logs.splice(0)) log.remove();
});

function newLog(): SqliteLog {
  const log = new SqliteLog();
  logs.push(log);
  return log;
}

async function opened(log: SqliteLog): Promise<Store> {
  const store = await log.open();
  stores.add(store);
  return store;
}

async function closed(store: Store): Promise<void> {
  await store.close();
  stores.delete(store);
}

const ask = (store: Store, after?: Bookmark, account = 1) =>
  store.changes({ account, sentSince: 0, limit: 1000, ...(after !== undefined && { after }) });

async function follow(store: Store, after: Bookmark, account = 1) {
  const ids: string[] = [];
  let calls = 0;
  for (let place = after; ; ) {
    const { changes, next, more } = await ask(store, place, account);
    ids.push(...changes.map(({ log }) => log.messageId));
    place = next;
    calls++;
    if (!more) return { ids, next: place, calls };
  }
}

test('a folder restored from a copy → places of what it lost are refused, those of the copy go on', async () => {
  const log = newLog();
  let store = await opened(log);
  const { next: start } = await ask(store);
  await recordNumbered(store, 0, 150, now);
  const { next: copied } = await follow(store, start);
  await closed(store);
  const copy = join(log.dataDir, 'copy');
  cpSync(join(log.dataDir, 'segments'), join(copy, 'segments'), { recursive: true });
  cpSync(join(log.dataDir, 'log.json'), join(copy, 'log.json'));
  store = await opened(log);
  await recordNumbered(store, 150, 180, now);
  const { next: lost } = await follow(store, start);
  await closed(store);
  rmSync(join(log.dataDir, 'segments'), { recursive: true });
  cpSync(copy, log.dataDir, { recursive: true });
  store = await opened(log);
  await expect(ask(store, lost)).rejects.toThrow(InvalidBookmark);
  // Once the log has come as far again, and further, the place would seem to be one of its own.
  await recordNumbered(store, 1000, 1090, now);
  await expect(ask(store, lost)).rejects.toThrow(InvalidBookmark);
  expect((await follow(store, copied)).ids).toEqual(numberedIds(1000, 1090));
  expect((await follow(store, start)).ids).toHaveLength(240);
});

test('everything dropped, then a new run → places are as good as before', async () => {
  const log = newLog();
  let store = await opened(log);
  const { next: start } = await ask(store);
  await recordNumbered(store, 0, 250, now);
  const { next: end } = await follow(store, start);
  await store.dropBefore(now + 1);
  expect((await store.stats()).segments).toBe(0);
  expect((await follow(store, start)).ids).toEqual([]);
  await closed(store);
  store = await opened(log);
  expect((await follow(store, end)).ids).toEqual([]);
  await recordNumbered(store, 300, 310, now);
  expect((await follow(store, end)).ids).toEqual(numberedIds(300, 310));
  expect((await follow(store, start)).ids).toEqual(numberedIds(300, 310));
});

test('a segment of which nothing can be read any more → its changes do not show, the others do, each once', async () => {
  const log = newLog();
  let store = await opened(log);
  const { next: start } = await ask(store);
  await recordNumbered(store, 0, 301, now);
  const delivered = statuses.find(status => status.name === 'DELIVERED_TO_HANDSET');
  if (delivered === undefined) throw new Error('no such status');
  const submissions = [20, 120].map(number => ({ messageId: `message-${number}`, status: delivered, at: now }));
  await store.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions });
  await until(async () => (await follow(store, start)).ids.length === 303);
  await closed(store);
  const path = join(log.dataDir, 'segments', '000000002.journal');
  writeFileSync(path, readFileSync(path).fill(7));
  store = await opened(log);
  expect((await follow(store, start)).ids).toEqual([...numberedIds(0, 100), ...numberedIds(200, 301), 'message-20']);
});

test('one account’s messages far apart among another’s → found by one call', async () => {
  const log = new SqliteLog({ segmentMessagesMax: 30_000 });
  logs.push(log);
  const store = await opened(log);
  const { next: start } = await ask(store, undefined, 2);
  const mine = async (messageId: string) =>
    store.record({
      account: 2,
      binding: {},
      receivedAt: now,
      sentSince: 0,
      submissions: [submission(0, { messageId, sentAt: now })],
    });
  await mine('first');
  await recordNumbered(store, 0, 12_000, now);
  await mine('second');
  const { ids, calls } = await follow(store, start, 2);
  expect(ids).toEqual(['first', 'second']);
  expect(calls).toBe(1);
});

test('a quiet account that resumes after a restart → what others recorded in sealed segments is not looked through', async () => {
  const log = new SqliteLog({ segmentMessagesMax: 1000 });
  logs.push(log);
  let store = await opened(log);
  const { next: start } = await ask(store, undefined, 2);
  const of = (account: number, submissions: readonly Submission[]) =>
    store.record({ account, binding: {}, receivedAt: now, sentSince: 0, submissions });
  const delivered = statuses.find(status => status.name === 'DELIVERED_TO_HANDSET');
  if (delivered === undefined) throw new Error('no such status');
  const own = (number: number) => submission(number, { messageId: `own-${number}`, sentAt: now });
  const reported = (messageId: string) => ({ messageId, status: delivered, at: now });
  await of(2, [own(0), own(1)]);
  for (let part = 0; part < 12; part++) {
    await recordNumbered(store, part * 1000, (part + 1) * 1000, now);
    await of(1, numberedIds(part * 1000, (part + 1) * 1000).map(reported));
    if (part === 5) await of(2, [reported('own-0'), own(2)]);
  }
  const sealed = () => readdirSync(join(log.dataDir, 'segments')).filter(name => name.endsWith('.index')).length;
  await until(() => sealed() >= 11);
  await closed(store);
  store = await opened(log);
  // The youngest segment, and the one with a report of its own, have a thousand rows of each kind or so.
  const { ids, calls } = await follow(store, start, 2);
  expect(ids).toEqual(['own-0', 'own-1', 'own-2', 'own-0']);
  expect(calls).toBeLessThanOrEqual(2);
  const { ids: others } = await follow(store, start, 1);
  expect(others).toHaveLength(24_000);
  expect(new Set(others).size).toBe(12_000);
});

test.each([
  [1, /run the version that wrote it, and export/],
  [99, /run the newer version/],
])('a log of format %i → refused, with what to do', async (formatVersion, advice) => {
  const log = newLog();
  await closed(await opened(log));
  changeLogFields(log.dataDir, fields => ({ ...fields, formatVersion }), { names: ['log.json'] });
  await expect(log.open()).rejects.toThrow(StoreUnusable);
  await expect(log.open()).rejects.toThrow(advice);
});
