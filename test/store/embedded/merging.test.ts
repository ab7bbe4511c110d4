import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { atOnce, type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { Volumes } from '../../../src/store/embedded/upkeep/volumes.ts';
import { submission } from '../../support/sqlite-log.ts';
import { SimulatedLog } from './simulated-log.ts';

const now = 1_700_000_000_000;
let dataDir = '';
let made: number[] = [];
let failed: number[] = [];

/** Four sealed segments of six messages, and one that takes rows. */
beforeEach(() => {
  [made, failed] = [[], []];
  dataDir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sentlog-merging-'));
  const log = new SimulatedLog(dataDir, systemDisk, 6);
  const submissions = Array.from({ length: 25 }, (_, i) => submission(i, { sentAt: now + i }));
  log.record({ account: 1, binding: {}, receivedAt: now + 1000, sentSince: 0, submissions });
  log.seal(true);
  log.close();
});

afterEach(() => rmSync(dataDir, { recursive: true }));

function volumesOn(disk: Partial<Disk>, youngestLeft = 0): Volumes {
  return new Volumes(
    new Folder(dataDir, { ...systemDisk, ...disk }),
    { youngestLeft, blockRows: 64 },
    {
      atLeisure: async steps => atOnce(steps),
      made: segmentId => made.push(segmentId),
      failed: segmentId => failed.push(segmentId),
    },
  );
}

const named = (end: string) => readdirSync(join(dataDir, 'segments')).filter(name => name.includes(end));

test('segments are told one by one, in any order → the oldest are merged, the youngest left', async () => {
  const volumes = volumesOn({}, 2);
  for (const segmentId of [4, 3]) await volumes.add(segmentId);
  expect(made).toEqual([]);
  for (const segmentId of [1, 2]) await volumes.add(segmentId);
  expect(made).toEqual([1, 2]);
});

test('no room for a volume beside its rows file → none is begun, and it is made when there is', async () => {
  let free = 0;
  const volumes = volumesOn({ freeBytes: () => free });
  await volumes.add(1);
  expect([made, failed, named('.volume')]).toEqual([[], [], []]);
  free = Infinity;
  await volumes.add(2);
  expect(made).toEqual([1, 2]);
});

test('the disk is full in the middle of a volume → told, nothing of it is left, and it is made when there is room', async () => {
  let writes = 0;
  const write: Disk['write'] = (file, from, position) => {
    if (++writes === 2) throw Object.assign(new Error('ENOSPC: no space left on device'), { syscall: 'write' });
    systemDisk.write(file, from, position);
  };
  const volumes = volumesOn({ write });
  await volumes.add(1);
  expect([made, failed, named('.volume'), named('1.journal')]).toEqual([[], [1], [], ['000000001.journal']]);
  await volumes.add(2);
  expect([made, failed]).toEqual([[1, 2], [1]]);
});
