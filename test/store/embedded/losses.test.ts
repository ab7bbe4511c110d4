import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Submission } from '../../../src/domain/message.ts';
import { type Status, statuses } from '../../../src/domain/registry.ts';
import { isDamage } from '../../../src/store/embedded/files/damage.ts';
import { type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import type { Store } from '../../../src/store/store.ts';
import { bendRows } from '../../support/bent-journal.ts';
import { crashImage } from '../../support/crash-image.ts';
import {
  accounts,
  anyDamage,
  CrashedLog,
  isComplete,
  logsOf,
  looked,
  now,
  segmentFiles,
} from '../../support/crashed-log.ts';
import { numberedIds, recordNumbered, SqliteLog, submission, until, walkIds } from '../../support/sqlite-log.ts';
import { SimulatedLog } from './simulated-log.ts';

const crashed = new CrashedLog();
const merged = new CrashedLog({ youngestLeft: 0, blockRows: 64 });
beforeAll(() => Promise.all([crashed.write(), merged.write()]));
afterAll(() => {
  crashed.remove();
  merged.remove();
});

test('anything done to any file of a log → it starts, serves the rest as it was, and tells of what it lacks', async () => {
  await fc.assert(
    fc.asyncProperty(anyDamage, fc.nat(), (damage, number) => {
      const file = crashed.files[number % crashed.files.length] ?? '';
      return crashed.damaged(damage, [file], log => crashed.servesAndTells(log));
    }),
    { numRuns: 4, endOnFailure: true },
  );
});

const kindsOfFile = ['.index', '.journal', 'log.json', 'ledger', 'ledger.copy'];

// `test/long/losses.test.ts` tries each file alone, with each damage at each place.
test.each(
  kindsOfFile.flatMap(kind =>
    [
      { kind, what: 'zeroed', at: 1, bytes: 20_000 },
      { kind, what: 'flipped', at: 0.5, bytes: 3 },
      { kind, what: 'cut', at: 0.5, bytes: 0 },
    ].filter(({ what }) => what === 'zeroed' || kind === '.index' || kind === '.journal'),
  ),
)('every file *$kind $what at $at → the rest is served, and what is lacking told', ({ kind, ...damage }) =>
  crashed.damaged(
    damage,
    crashed.files.filter(file => file.endsWith(kind)),
    log => crashed.servesAndTells(log),
  ),
);

test.each([
  { what: 'zeroed', at: 1, bytes: 20_000 },
  { what: 'flipped', at: 0.5, bytes: 3 },
  { what: 'cut', at: 0.5, bytes: 0 },
  { what: 'deleted', at: 0, bytes: 0 },
])('every volume $what at $at → the rest is served, and what is lacking told', damage =>
  merged.damaged(
    damage,
    merged.files.filter(file => file.endsWith('.volume')),
    log => merged.servesAndTells(log),
  ),
);

test.each([
  // A flipped bit costs its row at most, however much of the journal comes after it.
  { damage: { what: 'flipped', at: 0.1, bytes: 3 }, lostMax: 1 },
  { damage: { what: 'flipped', at: 0, bytes: 3 }, lostMax: 0 },
  { damage: { what: 'zeroed', at: 0.3, bytes: 3 }, lostMax: 60 },
  { damage: { what: 'cut', at: 0.99, bytes: 3 }, lostMax: 60 },
  { damage: { what: 'emptied', at: 0, bytes: 0 }, lostMax: 100 },
  { damage: { what: 'deleted', at: 0, bytes: 0 }, lostMax: 100 },
])(
  'the journal of the young segment $damage.what at $damage.at → the rest is brought back',
  async ({ damage, lostMax }) => {
    const young = crashed.files.filter(file => file.endsWith('.journal')).slice(-1);
    await crashed.damaged(damage, young, async log => {
      await looked(log, async store => {
        let missing = 0;
        for (const account of accounts)
          missing += crashed.differing(account, await logsOf(store, account)).missing.length;
        expect(missing).toBeLessThanOrEqual(lostMax);
        const { messages, damaged } = await store.stats();
        expect(messages).toBe(crashed.messages - missing);
        if (missing > 0) expect(damaged[0]?.reason).toContain(`${missing} of its `);
      });
    });
  },
);

test.each([
  ['rows file', ['.journal']],
  ['rows file and index', ['.journal', '.index']],
])('%s of a sealed segment missing → told, with how much it was', async (_, suffixes) => {
  await crashed.copied(async log => {
    for (const suffix of suffixes) rmSync(join(log.dataDir, 'segments', `000000002${suffix}`));
    for (let run = 0; run < 2; run++)
      await looked(log, async store => {
        expect((await store.stats()).damaged).toMatchObject([
          { name: '000000002.journal', reason: expect.stringContaining('100 of its 100 messages') },
        ]);
        expect(await isComplete(store, 1)).toBe(false);
      });
    // Nothing of it is inside retention any more: there is nothing to tell.
    const store = await log.open();
    await store.dropBefore(now + 60_000);
    expect((await store.stats()).damaged).toEqual([]);
    await store.close();
  });
});

const pathOf = (log: SqliteLog, name: string) => join(log.dataDir, 'segments', name);

test('a row that does not verify, in a sealed segment and in the young one → costs that row alone', async () => {
  await crashed.copied(async log => {
    const bent = segmentFiles(log).filter(name => name.endsWith('.journal'));
    for (const name of bent) bendRows(pathOf(log, name), 'flipped', 'message', 7);
    await looked(log, async store => {
      const lost = [];
      for (const account of accounts) {
        const { missing, strange } = crashed.differing(account, await logsOf(store, account));
        expect(strange).toEqual([]);
        lost.push(...missing);
      }
      expect(lost).toHaveLength(bent.length);
      expect((await store.stats()).damaged.map(part => part.reason)).toEqual(
        bent.map(() => expect.stringMatching(/^1 of its \d+ messages and 0 of its \d+ reports/)),
      );
    });
  });
});

/** Its last group cannot be told from one that was cut short while it was written, but by what was answered. */
test('a row of the last group of the segment that takes rows does not verify, found by a page or after a kill → costs that row alone', async () => {
  const [live, killed] = [new SqliteLog(), new SqliteLog()];
  onTestFinished(() => live.remove());
  onTestFinished(() => killed.remove());
  const store = await live.open();
  onTestFinished(() => store.close());
  await recordNumbered(store, 0, 30, now);
  await recordNumbered(store, 30, 99, now);
  await crashImage(live.dataDir, killed.dataDir);
  const unfinished = ['journal.mended', 'journal.mended.tmp', 'index.mended', 'journal.mended.disowned'];
  for (const end of unfinished) writeFileSync(pathOf(killed, `000000001.${end}`), '');
  const again = () => killed.open();
  for (const [log, open] of [
    [killed, again],
    [live, async () => store],
  ] as const) {
    bendRows(pathOf(log, '000000001.journal'), 'flipped', 'message', 40);
    const bent = await open();
    onTestFinished(() => bent.close());
    expect(await walkIds(bent)).toEqual(numberedIds(0, 99).filter(id => id !== 'message-40'));
    const reason = expect.stringMatching(/^1 of its 99 messages and 0 of its 0 reports/);
    expect((await bent.stats()).damaged).toMatchObject([{ name: '000000001.journal', reason }]);
    expect(segmentFiles(log).filter(name => name.includes('mended'))).toEqual([]);
  }
});

test('a message joins more reports than a segment takes → memory tells where they stand, and no file is read to its end', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'sentlog-losses-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true }));
  let scans = 0;
  const disk: Disk = {
    ...systemDisk,
    read(file, into, position) {
      if (position === 0 && into.byteLength > 1000) scans++;
      return systemDisk.read(file, into, position);
    },
  };
  const log = new SimulatedLog(dataDir, disk, 1);
  onTestFinished(() => log.close());
  const batch = { account: 1, binding: {}, receivedAt: now, sentSince: 0 };
  const reports = Array.from({ length: 9 }, (_, i) => ({
    messageId: 'message-1',
    status: statusById(i % 2 > 0 ? 5 : 7),
    doneAt: now + i,
  }));
  log.record({ ...batch, submissions: reports });
  log.record({ ...batch, submissions: [submission(1, { sentAt: now })] });
  scans = 0;
  expect(log.logs(1)[0]?.status.name).toBe('DELIVERED_TO_HANDSET');
  expect(scans).toBe(0);
});

