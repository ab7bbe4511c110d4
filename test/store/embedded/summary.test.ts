import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { Filter } from '../../../src/domain/filter.ts';
import type { Submission } from '../../../src/domain/message.ts';
import { type Status, statuses } from '../../../src/domain/registry.ts';
import { bucketOf, completeSummary, minuteMs, type Summary, summaryRange } from '../../../src/domain/summary.ts';
import { SummaryCell } from '../../../src/domain/summary-cell.ts';
import { type Store, StoreUnavailable } from '../../../src/store/store.ts';
import { crashImage } from '../../support/crash-image.ts';
import { recordNumbered, SqliteLog, submission, until } from '../../support/sqlite-log.ts';

const now = 1_800_000_000_000;
const logs: SqliteLog[] = [];
const stores = new Set<Store>();

afterEach(async () => {
  for (const store of stores) await store.close();
  stores.clear();
  for (const log of logs.splice(0)) log.remove();
});

function newLog(options: ConstructorParameters<typeof SqliteLog>[0] = {}): SqliteLog {
  const log = new SqliteLog(options);
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

const record = (store: Store, submissions: readonly Submission[], account = 1) =>
  store.record({ account, binding: {}, receivedAt: now, sentSince: 0, submissions });

function named(name: string): Status {
  const status = statuses.find(one => one.name === name);
  if (status === undefined) throw new Error(`no status ${name}`);
  return status;
}
const delivered = named('DELIVERED_TO_HANDSET');
const rejected = named('REJECTED_NETWORK');

type Asked = {
  readonly filter?: Filter;
  readonly budgetMs?: number;
  readonly sentSince?: number;
  readonly account?: number;
};

const rangeOf = ({ filter = {}, sentSince = now - 50_000_000 }: Asked) => summaryRange(filter, sentSince, now, 60);

function summarize(store: Store, asked: Asked = {}): Promise<Summary> {
  const { filter = {}, budgetMs = 60_000, sentSince = now - 50_000_000, account = 1 } = asked;
  return store.summarize({ account, filter, sentSince, range: rangeOf(asked), budgetMs });
}

/** What a walk over everything that is shown counts up to. */
async function countedByHand(store: Store, asked: Asked = {}): Promise<Summary> {
  const { filter = {}, sentSince = now - 50_000_000, account = 1 } = asked;
  const range = rangeOf(asked);
  const total = new SummaryCell();
  const buckets = Array.from({ length: range.buckets }, () => new SummaryCell());
  for (let after: string | undefined; ; ) {
    const place = after === undefined ? {} : { after };
    const page = await store.find({ account, filter, sentSince, limit: 1000, walk: true, ...place });
    for (const log of page.logs) {
      total.count(log, 1);
      buckets[bucketOf(range, log.sentAt)]?.count(log, 1);
    }
    if (page.next === undefined) return completeSummary(range, buckets, total);
    after = page.next;
  }
}

async function allSealed(log: SqliteLog, segments: number): Promise<void> {
  await until(() => {
    for (let id = 1; id <= segments; id++)
      if (readOrNothing(join(log.dataDir, 'segments', `${String(id).padStart(9, '0')}.index`)) === undefined)
        return false;
    return true;
  });
}

function readOrNothing(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** 450 messages over 450 seconds, most of them reported on in later segments than their own. */
async function reportedLog(
  options: ConstructorParameters<typeof SqliteLog>[0] = {},
): Promise<{ log: SqliteLog; store: Store }> {
  const log = newLog(options);
  const store = await opened(log);
  await recordNumbered(store, 0, 250, now);
  await record(
    store,
    reports(0, 120, i => ({ status: delivered, doneAt: now + i })),
  );
  await recordNumbered(store, 250, 350, now);
  await record(
    store,
    reports(60, 240, i => ({ status: i % 2 === 0 ? rejected : delivered, at: now + 1000 + i })),
  );
  await recordNumbered(store, 350, 450, now);
  await record(
    store,
    reports(300, 310, () => ({ status: delivered, price: { pricePerMessage: 0.1, currency: 'EUR' } })),
  );
  return { log, store };
}

function reports(from: number, to: number, fields: (i: number) => Partial<Submission>): Submission[] {
  return Array.from({ length: to - from }, (_, i) => ({ messageId: `message-${from + i}`, ...fields(from + i) }));
}

test('a crash → the counts are right in the next run', async () => {
  const { log } = await reportedLog();
  const crashed = newLog();
  await crashImage(log.dataDir, crashed.dataDir);
  const store = await opened(crashed);
  const summary = await summarize(store);
  expect(summary).toEqual(await countedByHand(store));
  expect(summary).toMatchObject({ complete: true, total: 450 });
  await record(
    store,
    reports(400, 410, () => ({ status: delivered })),
  );
  expect(await summarize(store)).toEqual(await countedByHand(store));
});

test('indexes lost or damaged → made again with the same counts', async () => {
  const { log, store: first } = await reportedLog();
  await allSealed(log, 4);
  const before = await summarize(first);
  await closed(first);
  rmSync(join(log.dataDir, 'segments', '000000001.index'));
  const path = join(log.dataDir, 'segments', '000000003.index');
  truncateSync(path, readFileSync(path).length - 100);
  const store = await opened(log);
  expect(await summarize(store)).toEqual(before);
  await allSealed(log, 4);
  expect(await summarize(store)).toEqual(before);
  await closed(store);
  expect(await summarize(await opened(log))).toEqual(before);
});

test.each([1, 2, 3])('what segment %i held lost at the start → what is left is counted, now and later', async id => {
  const { log, store: first } = await reportedLog();
  await allSealed(log, 4);
  await closed(first);
  const path = join(log.dataDir, 'segments', `00000000${id}.journal`);
  truncateSync(path, 8192);
  for (let run = 0; run < 2; run++) {
    const store = await opened(log);
    expect(log.witness.damagedParts.at(-1)?.name).toBe(`00000000${id}.journal`);
    expect(await summarize(store)).toEqual({ ...(await countedByHand(store)), complete: false });
    // Newer than all that was counted when it was found: kept again.
    const newer = Array.from({ length: 20 }, (_, i) => submission(900 + i + run * 50, { sentAt: now + 70_000 + i }));
    await record(store, newer);
    await record(store, [{ messageId: `message-${900 + run * 50}`, status: delivered, at: now }]);
    const summary = await summarize(store, { filter: { sentSince: now - 300_000 } });
    expect(summary).toEqual({
      ...(await countedByHand(store, { filter: { sentSince: now - 300_000 } })),
      complete: false,
    });
    const short = await summarize(store, { filter: { sentSince: now + minuteMs }, budgetMs: 0 });
    if (run === 0) expect(short.complete).toBe(true);
    await closed(store);
  }
});

test('a segment found damaged while counting → counted without what it lost, and said', async () => {
  const { log, store } = await reportedLog();
  await allSealed(log, 4);
  expect(await summarize(store)).toMatchObject({ complete: true, total: 450 });
  const path = join(log.dataDir, 'segments', '000000002.journal');
  writeFileSync(path, readFileSync(path).fill(7, 8192));
  // Facets do not tell destinations, so that rows are read.
  const filtered = await summarize(store, { filter: { not: { destination: 'nobody' } } });
  expect(log.witness.damagedParts).toHaveLength(1);
  expect(filtered.total).toBeLessThan(450);
  expect(filtered).toEqual({ ...(await countedByHand(store)), complete: false });
  expect(await summarize(store)).toEqual(filtered);
});

test('a group that fails half way → nothing of it is counted', async () => {
  const { log, store } = await reportedLog();
  await recordNumbered(store, 450, 601, now);
  await allSealed(log, 6);
  const path = join(log.dataDir, 'segments', '000000006.journal');
  writeFileSync(path, readFileSync(path).fill(7, 8192));
  // The last in the file: its own row is hit, so that it is found damaged also before the writer was told of the index.
  const batch = [
    submission(1000, { sentAt: now + 2 * minuteMs }),
    { messageId: 'message-320', status: rejected, at: now },
    { messageId: 'message-599', status: rejected, at: now },
  ];
  await expect(record(store, batch)).rejects.toThrow(StoreUnavailable);
  expect(await summarize(store)).toEqual({ ...(await countedByHand(store)), complete: false });
  await record(store, batch);
  expect(await summarize(store)).toEqual({ ...(await countedByHand(store)), complete: false });
  // After all that was lost, and so answered by the counts that are kept.
  expect(await summarize(store, { filter: { sentSince: now + minuteMs } })).toMatchObject({ total: 1 });
});

test('messages dropped before the reports on them, and retention lengthened → what is left is counted', async () => {
  const log = newLog();
  const first = await opened(log);
  const old = Array.from({ length: 100 }, (_, i) => submission(i, { sentAt: now - 600_000 }));
  await record(first, old);
  await record(
    first,
    reports(0, 10, () => ({ status: delivered })),
  );
  await record(
    first,
    Array.from({ length: 50 }, (_, i) => submission(100 + i, { sentAt: now - 1000 })),
  );
  await allSealed(log, 1);
  await first.dropBefore(now - 300_000);
  expect(await first.stats()).toMatchObject({ segments: 1, messages: 50 });
  for (let run = 0; run < 2; run++) {
    const store = run === 0 ? first : await opened(log);
    const summary = await summarize(store);
    expect(summary).toEqual(await countedByHand(store));
    expect(summary.total).toBe(50);
    await closed(store);
  }
});

test('many accounts with a few messages each → each its own figures, in the index too', async () => {
  const log = newLog({ segmentMessagesMax: 3000 });
  let store = await opened(log);
  for (let account = 1; account <= 500; account++)
    await record(
      store,
      Array.from({ length: 8 }, (_, i) =>
        submission(i, { sentAt: now - i * 7000, status: i % 2 === 0 ? rejected : delivered, sender: `s${account}` }),
      ),
      account,
    );
  await allSealed(log, 1);
  for (const run of [0, 1]) {
    for (const account of [1, 250, 374, 375, 376, 500])
      expect(await summarize(store, { account })).toEqual(await countedByHand(store, { account }));
    expect(await summarize(store, { account: 501 })).toMatchObject({ total: 0 });
    await closed(store);
    if (run === 0) store = await opened(log);
  }
});

test('dropped, summed up and recorded right after a start → each as if it were alone', async () => {
  const log = newLog();
  const first = await opened(log);
  await recordNumbered(first, 0, 500, now);
  await recordNumbered(first, 500, 501, now);
  await allSealed(log, 5);
  await closed(first);
  const store = await opened(log);
  const horizon = now - 250_000;
  const submissions = Array.from({ length: 501 }, (_, i) => submission(i, { sentAt: now - i * 1000 }));
  const again = store.record({ account: 1, binding: {}, receivedAt: now, sentSince: horizon, submissions });
  const dropped = store.dropBefore(horizon);
  const summary = summarize(store, { sentSince: horizon });
  expect(await summary).toMatchObject({ complete: true, total: 251 });
  expect(await again).toMatchObject({ recorded: 0, unchanged: 251 });
  await dropped;
  expect((await store.stats()).messages).toBe(300);
  expect(await summarize(store, { sentSince: horizon })).toEqual(await countedByHand(store, { sentSince: horizon }));
});

test('closed right after a start, a batch on its way → recorded all the same', async () => {
  const log = newLog();
  const first = await opened(log);
  await recordNumbered(first, 0, 301, now);
  await allSealed(log, 3);
  await closed(first);
  const second = await opened(log);
  const recorded = record(second, [submission(5, { sentAt: now - 5000 }), submission(900, { sentAt: now })]);
  await closed(second);
  expect(await recorded).toMatchObject({ recorded: 1, unchanged: 1 });
  expect((await summarize(await opened(log))).total).toBe(302);
});

test('more failing senders than are told apart → marked, and the rest is right', async () => {
  const log = newLog({ segmentMessagesMax: 30_000 });
  const store = await opened(log);
  for (let at = 0; at < 11_000; at += 1000)
    await record(
      store,
      Array.from({ length: 1000 }, (_, i) =>
        submission(at + i, { sentAt: now - 1000, status: rejected, sender: `s${at + i}` }),
      ),
    );
  const summary = await summarize(store);
  expect(summary).toMatchObject({ complete: false, total: 11_000, groups: { REJECTED: 11_000 } });
  expect(summary.failures?.senders).toBeUndefined();
  expect(summary.failures?.errors).toEqual([{ name: 'NO_ERROR', count: 11_000 }]);
});

test('many summaries at once, and queries among them → all answered; closed meanwhile → none hangs', async () => {
  const log = newLog({ segmentMessagesMax: 10_000 });
  const store = await opened(log);
  await recordNumbered(store, 0, 20_000, now);
  const filter = { sender: 'page' };
  const expected = await summarize(store, { filter });
  expect(expected.total).toBe(20_000);
  const many = Array.from({ length: 5 }, () => summarize(store, { filter }));
  const page = await store.find({ account: 1, filter: {}, sentSince: 0, limit: 10, walk: false });
  expect(page.logs).toHaveLength(10);
  for (const summary of await Promise.all(many)) expect(summary).toEqual(expected);
  const unfinished = Promise.allSettled(Array.from({ length: 5 }, () => summarize(store, { filter })));
  await closed(store);
  for (const result of await unfinished)
    if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(StoreUnavailable);
  await expect(summarize(store, { filter })).rejects.toThrow(StoreUnavailable);
});
