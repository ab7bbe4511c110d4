import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Filter } from '../../src/domain/filter.ts';
import type { AccountId } from '../../src/domain/message.ts';
import { type Summary, summaryRange } from '../../src/domain/summary.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { FolderInUse } from '../../src/store/embedded/files/folder-lock.ts';
import { FolderLog } from '../../src/store/embedded/offline/folder-log.ts';
import { spreadAccount } from '../../src/store/postgres/layout/spreading.ts';
import type { Store } from '../../src/store/store.ts';
import { crashImage } from '../support/crash-image.ts';
import { type DatabaseServer, databaseServer, isGiven } from '../support/database-server.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { isThorough, runs } from '../support/properties.ts';
import { recordNumbered, SqliteLog, submission, Witness } from '../support/sqlite-log.ts';
import { accounts, anyFilter, anySubmission, ids } from './conformance/model.ts';
import { all, answers, copy, emptyLog, faultless, logOf, message, record, report, start, walk } from './copying.ts';
import { PostgresDatabase } from './postgres/database.ts';
import { openSealer } from './postgres/sealed-store.ts';

let server: DatabaseServer;
beforeAll(async () => {
  server = await databaseServer(['fsync=off', 'full_page_writes=off']);
  return () => server.remove();
});

async function emptyDatabase(): Promise<PostgresDatabase> {
  const database = await PostgresDatabase.create(server);
  onTestFinished(() => database.close());
  return database;
}

async function spread({ url }: PostgresDatabase, schema: string, slices: number): Promise<void> {
  await migrate({ url, schema }, () => {});
  for (const account of accounts) await spreadAccount({ url, schema }, { account, slices, announceMs: 0 });
}

/** Figures of a log's ten seconds, one a bucket. */
function figures(store: Store, account: AccountId, filter: Filter): Promise<Summary> {
  const range = summaryRange(filter, start, start + 20_000, 20);
  return store.summarize({ account, filter, sentSince: start, range, budgetMs: 60_000 });
}

const anyBatch = fc.record({
  account: fc.constantFrom(1, 1, ...accounts),
  batch: fc.array(anySubmission, { minLength: 1, maxLength: 25 }),
});

const shapes: readonly (readonly [segmentMessagesMax: number, slices: number])[] = isThorough
  ? [
      [3, 1],
      [3, 5],
      [1000, 1],
      [1000, 5],
    ]
  : [
      [3, 5],
      [1000, 1],
    ];

test.each(shapes)(
  'any log, %i messages a segment, accounts over %i slices → the copy answers alike',
  async (segmentMessagesMax, slices) => {
    const database = await emptyDatabase();
    let copies = 0;
    const property = fc.asyncProperty(
      fc.array(anyBatch, { minLength: 1, maxLength: 20 }),
      fc.array(anyFilter, { minLength: 3, maxLength: 3 }),
      async (batches, filters) => {
        const log = new SqliteLog({ segmentMessagesMax });
        const reference = new MemoryStore();
        try {
          const original = await log.open();
          for (const [i, { account, batch }] of batches.entries())
            for (const store of [original, reference])
              await store.record({
                account,
                binding: {},
                receivedAt: start + 10_000 + i,
                sentSince: 0,
                submissions: batch,
              });
          const asked = async (store: Store) => [
            await answers(store, 0, ids),
            await Promise.all(filters.map(filter => walk(store, { account: 1, filter, sentSince: 0, limit: 2 }))),
          ];
          const expected = await asked(original);
          await original.close();
          const schema = `copy_${segmentMessagesMax}_${++copies}`;
          await spread(database, schema, slices);
          const { checks } = await copy(log, database, { schema });
          const { messages, ...faults } = all(checks);
          expect(faults).toEqual({ missing: 0, different: 0, alike: true });
          const store = await database.open({ schema });
          expect(await asked(store)).toEqual(expected);
          expect((await store.stats()).messages).toBe(messages);
          for (const account of accounts)
            for (const filter of [{}, ...filters])
              expect(await figures(store, account, filter)).toEqual(await figures(reference, account, filter));
        } finally {
          log.remove();
        }
      },
    );
    await fc.assert(property, { numRuns: runs(10) });
  },
);

