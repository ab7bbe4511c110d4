import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { BreakdownField } from '../../../src/domain/breakdown.ts';
import type { Filter } from '../../../src/domain/filter.ts';
import type { AccountId, EpochMs } from '../../../src/domain/message.ts';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { ReadSegments } from '../../../src/store/embedded/search/read-segments.ts';
import { RowsFile } from '../../../src/store/embedded/segment/rows-file.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { SqliteLog, submission } from '../../support/sqlite-log.ts';
import { anyFilter, anySubmission } from '../conformance/model.ts';
import { SimulatedLog, summaryQuery } from './simulated-log.ts';

const now: EpochMs = 1_700_000_010_000;
const accounts: readonly AccountId[] = [1, 2];

/** More ids than the model has, and prices of messages that count as several. */
const anyOf = fc
  .tuple(anySubmission, fc.nat(5), fc.option(fc.constantFrom(0.15, 12.345678)), fc.integer({ min: 1, max: 3 }))
  .map(([{ messageId, ...rest }, round, price, messageCount]) => ({
    ...rest,
    messageId: `${messageId}-${round}`,
    ...(rest.sender !== undefined && { messageCount }),
    ...(price !== null && { price: { pricePerMessage: price, currency: 'EUR' } }),
  }));
const anyBatch = fc.array(anyOf, { minLength: 1, maxLength: 10 });

/** A log of some segments with facets, and the reference store with the same. */
async function filled(batches: { readonly seed: number; readonly numRuns: number }) {
  const folder = new SqliteLog();
  onTestFinished(() => folder.remove());
  writeFileSync(join(folder.dataDir, 'reserve'), '');
  const log = new SimulatedLog(folder.dataDir, systemDisk);
  onTestFinished(() => log.close());
  const reference = new MemoryStore();
  for (const [i, submissions] of fc.sample(anyBatch, batches).entries()) {
    const batch = { account: accounts[i % 2] ?? 1, binding: {}, receivedAt: now, sentSince: 0, submissions };
    log.record(batch);
    await reference.record(batch);
    // The youngest segments have no files: what they hold is learnt, a part by each summary.
    if (i < 30) log.seal();
    if (i % 7 === 0) log.summary(1, now, { sender: 's' });
  }
  return { folder, log, reference };
}

const kinds: readonly Filter[] = [
  { sender: 's' },
  { sender: 'nobody' },
  { campaignReferenceId: ['k', 'l'] },
  { not: { campaignReferenceId: ['k'] } },
  { generalStatus: ['DELIVERED', 'EXPIRED'] },
  { bulkId: ['b'], not: { generalStatus: ['PENDING'] } },
  { entityId: 'e', applicationId: 'a' },
  { errorId: ['0'] },
];

const divisions: readonly (readonly BreakdownField[])[] = [
  ['sender'],
  ['error', 'campaignReferenceId'],
  ['applicationId', 'error'],
  ['entityId', 'sender'],
];

test('a summary by any filter, over sealed segments and those that take rows → what the reference store counts', async () => {
  const { log, reference } = await filled({ seed: 14, numRuns: 40 });
  log.makeFacets();
  const filters = [...kinds, ...fc.sample(anyFilter, { seed: 14, numRuns: 60 })];
  for (const filter of filters)
    for (const account of accounts)
      expect(log.summary(account, now, filter), JSON.stringify(filter)).toEqual(
        await reference.summarize(summaryQuery(account, now, filter)),
      );
  for (const [i, filter] of [{}, ...filters].entries()) {
    const by = divisions[i % divisions.length];
    if (by === undefined) throw new RangeError('no fields');
    const expected = await reference.summarize(summaryQuery(1, now, filter, by));
    expect(log.summary(1, now, filter, { by }), `${JSON.stringify(filter)} by ${by.join()}`).toEqual(expected);
  }
});

test('a filter that facets tell → of sealed segments no rows are read, whatever reports came on the messages', async () => {
  const { log, reference } = await filled({ seed: 15, numRuns: 40 });
  log.seal();
  log.makeFacets();
  log.reopenForReading();
  for (const filter of kinds)
    for (const account of accounts)
      expect(log.summary(account, now, filter)).toEqual(await reference.summarize(summaryQuery(account, now, filter)));
  for (const by of divisions)
    expect(log.summary(1, now, {}, { by })).toEqual(await reference.summarize(summaryQuery(1, now, {}, by)));
  expect([...log.rowsOpened].filter(id => log.isSealed(id))).toEqual([]);
  expect(log.summary(1, now, { sender: 's' }).total).toBeGreaterThan(9);
});

test('a byte of facets is flipped → the rows tell, and the facets are gone', async () => {
  const { folder, log, reference } = await filled({ seed: 16, numRuns: 40 });
  log.makeFacets();
  const segments = join(folder.dataDir, 'segments');
  const names = readdirSync(segments).filter(name => name.endsWith('.facets'));
  expect(names.length).toBeGreaterThan(3);
  for (const [i, name] of names.entries()) {
    const bytes = readFileSync(join(segments, name));
    const at = Math.floor((bytes.byteLength * (i + 0.5)) / names.length);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 0x10, at);
    writeFileSync(join(segments, name), bytes);
  }
  for (const filter of kinds)
    for (const account of accounts)
      expect(log.summary(account, now, filter)).toEqual(await reference.summarize(summaryQuery(account, now, filter)));
  expect(readdirSync(segments).filter(name => name.endsWith('.facets')).length).toBeLessThan(names.length);
});

