import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { BreakdownField } from '../../../src/domain/breakdown.ts';
import { classOf } from '../../../src/domain/delivery-time.ts';
import type { Filter } from '../../../src/domain/filter.ts';
import type { AccountId, EpochMs } from '../../../src/domain/message.ts';
import { deliveryErrors, statuses } from '../../../src/domain/registry.ts';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { JournalRows } from '../../../src/store/embedded/rows/journal-rows.ts';
import { ReadSegments } from '../../../src/store/embedded/search/read-segments.ts';
import { facetFields } from '../../../src/store/embedded/segment/facet-columns.ts';
import type { FacetOutcome } from '../../../src/store/embedded/segment/facets.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { SqliteLog, submission } from '../../support/sqlite-log.ts';
import { anyFilter, anySubmission } from '../conformance/model.ts';
import { SimulatedLog, summaryQuery, takeReserve } from './simulated-log.ts';

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

type Filling = { readonly seed: number; readonly numRuns: number; readonly withFacets?: boolean };

/** A log of some segments with facets, and the reference store with the same. */
async function filled({ withFacets = false, ...batches }: Filling) {
  const folder = new SqliteLog();
  onTestFinished(() => folder.remove());
  takeReserve(folder.dataDir);
  const log = new SimulatedLog(folder.dataDir, systemDisk);
  onTestFinished(() => log.close());
  const reference = new MemoryStore();
  for (const [i, submissions] of fc.sample(anyBatch, batches).entries()) {
    const batch = { account: accounts[i % 2] ?? 1, binding: {}, receivedAt: now, sentSince: 0, submissions };
    log.record(batch);
    await reference.record(batch);
    // The youngest segments have no files: the writer tells what their numbers mean, a part before each summary.
    if (i < 30) log.seal(withFacets);
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

test('logs by an error, over segments with facets and without → those of the reference store', async () => {
  const { log, reference } = await filled({ seed: 17, numRuns: 40 });
  log.makeFacets();
  const errors = ['NO_ERROR', 'EC_ABSENT_SUBSCRIBER', 'ONE_TO_COME'];
  let found = 0;
  for (const account of accounts)
    for (const filter of [
      ...errors.map(errorName => ({ errorName })),
      { errorId: ['777', '0'] },
      { errorName: errors, not: { errorId: ['0'] } },
      { errorId: ['0'], generalStatus: ['DELIVERED'], sender: 's' },
    ]) {
      const expected = await reference.find({ account, filter, sentSince: 0, limit: 1000, walk: false });
      expect(log.logs(account, filter), JSON.stringify(filter)).toEqual(expected.logs);
      found += expected.logs.length;
    }
  expect(found).toBeGreaterThan(50);
});

test('few of many messages failed by an error, as recorded or as reported → their rows alone are read', () => {
  const { log, record } = largeLog(500);
  const [error] = deliveryErrors.slice(-1);
  if (error === undefined) throw new RangeError('no errors');
  const [status] = statuses.filter(one => one.groupName === 'UNDELIVERABLE');
  if (status === undefined) throw new RangeError('no status');
  record(1, 499);
  log.record({
    account: 1,
    binding: {},
    receivedAt: now,
    sentSince: 0,
    submissions: [submission(99_999, { sentAt: now, error })],
  });
  record(1, 500);
  const report = { messageId: submission(700).messageId, status, error, at: now };
  log.record({ account: 1, binding: {}, receivedAt: now, sentSince: 0, submissions: [report] });
  record(1, 1);
  log.seal();
  log.makeFacets();
  const rows = watchedRows();
  expect(log.logs(1, { errorName: error.name })).toHaveLength(2);
  // Two messages, the report on one of them, and the one that is in no sealed segment.
  expect(rows()).toBeLessThanOrEqual(4);
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
  takeReserve(folder.dataDir);
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
  const { prototype } = JournalRows;
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

test('an account with less than a fiftieth of a segment, the rest of which is of another → its own rows are read', () => {
  const { log, record } = largeLog();
  record(2, 981);
  record(1, 15);
  record(1, 4, 's');
  const rows = watchedRows();
  expect(log.summary(1, now + 1, { sender: 's' }).total).toBe(4);
  expect(rows()).toBe(4);
});

test('a segment is sealed, and its facets could not be written → the rows tell, and none of others is read', () => {
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

test('a segment takes rows → few that may match are read, of many none, however many came since the last summary', () => {
  const { log, record } = largeLog(5000);
  record(1, 1196);
  record(1, 1, 's');
  const rows = watchedRows();
  const total = (sender: string) => log.summary(1, now + 1, { sender }).total;
  expect([total('s'), rows()]).toEqual([1, 1]);
  expect([total('else'), rows()]).toEqual([1196, 1]);
  record(1, 900);
  record(1, 100, 'new');
  expect([total('else'), total('new'), rows()]).toEqual([2096, 100, 1]);
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
  expect(rows()).toBe(6);
});

test('facets of a segment as the writer had them → those that are made of its rows', async () => {
  const told = await filled({ seed: 17, numRuns: 40, withFacets: true });
  const made = await filled({ seed: 17, numRuns: 40 });
  made.log.makeFacets();
  const numbers = ['outcome', 'messageCount', ...facetFields] as const;
  const meant = (log: SimulatedLog, segmentId: number) =>
    log.facets(segmentId, facets => {
      const { meanings } = facets;
      const delays = (outcome: FacetOutcome | undefined) =>
        outcome?.with(3, outcome[3] === null ? null : classOf(outcome[3]));
      const states = (name: 'outcome' | 'reportOutcome') =>
        Array.from(facets.codes(name), code => delays(meanings.outcome[code - 1]));
      return {
        owners: accounts.map(account => {
          const owners = facets.owners(account);
          return owners && Array.from(facets.codes('outcome'), (_, at) => owners.codes?.[at] === owners.own);
        }),
        reports: states('reportOutcome'),
        messages: numbers.map(name => {
          if (name === 'outcome') return states(name);
          const codes = Array.from(facets.codes(name));
          return name === 'messageCount' ? codes : codes.map(code => meanings.fields[name]?.[code - 1]);
        }),
      };
    });
  const names = readdirSync(join(told.folder.dataDir, 'segments')).filter(name => name.endsWith('.facets'));
  const segmentIds = names.map(name => Number.parseInt(name, 10));
  expect(segmentIds.length).toBeGreaterThan(5);
  for (const id of segmentIds) expect(meant(told.log, id)).toEqual(meant(made.log, id));
});