test('broken off, then started again → goes on where it was; equal times keep their order', async () => {
  const log = emptyLog(1000);
  const original = await log.open();
  for (let i = 0; i < 6; i++)
    await record(
      original,
      start,
      Array.from({ length: 1000 }, (_, n) => submission(i * 1000 + n, { sentAt: start })),
    );
  const expected = await walk(original, { account: 1, filter: {}, sentSince: 0, limit: 1000 });
  await original.close();
  const database = await emptyDatabase();
  const first = await copy(log, database, { stepsMax: 3 });
  expect(first.sum).toMatchObject({ copied: 3000, alreadyThere: 0 });
  const second = await copy(log, database);
  expect(second.sum).toMatchObject({ copied: 3000, alreadyThere: 3000 });
  expect(all(second.checks)).toEqual(faultless(6000));
  const store = await database.open();
  expect(await walk(store, { account: 1, filter: {}, sentSince: 0, limit: 1000 })).toEqual(expected);
});

test('the account is spread in the middle → goes on, and finds what is there where it is', async () => {
  const messages = Array.from({ length: 400 }, (_, n) => submission(n, { sentAt: start + n }));
  const log = await logOf([messages.slice(0, 300), messages.slice(100)], 100);
  const database = await emptyDatabase();
  expect((await copy(log, database, { stepsMax: 2 })).sum).toMatchObject({ copied: 200 });
  await spread(database, 'sentlog', 5);
  const { sum, checks } = await copy(log, database);
  expect(sum).toMatchObject({ copied: 200, alreadyThere: 200 });
  expect(all(checks)).toEqual(faultless(400));
  const rows = await database.query('SELECT account_id, count(*)::int AS count FROM sentlog.message GROUP BY 1');
  const counts = new Map(rows.map(({ account_id: slice, count }) => [Number(slice), Number(count)]));
  expect(counts.size).toBe(5);
  expect(counts.get(1)).toBeGreaterThan(200);
});

test('log that went on after a copy → the next copy brings what came since, reports on old messages too', async () => {
  const log = await logOf([[message(1), message(2), message(3)], [report(1)]]);
  const database = await emptyDatabase();
  await copy(log, database);
  const original = await log.open();
  await record(original, start + 5, [report(1, { seenAt: start + 4 }), report(2), message(4)]);
  const expected = await answers(original, 0, ['message-1', 'message-2', 'message-4']);
  await original.close();
  const { sum, checks } = await copy(log, database);
  expect(sum).toMatchObject({ copied: 1, completed: 2, alreadyThere: 1 });
  expect(all(checks)).toEqual(faultless(4));
  const store = await database.open();
  expect(await answers(store, 0, ['message-1', 'message-2', 'message-4'])).toEqual(expected);
  expect(await store.stats()).toMatchObject({ messages: 4, reports: 3 });
});

test.skipIf(isGiven)(
  'a copy that was sealed since, and its keys folded → the next copy brings what came, and it is equal',
  async () => {
    const log = await logOf([Array.from({ length: 60 }, (_, i) => message(i)), [report(1)]]);
    const database = await emptyDatabase();
    await copy(log, database);
    const sealer = await openSealer({ server, url: database.url, schema: 'sentlog' }, new Witness());
    onTestFinished(() => sealer.close());
    expect(await sealer.seal()).toMatchObject({ messages: 60 });
    const store = await database.open();
    const changed = ['message-1'];
    for (const [i, messages] of [60, 61].entries()) {
      const original = await log.open();
      const later = report(1, { seenAt: start + 400 + i });
      await record(original, start + 500 + i, [later, report(2 + i), message(messages)]);
      changed.push(`message-${2 + i}`, `message-${messages}`);
      const expected = await answers(original, 0, changed);
      await original.close();
      const { sum, checks } = await copy(log, database);
      expect(sum).toMatchObject({ copied: 1, completed: 2, alreadyThere: messages - 2 });
      expect(all(checks)).toEqual(faultless(messages + 1));
      expect(await database.query('SELECT count(*)::integer AS rows FROM sentlog.message')).toEqual([
        { rows: 3 + 2 * i },
      ]);
      expect(await answers(store, 0, changed)).toEqual(expected);
      await sealer.seal();
      await sealer.fold();
      expect(await database.query('SELECT FROM sentlog.message_key')).toHaveLength(0);
    }
  },
);

