import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Ledger } from '../../../src/store/embedded/files/ledger.ts';
import { submission } from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { SimulatedLog } from './simulated-log.ts';

const holding = (id: number) => ({
  id,
  firstSequence: 1,
  messages: id * 10,
  reports: 0,
  sentFrom: 1,
  sentUntil: 2,
  reportedUntil: -Infinity,
  createdAt: 3,
  lostMessages: 0,
  lostReports: 0,
});

test('many segments are dropped at once → each file of the ledger is synced once, and the others are held on', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'sentlog-ledger-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true }));
  let syncs = 0;
  const syncData: Disk['syncData'] = file => {
    syncs++;
    systemDisk.syncData(file);
  };
  const ledger = new Ledger(dataDir, { ...systemDisk, syncData });
  for (let id = 1; id <= 40; id++) ledger.tally(holding(id));
  syncs = 0;
  ledger.remove(Array.from({ length: 30 }, (_, i) => i + 1));
  expect(syncs).toBe(2);
  ledger.remove([7, 99]);
  expect(syncs).toBe(2);
  ledger.letGo();
  const again = new Ledger(dataDir);
  onTestFinished(() => again.close());
  expect(again.all()).toEqual(Array.from({ length: 10 }, (_, i) => holding(31 + i)));
});

test('segments are dropped, and the ledger cannot be written → that is told, and none of them is gone on with', () => {
  let isBroken = false;
  const syncData: Disk['syncData'] = file => {
    if (isBroken) throw Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'fdatasync' });
    systemDisk.syncData(file);
  };
  const log = new SimulatedLog(temporaryFolder(), { ...systemDisk, syncData }, 2);
  onTestFinished(() => log.close());
  const record = (i: number) =>
    log.record({ account: 1, binding: {}, receivedAt: 1000, sentSince: 0, submissions: [submission(i)] });
  for (let i = 0; i < 5; i++) record(i);
  expect([1, 2, 3].map(id => log.isKept(id))).toEqual([true, true, true]);
  isBroken = true;
  expect(() => log.drop([1, 2])).toThrow('EIO');
  isBroken = false;
  expect([1, 2, 3].map(id => log.isKept(id))).toEqual([false, false, true]);
});
