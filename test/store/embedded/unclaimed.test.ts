import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { LogFile, namesAccounts, seedOf } from '../../../src/store/embedded/log/log-file.ts';
import { accountsHeldIn } from '../../../src/store/embedded/offline/held-accounts.ts';
import { type Beside, refuseUnproven } from '../../../src/store/embedded/offline/unclaimed.ts';
import { JournalRows } from '../../../src/store/embedded/rows/journal-rows.ts';
import { changeLogFields } from '../../support/log-json.ts';
import { submission } from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { SimulatedLog } from './simulated-log.ts';

const now = 1_700_000_000_000;
const segments = 6;
const lateAccounts = 3;
const receivedAt = (segment: number) => now + segment * limits.clockLeapMs * 2;

/**
 * A log of full segments: one account has messages in all, and in each others have their first, which all have in those
 * that follow, too, the first of them sent last. The last segment has no index.
 */
function logOfAccounts(): { readonly dataDir: string; readonly firstIn: ReadonlyMap<number, number> } {
  const dataDir = temporaryFolder();
  const log = new SimulatedLog(dataDir, systemDisk, lateAccounts * segments + 1);
  const firstIn = new Map([[1, 0]]);
  let count = 0;
  for (let segment = 0; segment < segments; segment++) {
    const late = Array.from({ length: lateAccounts }, (_, i) => 100 + segment * lateAccounts + i);
    for (const account of late) firstIn.set(account, segment);
    const accounts = [...firstIn.keys()];
    for (let i = 0; i < lateAccounts * segments + 1; i++) {
      const submissions = [submission(count++, { sentAt: now - i })];
      const account = accounts[i % accounts.length] ?? 1;
      log.record({ account, binding: {}, receivedAt: receivedAt(segment), sentSince: 0, submissions });
    }
    if (segment < segments - 1) log.seal();
  }
  log.close();
  return { dataDir, firstIn };
}

const made = (firstIn: ReadonlyMap<number, number>, late?: number) =>
  Array.from(firstIn, ([id, segment]) => ({
    id,
    createdAt: receivedAt(segment) + (id === late ? limits.clockLeapMs + 1 : 0),
  }));

test('accounts beside a log that names none → one row is read of each, whichever segment has its first, and each counts', () => {
  const { dataDir, firstIn } = logOfAccounts();
  const seed = seedOf(dataDir);
  const refuse = (beside: Beside) => refuseUnproven(new Folder(dataDir), beside);
  const some = vi.spyOn(JournalRows.prototype, 'messages');
  onTestFinished(() => {
    vi.restoreAllMocks();
  });
  refuse({ made: made(firstIn), notedSeed: seed });
  expect(some.mock.calls).toHaveLength(segments);
  expect(some.mock.calls.flatMap(([ordinals]) => ordinals)).toHaveLength(firstIn.size);
  for (const id of firstIn.keys())
    expect(() => refuse({ made: made(firstIn, id), notedSeed: seed }), `account ${id}`).toThrow('is not of this log');
});

test('accounts older than the log that have its ids → its own if they noted its seed; refused if they noted another’s, or none', () => {
  const { dataDir, firstIn } = logOfAccounts();
  const folder = new Folder(dataDir);
  const seed = seedOf(dataDir);
  const older = made(firstIn).map(({ id, createdAt }) => ({ id, createdAt: createdAt - limits.clockLeapMs }));
  const refuse = (notedSeed: number | undefined) => () => refuseUnproven(folder, { made: older, notedSeed });
  const ways = () => {
    expect(refuse(seed)).not.toThrow();
    expect(refuse((seed ?? 0) ^ 1)).toThrow('is not of this log');
    expect(refuse(undefined)).toThrow('sentlog accounts adopt --all');
  };
  ways();
  // The indexes have the seed too, and so have the ledger and the journals.
  for (const name of ['log.json', 'log.json.copy']) rmSync(join(dataDir, name));
  ways();
  for (const id of folder.segmentIds()) rmSync(folder.index(id), { force: true });
  ways();
  for (const name of ['ledger', 'ledger.copy']) rmSync(join(dataDir, name));
  ways();
  expect(() => refuseUnproven(new Folder(temporaryFolder()), { made: older, notedSeed: undefined })).not.toThrow();
});

test('log.json of before it named accounts, brought back beside a newer copy → the accounts beside it must be proven', () => {
  const { dataDir } = logOfAccounts();
  const [path, copy] = [join(dataDir, 'log.json'), join(dataDir, 'log.json.copy')];
  const old = readFileSync(path);
  new LogFile(dataDir).belongTo('theirs');
  expect(namesAccounts(dataDir)).toBe(true);
  writeFileSync(path, old);
  expect(namesAccounts(dataDir)).toBe(false);
  // The other way round, and where one of them alone can be read, the one that is opened counts.
  new LogFile(dataDir).belongTo('theirs');
  writeFileSync(copy, old);
  expect(namesAccounts(dataDir)).toBe(true);
  writeFileSync(path, 'damaged');
  expect(namesAccounts(dataDir)).toBe(new LogFile(dataDir).accounts !== undefined);
});

test('the accounts that log.json names damaged, where it has no sum, its copy sound → refused by a line that says how to start; then all is opened', () => {
  const { dataDir } = logOfAccounts();
  const path = join(dataDir, 'log.json');
  new LogFile(dataDir).belongTo('theirs');
  changeLogFields(dataDir, fields => ({ ...fields, accounts: 'thEirs' }), {
    names: ['log.json'],
    write: JSON.stringify,
  });
  expect(() => new LogFile(dataDir).claim('theirs')).toThrow('move it away');
  expect(() => new LogFile(dataDir).claim('others')).toThrow('is not of this log');
  rmSync(path);
  const file = new LogFile(dataDir);
  file.claim('theirs');
  expect(file.damage).toContain('made again of its copy');
});

test.each(['index', 'rows'] as const)(
  'the first message of each account, of its %s → the one that was recorded first',
  by => {
    const { dataDir } = logOfAccounts();
    const folder = new Folder(dataDir);
    if (by === 'rows') for (const id of folder.segmentIds()) rmSync(folder.index(id), { force: true });
    const found = accountsHeldIn(folder);
    expect(found).toHaveLength(1 + segments * lateAccounts);
    for (const { id, first, messages } of found) {
      const all = folder.segmentIds().flatMap(segmentId => {
        const rows = new JournalRows(folder.rows(segmentId));
        const own = rows.messagesFrom(0, 1e9).filter(({ account }) => account === id);
        rows.close();
        return own.map(({ ordinal }) => ({ segmentId, ordinal }));
      });
      expect([first, messages]).toEqual([all[0], all.length]);
    }
  },
);