test('target that has messages already → equal ones count, others are told and left alone', async () => {
  const log = await logOf([[message(1), message(2), message(3)]]);
  const database = await emptyDatabase();
  const store = await database.open();
  await record(store, start, [message(1), message(2, { contentJson: '{"type":"TEXT","text":"other"}' })]);
  await store.record({ account: 2, binding: {}, receivedAt: start, sentSince: 0, submissions: [message(3)] });
  const { sum, checks } = await copy(log, database);
  expect(sum).toMatchObject({ copied: 1, completed: 0, alreadyThere: 2 });
  expect(checks).toMatchObject([{ missing: 0, different: 1, examples: ['message-2'] }]);
  expect(checks[0]?.found).not.toBe(checks[0]?.expected);
  expect((await store.history(1, 'message-2', 0))?.log.contentJson).toContain('other');
  expect(await store.history(2, 'message-3', 0)).toBeDefined();
});

test('reports that came to the copy since → are no difference', async () => {
  const log = await logOf([[message(1)], [report(1)]]);
  const database = await emptyDatabase();
  await copy(log, database);
  const store = await database.open();
  await record(store, start + 9, [report(1, { seenAt: start + 8 })]);
  const { sum, checks } = await copy(log, database);
  expect(sum).toMatchObject({ copied: 0, completed: 0, alreadyThere: 1 });
  expect(all(checks)).toEqual(faultless(1));
  expect((await store.history(1, 'message-1', 0))?.timeline).toHaveLength(3);
});

test.each([
  ['message', `content = replace(content, 'number', 'numbes')`],
  ['message', 'received_at = received_at + 1'],
  ['message', 'seen_at = 5'],
  ['message', `words = '{"status":"in other words"}'`],
  ['report', 'received_at = received_at + 1'],
  ['report', `said = replace(said, '"a":', '"a":1')`],
  ['report', `state_before = replace(state_before, '"a":', '"a":1')`],
])('a %s changed in the target (%s) → its segment is told', async (table, change) => {
  const log = await logOf([[message(1), message(2)], [message(3), message(4)], [report(3)]], 2);
  const database = await emptyDatabase();
  await copy(log, database);
  const place = `(SELECT m.number FROM sentlog.message m WHERE m.message_id = 'message-3')`;
  await database.query(`UPDATE sentlog.${table} SET ${change} WHERE number = ${place}`);
  const { checks } = await copy(log, database);
  const told = checks.filter(one => one.expected !== one.found || one.different + one.missing > 0);
  expect(told).toMatchObject([{ name: '000000002.journal', missing: 0, different: 1, examples: ['message-3'] }]);
});

test('folder as a crash leaves it → copied whole', async () => {
  const log = emptyLog();
  const original = await log.open();
  await recordNumbered(original, 0, 250, start);
  const image = emptyLog();
  await crashImage(log.dataDir, image.dataDir);
  await original.close();
  const database = await emptyDatabase();
  const { checks } = await copy(image, database);
  expect(all(checks)).toEqual(faultless(250));
});

test('folder that a server holds → refused, and left alone', async () => {
  const log = emptyLog();
  const store = await log.open();
  expect(() => new FolderLog(log.dataDir)).toThrow(FolderInUse);
  await store.close();
});

test('copy from a folder → the files of the log are as they were', async () => {
  const log = await logOf([[message(1), message(2)], [message(3)], [report(1)]], 2);
  const before = filesOf(log.dataDir);
  await copy(log, await emptyDatabase());
  expect(filesOf(log.dataDir)).toEqual(before);
});

test('damaged segment → named, left out with its reports; the rest is copied', async () => {
  const log = await logOf(
    [
      [message(1), message(2)],
      [message(3), report(1), message(4)],
      [message(5), report(2)],
    ],
    2,
  );
  const path = join(log.dataDir, 'segments', '000000002.journal');
  truncateSync(path, 64);
  const folder = new FolderLog(log.dataDir);
  expect(folder.damaged.map(one => one.name)).toEqual(['000000002.journal']);
  folder.close();
  const database = await emptyDatabase();
  const { sum, checks } = await copy(log, database);
  expect(sum).toMatchObject({ copied: 3 });
  expect(all(checks)).toEqual(faultless(3));
  const store = await database.open();
  expect((await store.history(1, 'message-1', 0))?.timeline).toHaveLength(1);
  expect((await store.history(1, 'message-2', 0))?.timeline).toHaveLength(2);
});

