import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { LogFile } from '../../../src/store/embedded/log/log-file.ts';
import { submission } from '../../support/sqlite-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { SimulatedLog } from './simulated-log.ts';

const now = 1_700_000_000_000;
class Killed extends Error {}

/** A disk of a process that ends when it changes something for the so many-th time. */
class EndingDisk {
  changes = 0;
  readonly disk: Disk;

  constructor(changesMax: number) {
    const change = <T extends unknown[], R>(work: (...args: T) => R) => {
      return (...args: T): R => {
        if (this.changes === changesMax) throw new Killed();
        this.changes++;
        return work(...args);
      };
    };
    const { write, rename, link, remove, makeFolder } = systemDisk;
    this.disk = {
      ...systemDisk,
      write: change(write),
      rename: change(rename),
      link: change(link),
      remove: change(remove),
      makeFolder: change(makeFolder),
    };
  }
}

test('a process ends at any change while it recovers a segment → the next start does not take the sums for the whole', () => {
  const folder = temporaryFolder();
  const whole = join(folder, 'whole');
  systemDisk.makeFolder(whole);
  const log = new SimulatedLog(whole, systemDisk);
  const submissions = Array.from({ length: 5 }, (_, i) => submission(i, { sentAt: now + i }));
  log.record({ account: 1, binding: {}, receivedAt: now + 9, sentSince: 0, submissions });
  log.close();
  const rows = new DatabaseSync(join(whole, 'segments', '000000001.rows.db'));
  rows.exec('DELETE FROM message WHERE ordinal = 2');
  rows.close();
  expect(new LogFile(whole).trust.from(1)).toBeLessThan(now);
  for (let changesMax = 0, isDone = false; !isDone; changesMax++) {
    const copy = join(folder, `${changesMax}`);
    cpSync(whole, copy, { recursive: true });
    const ending = new EndingDisk(changesMax);
    try {
      new SimulatedLog(copy, ending.disk).close();
      isDone = ending.changes < changesMax;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
    new SimulatedLog(copy, systemDisk).close();
    expect(new LogFile(copy).trust.from(1), `after ${changesMax} changes`).toBeGreaterThan(now);
  }
});
