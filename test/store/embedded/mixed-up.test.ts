import { cpSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Ledger } from '../../../src/store/embedded/files/ledger.ts';
import type { Store } from '../../../src/store/store.ts';
import { accounts, CrashedLog, looked, now } from '../../support/crashed-log.ts';
import { recordNumbered, SqliteLog, until, walkIds } from '../../support/sqlite-log.ts';

const crashed = new CrashedLog();
const merged = new CrashedLog({ youngestLeft: 0, blockRows: 64 });
beforeAll(() => Promise.all([crashed.write(), merged.write()]));
afterAll(() => {
  crashed.remove();
  merged.remove();
});

const file = (log: SqliteLog, segment: number, suffix: string) =>
  join(log.dataDir, 'segments', `00000000${segment}${suffix}`);

function swap(a: string, b: string): void {
  renameSync(a, `${a}.swapped`);
  renameSync(b, a);
  renameSync(`${a}.swapped`, b);
}

/** Opened twice: everything is as it was answered, and nothing is told any more. */
async function expectWhole(of: CrashedLog, log: SqliteLog): Promise<void> {
  for (let run = 0; run < 2; run++)
    await looked(log, async store => {
      for (const account of accounts) expect(of.differing(account, await logsNow(store, account))).toEqual(nothing);
      if (run > 0) expect((await store.stats()).damaged).toEqual([]);
    });
}

const nothing = { missing: [], older: [], strange: [] };

async function logsNow(store: Store, account: number) {
  const { logs, next } = await store.find({ account, filter: {}, sentSince: 0, limit: 1000, walk: true });
  expect(next).toBeUndefined();
  expect(new Set(logs.map(one => one.messageId)).size).toBe(logs.length);
  return new Map(logs.map(log => [log.messageId, log]));
}

const kinds = [
  { suffixes: ['.journal'], of: crashed },
  { suffixes: ['.journal', '.index', '.facets'], of: crashed },
  { suffixes: ['.volume', '.index', '.facets'], of: merged },
];

test.each(kinds)('$suffixes of two segments swapped → everything is served as it was', ({ suffixes, of }) =>
  of.copied(log => {
    for (const suffix of suffixes) swap(file(log, 2, suffix), file(log, 3, suffix));
    return expectWhole(of, log);
  }),
);

test.each(kinds)(
  '$suffixes of one segment in the place of another’s → what is lost is told, and the rest serves',
  ({ suffixes, of }) =>
    of.copied(log => {
      for (const suffix of suffixes) cpSync(file(log, 3, suffix), file(log, 2, suffix));
      return of.servesAndTells(log);
    }),
);

/** Two sealed segments of two messages and a young one; those of another log were sent at other times. */
async function smallLog(sentAt: number): Promise<SqliteLog> {
  const log = new SqliteLog({ segmentMessagesMax: 2 });
  onTestFinished(() => log.remove());
  const store = await log.open();
  await recordNumbered(store, 0, 5, sentAt);
  await until(async () => (await store.stats()).segments === 3);
  await store.close();
  return log;
}

test('a segment of another log in the place of its own → what was answered is told as lost, and the rest serves', async () => {
  const [log, other] = [await smallLog(now), await smallLog(now - 60_000)];
  for (const suffix of ['.journal', '.index', '.facets'])
    cpSync(file(other, 2, suffix), file(log, 2, suffix), { force: true });
  for (let run = 0; run < 2; run++)
    await looked(log, async store => {
      expect((await walkIds(store)).sort()).toEqual(['message-0', 'message-1', 'message-4']);
      expect((await store.stats()).damaged).toMatchObject([{ reason: expect.stringContaining('2 of its 2 messages') }]);
    });
});

test('the ledger of another log beside its own copy → counts for nothing', async () => {
  const [log, other] = [await smallLog(now), await smallLog(now - 60_000)];
  const foreign = new Ledger(other.dataDir);
  for (const holding of foreign.all()) foreign.set({ ...holding, messages: 1000, firstSequence: 500 });
  foreign.close();
  await looked(other, async () => {});
  cpSync(join(other.dataDir, 'ledger'), join(log.dataDir, 'ledger'));
  await looked(log, async store => {
    expect(await walkIds(store)).toHaveLength(5);
    expect((await store.stats()).damaged).toEqual([]);
  });
});

test.each([
  ['another segment', 2, false],
  ['another log', 1, true],
])(
  'an index of %s in the place of one that a server has not opened yet → it is made again, and all is found',
  async (_, segment, isOthers) => {
    const own = await smallLog(now);
    const store = await own.open();
    const other = isOthers ? await smallLog(now) : own;
    cpSync(file(other, segment, '.index'), file(own, 1, '.index'));
    const found = async (messageId: string) => {
      const filter = { messageId: [messageId] };
      const { logs } = await store.find({ account: 1, filter, sentSince: 0, limit: 10, walk: false });
      return logs.map(log => log.messageId);
    };
    for (const id of await walkIds(store)) expect(await found(id)).toEqual([id]);
    expect(await walkIds(store)).toHaveLength(5);
    await store.close();
  },
);