test('a segment cannot be made anew → nothing of what was made of it is left, and all of another is', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'sentlog-losses-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true }));
  const folder = new Folder(dataDir);
  const failing = () => {
    for (const path of [folder.journal(1), folder.index(1), folder.journal(2)]) writeFileSync(`${path}.mended`, '');
    throw new Error('the disk is full');
  };
  expect(() => folder.mending(1, failing)).toThrow('the disk is full');
  expect(systemDisk.list(folder.path)).toEqual(['000000002.journal.mended']);
  folder.removeOrphans();
  expect(systemDisk.list(folder.path)).toEqual([]);
});

test('the sealer finds the last group damaged of a segment that it seals → nothing of it is cut off', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'sentlog-losses-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true }));
  const log = new SimulatedLog(dataDir, systemDisk);
  onTestFinished(() => log.close());
  const batch = { account: 1, binding: {}, receivedAt: now, sentSince: 0 };
  for (const numbers of [[1, 2, 3], [4, 5, 6], [7]])
    log.record({ ...batch, submissions: numbers.map(number => submission(number, { sentAt: now })) });
  const path = join(dataDir, 'segments', '000000001.journal');
  bendRows(path, 'flipped', 'message', 4);
  const bent = readFileSync(path);
  expect(() => log.seal()).toThrow(expect.toSatisfy(isDamage));
  expect(readFileSync(path).equals(bent)).toBe(true);
});