/** A log with segments of many messages, and one call that records some of an account with a sender. */
function largeLog(messagesMax = 1000) {
  const folder = new SqliteLog();
  onTestFinished(() => folder.remove());
  writeFileSync(join(folder.dataDir, 'reserve'), '');
  const log = new SimulatedLog(folder.dataDir, systemDisk, messagesMax);
  onTestFinished(() => log.close());
  let number = 0;
  const record = (account: AccountId, count: number, sender = 'else', sentAt = now, apartMs = 0) => {
    const submissions = Array.from({ length: count }, (_, i) =>
      submission(number++, { sender, sentAt: sentAt + i * apartMs }),
    );
    log.record({ account, binding: {}, receivedAt: now, sentSince: 0, submissions });
  };
  return { log, record };
}

/** How many rows are read from now on. */
function watchedRows(): () => number {
  const { prototype } = RowsFile;
  const spies = [
    vi.spyOn(prototype, 'messages'),
    vi.spyOn(prototype, 'messagesFrom'),
    vi.spyOn(prototype, 'states'),
    vi.spyOn(prototype, 'reportsFrom'),
  ];
  onTestFinished(() => {
    for (const spy of spies) spy.mockRestore();
  });
  const read = () => spies.flatMap(({ mock }) => mock.results.flatMap(({ value }) => value)).length;
  const before = read();
  return () => read() - before;
}

test.each([490, 980])(
  'an account with a fiftieth of a segment, the rest of which is of another → its own rows are read, of the other %i none',
  others => {
    const { log, record } = largeLog();
    record(2, others - 400);
    log.summary(2, now + 1, { sender: 'else' });
    record(2, 400);
    record(1, 16);
    record(1, 4, 's');
    const rows = watchedRows();
    expect(log.summary(1, now + 1, { sender: 's' }).total).toBe(4);
    expect(rows()).toBe(4);
  },
);

test('a segment is sealed, and has no file of facets yet → what a reader had learnt of it makes nobody read rows of others', () => {
  const { log, record } = largeLog();
  record(2, 300);
  log.summary(2, now + 1, { sender: 'else' });
  record(1, 16);
  record(1, 4, 's');
  record(2, 680);
  record(2, 1);
  log.seal();
  const rows = watchedRows();
  expect(log.summary(1, now + 1, { sender: 's' }).total).toBe(4);
  expect(rows()).toBe(4);
});

const dayMs = 24 * 3_600_000;

test('a time that is before what the youngest segment holds → no row of that is learnt', () => {
  const { log, record } = largeLog(100);
  record(1, 95, 'else', now - dayMs);
  record(1, 5, 's', now - dayMs);
  record(1, 90, 's');
  log.seal();
  const rows = watchedRows();
  expect(log.summary(1, now + 1, { sender: 's', sentUntil: now - dayMs / 2 }).total).toBe(5);
  expect(rows()).toBe(5);
});

test('few messages of many may match → their rows alone are read; many → all are learnt, and later none is read', () => {
  const { log, record } = largeLog();
  record(1, 596);
  record(1, 4, 's');
  const few = watchedRows();
  expect(log.summary(1, now + 1, { sender: 's' }).total).toBe(4);
  expect(few()).toBe(4);
  expect(log.summary(1, now + 1, { sender: 'else' }).total).toBe(596);
  expect(few()).toBe(4 + 600);
  expect(log.summary(1, now + 1, { sender: 's' }).total).toBe(4);
  expect(few()).toBe(4 + 600);
});

test('few messages of sealed segments match → their rows alone are read, and no facets; many → no rows', () => {
  const { log, record } = largeLog();
  for (let segment = 0; segment < 3; segment++) {
    record(1, 999);
    record(1, 1, 's');
  }
  record(1, 1);
  log.seal();
  log.makeFacets();
  log.reopenForReading();
  const facets = vi.spyOn(ReadSegments.prototype, 'withFacets');
  onTestFinished(() => facets.mockRestore());
  const rows = watchedRows();
  const total = (sender: string) => log.summary(1, now + 1, { sender }).total;
  expect([total('s'), total('nobody'), total('s')]).toEqual([3, 0, 3]);
  expect([rows(), facets.mock.calls.length]).toEqual([6, 0]);
  expect(total('else')).toBe(2998);
  expect(rows()).toBe(7);
});

test('there is no time to learn all that there is → the newest buckets are told, and the next summaries learn the rest', () => {
  const { log, record } = largeLog(5000);
  record(1, 4000, 'else', now - dayMs, dayMs / 4000);
  // A clock that runs by the rows that are read.
  const time = () => ({ budgetMs: 4000, clock: watchedRows() });
  const first = log.summary(1, now + 1, { sender: 'else' }, time());
  expect(first.complete).toBe(false);
  expect(first.buckets.slice(1).every(({ groups }) => groups.PENDING > 0)).toBe(true);
  expect(first.buckets.length).toBeGreaterThan(3);
  const summaries = [1, 2].map(() => log.summary(1, now + 1, { sender: 'else' }, time()));
  expect(summaries.at(-1)).toMatchObject({ complete: true, total: 4000 });
});

test('segments are learnt, sealed and given files → of those that wait for one, the last alone keeps what was learnt', () => {
  const { log, record } = largeLog(10);
  for (let segment = 1; segment <= 4; segment++) {
    record(1, 9);
    log.summary(1, now + 1, { sender: 'else' });
    record(1, 1);
    if (segment === 2) expect(log.learnt).toEqual([1, 2]);
    if (segment > 2) log.seal();
  }
  record(1, 1);
  log.seal();
  expect(log.learnt).toEqual([4]);
  expect(log.summary(1, now + 1, { sender: 'else' }).total).toBe(41);
  expect(log.learnt).toEqual([4, 5]);
  log.makeFacets();
  expect(log.learnt).toEqual([5]);
  const rows = watchedRows();
  expect(log.summary(1, now + 1, { sender: 'else' }).total).toBe(41);
  expect(rows()).toBe(0);
});