test('segment damaged after the log was opened → the reading ends with one line that names it', async () => {
  const log = await logOf([Array.from({ length: 50 }, (_, i) => message(i))]);
  const folder = new FolderLog(log.dataDir);
  const [segment] = folder.segments;
  const path = join(log.dataDir, 'segments', '000000001.journal');
  const bytes = readFileSync(path);
  bytes[bytes.indexOf('message-20')] = 0x4d;
  writeFileSync(path, bytes);
  expect(segment?.messages).toBe(50);
  if (segment !== undefined)
    expect(() => [...folder.stretches(segment, () => 0)]).toThrow(
      /^000000001\.journal was damaged meanwhile .+: start again/,
    );
  folder.close();
});

test('messages past retention → left out; an id that came again is copied as it is now', async () => {
  const log = emptyLog(2);
  const original = await log.open();
  await record(original, start - 100_000, [message(1, { sentAt: start - 100_000 }), report(1)]);
  const again = message(1, { sender: 'other' });
  expect(await record(original, start, [again, message(2)], start - 50_000)).toMatchObject({ recorded: 2 });
  const expected = await answers(original, start - 50_000, ['message-1', 'message-2']);
  await original.close();
  const database = await emptyDatabase();
  const { sum, checks } = await copy(log, database, { sentSince: start - 50_000 });
  expect(sum).toMatchObject({ rows: 3, copied: 2 });
  expect(all(checks)).toEqual(faultless(2));
  const store = await database.open();
  expect(await answers(store, start - 50_000, ['message-1', 'message-2'])).toEqual(expected);
});

test('target where the id of a copied message is past retention → it is recorded again, as any id', async () => {
  const log = await logOf([[message(1)]]);
  const database = await emptyDatabase();
  const store = await database.open();
  await record(store, start, [message(1, { sentAt: start - 100_000, sender: 'older' })]);
  const { sum, checks } = await copy(log, database, { sentSince: start - 50_000 });
  expect(sum).toMatchObject({ copied: 1 });
  expect(all(checks)).toEqual(faultless(1));
  expect((await store.history(1, 'message-1', start - 50_000))?.log.sender).toBe('page');
});

test('accounts under other numbers → copied under those; an account without one is left out', async () => {
  const log = emptyLog();
  const original = await log.open();
  for (const account of [1, 2, 3])
    await original.record({ account, binding: {}, receivedAt: start, sentSince: 0, submissions: [message(account)] });
  await original.close();
  const database = await emptyDatabase();
  const { sum, checks } = await copy(log, database, { accountOf: id => ({ 1: 2, 2: 7 })[id] });
  expect(sum).toMatchObject({ rows: 3, copied: 2, withoutAccount: 1 });
  expect(all(checks)).toEqual(faultless(2));
  const store = await database.open();
  const found = await Promise.all(
    [1, 2, 3, 7].map(account => walk(store, { account, filter: {}, sentSince: 0, limit: 9 })),
  );
  expect(found.map(logs => logs.map(one => one.messageId))).toEqual([[], ['message-1'], [], ['message-2']]);
});

test('others record the same ids meanwhile → each is there once', async () => {
  const log = await logOf([Array.from({ length: 500 }, (_, i) => message(i))]);
  const database = await emptyDatabase();
  const store = await database.open();
  const recorded = Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      record(
        store,
        start,
        Array.from({ length: 10 }, (_, n) => message(i * 10 + n)),
      ),
    ),
  );
  const { checks } = await copy(log, database);
  await recorded;
  expect(all(checks)).toEqual(faultless(500));
  expect((await store.stats()).messages).toBe(500);
});

/** Names and bytes of the files of a log. */
function filesOf(dataDir: string): readonly (readonly [string, string])[] {
  const folder = join(dataDir, 'segments');
  return readdirSync(folder)
    .sort()
    .map(
      name =>
        [
          name,
          createHash('sha256')
            .update(readFileSync(join(folder, name)))
            .digest('hex'),
        ] as const,
    );
}