test.each([
  ['message', 7, /^1 of its 100 messages and 0 of its/],
  ['report', undefined, /^0 of its 100 messages and (\d+) of its \1 reports/],
] as const)(
  'a sealed segment in which a %s cannot be found → told by the first that looks for it',
  async (kind, number, told) => {
    await crashed.copied(async log => {
      bendRows(pathOf(log, '000000002.journal'), 'zeroed', kind, number);
      await looked(log, async store => {
        expect((await store.stats()).damaged).toMatchObject([
          { name: '000000002.journal', reason: expect.stringMatching(told) },
        ]);
      });
    });
  },
);

test('the newest report on a message is lost while the server runs → the message is as the report before it left it', async () => {
  const log = new SqliteLog({ segmentMessagesMax: 2 });
  onTestFinished(() => log.remove());
  const report = (store: Store, status: number, doneAt: number) =>
    store.record({ ...batch, submissions: [{ messageId: 'message-1', status: statusById(status), doneAt }] });
  const batch = { account: 1, binding: {}, receivedAt: now, sentSince: 0 };
  const messages = (store: Store, ...numbers: number[]) =>
    store.record({ ...batch, submissions: numbers.map(number => submission(number, { sentAt: now })) });
  const shown = async (store: Store) => (await logsOf(store, 1)).get('message-1')?.status.name;
  let store = await log.open();
  await messages(store, 1, 2);
  await report(store, 7, now + 1);
  await messages(store, 3, 4);
  await report(store, 5, now + 2);
  await messages(store, 5, 6);
  await messages(store, 7);
  await until(() => segmentFiles(log).filter(name => name.endsWith('.index')).length === 3);
  expect(await shown(store)).toBe('DELIVERED_TO_HANDSET');
  await store.close();
  bendRows(pathOf(log, '000000003.journal'), 'flipped', 'report');
  for (let run = 0; run < 2; run++) {
    store = await log.open();
    expect(await shown(store)).toBe('PENDING_ENROUTE');
    expect((await store.history(1, 'message-1', 0))?.timeline).toHaveLength(2);
    const pending = await store.find({
      account: 1,
      filter: { generalStatus: 'PENDING' },
      sentSince: 0,
      limit: 9,
      walk: false,
    });
    expect(pending.logs.map(one => one.messageId)).toContain('message-1');
    await store.close();
  }
});

test('a report is lost, and the segment with the one before it is damaged too → both are seen to', async () => {
  const log = new SqliteLog({ segmentMessagesMax: 2 });
  onTestFinished(() => log.remove());
  const batch = { account: 1, binding: {}, receivedAt: now, sentSince: 0 };
  const record = (store: Store, submissions: Submission[]) => store.record({ ...batch, submissions });
  const messages = (...numbers: number[]) => numbers.map(number => submission(number, { sentAt: now }));
  const report = (status: number, doneAt: number) => ({ messageId: 'message-1', status: statusById(status), doneAt });
  const store = await log.open();
  onTestFinished(() => store.close());
  await record(store, messages(1, 2));
  await record(store, [report(7, now + 1), ...messages(3, 4)]);
  await record(store, [report(5, now + 2), ...messages(5, 6)]);
  await record(store, messages(7));
  await until(() => segmentFiles(log).filter(name => name.endsWith('.index')).length === 3);
  bendRows(pathOf(log, '000000003.journal'), 'flipped', 'report');
  truncateSync(join(log.dataDir, 'segments', '000000002.index'), 50);
  await store.history(1, 'message-1', 0);
  // Of the other, its index alone where whoever makes sets of ids comes upon it first, or that and all of it.
  await until(() => log.witness.notes.filter(note => note.includes('made again')).length >= 2);
  const history = await store.history(1, 'message-1', 0);
  expect(history?.log.status.name).toBe('PENDING_ENROUTE');
  expect(history?.timeline).toHaveLength(2);
});

function statusById(id: number): Status {
  const status = statuses.find(one => one.id === id);
  if (status === undefined) throw new Error(`no status ${id}`);
  return status;
}
