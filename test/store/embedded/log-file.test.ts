import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { LogFile } from '../../../src/store/embedded/log/log-file.ts';
import { Trust } from '../../../src/store/embedded/log/trust.ts';
import { changeLogFields } from '../../support/log-json.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

/** Nothing here is about what a power cut takes. */
const disk = { ...systemDisk, sync: () => {}, syncData: () => {}, syncFolder: () => {} };

function logFile(): string {
  const dataDir = temporaryFolder();
  const file = new LogFile(dataDir, disk);
  file.belongTo('theirs');
  file.beginEra(1234, 56, ['000000003.journal']);
  file.trusting(new Trust(1_700_000_000_000, new Map([[7, 1_700_000_060_000]])), ['000000003.journal']);
  file.noteGaps();
  return dataDir;
}

function holds(file: LogFile): object {
  const { hashSeed, eras, trust, setAside, gaps, accounts } = file;
  const isBeyond = [['000000003.journal'], ['000000004.journal']].map(names => file.isBeyond(names));
  return { hashSeed, eras, trust: trust.toJSON(), setAside, gaps, accounts, isBeyond };
}

test('any byte of log.json flipped → told, and what it held stands in its copy', () => {
  const dataDir = logFile();
  const path = join(dataDir, 'log.json');
  const sound = readFileSync(path);
  const held = holds(new LogFile(dataDir, disk));
  // Without the name of the sum there is none to fit; what is beside it is whole.
  const sumAt = sound.lastIndexOf('"sum"') + 1;
  const isOfName = (at: number) => at >= sumAt && at < sumAt + 3;
  for (const at of sound.keys()) {
    const bent = Buffer.from(sound);
    bent[at] = (bent[at] ?? 0) ^ (1 << (at % 3));
    writeFileSync(path, bent);
    const file = new LogFile(dataDir, disk);
    expect(holds(file), bent.toString()).toEqual(held);
    if (!isOfName(at)) expect(file.damage, bent.toString()).toContain('it was made again of its copy');
    expect(new LogFile(dataDir, disk).damage).toBeUndefined();
  }
});

test('log.json and its copy as a version wrote them that knew no sums → read as they are', () => {
  const dataDir = logFile();
  const held = holds(new LogFile(dataDir, disk));
  changeLogFields(dataDir, fields => fields, { write: JSON.stringify });
  const file = new LogFile(dataDir, disk);
  expect([holds(file), file.damage]).toEqual([held, undefined]);
});
