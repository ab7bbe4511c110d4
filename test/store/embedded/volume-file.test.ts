import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { frameRows } from '../../../src/store/block/layout.ts';
import { isDamage } from '../../../src/store/embedded/files/damage.ts';
import { atOnce, type Disk, systemDisk } from '../../../src/store/embedded/files/disk.ts';
import { Folder } from '../../../src/store/embedded/files/folder.ts';
import { JournalRows } from '../../../src/store/embedded/rows/journal-rows.ts';
import type { ReportRow, ReportState, Rows } from '../../../src/store/embedded/rows/rows.ts';
import { VolumeFile } from '../../../src/store/embedded/segment/volume-file.ts';
import { makeFacets } from '../../../src/store/embedded/upkeep/make-facets.ts';
import { makeVolume, removeMerged } from '../../../src/store/embedded/upkeep/make-volume.ts';
import { Volumes } from '../../../src/store/embedded/upkeep/volumes.ts';
import { anySubmission } from '../conformance/model.ts';
import { SimulatedLog } from './simulated-log.ts';

const now = 1_700_000_000_000;
const messagesMax = 300;
const dataDir = mkdtempSync(join(tmpdir(), 'sentlog-volume-'));
const folder = new Folder(dataDir);
const segmentId = 1;
let rows: JournalRows;
let volume: VolumeFile;

/** A segment of generated messages and reports of two accounts, beside its volume of blocks of two frames. */
beforeAll(() => {
  const log = new SimulatedLog(dataDir, systemDisk, messagesMax);
  const batches = fc.sample(fc.array(anySubmission, { minLength: 40, maxLength: 60 }), { seed: 5, numRuns: 40 });
  for (const [i, submissions] of batches.entries()) {
    const named = submissions.map(one => ({ ...one, messageId: `${one.messageId}-${i % 12}` }));
    log.record({ account: 1 + (i % 2), binding: {}, receivedAt: now + 10_000, sentSince: 0, submissions: named });
  }
  log.seal();
  log.close();
  expect(atOnce(makeVolume(folder, segmentId, 128))).toBe(true);
  rows = new JournalRows(folder.rows(segmentId));
  volume = new VolumeFile(folder.volume(segmentId));
});

afterAll(() => {
  rows.close();
  volume.close();
  rmSync(dataDir, { recursive: true });
});

const numberOf = (row: { readonly ordinal: number } | { readonly sequence: number }) =>
  'ordinal' in row ? row.ordinal : row.sequence;
const ordered = <R extends Parameters<typeof numberOf>[0]>(found: readonly R[]): readonly R[] =>
  [...found].sort((a, b) => numberOf(a) - numberOf(b));
/** What is asked of a report: either may give more of it. */
const stateOf = ({ sequence, previous, status, error, at, doneAt, seenAt, price, currency, extra }: ReportState) =>
  [sequence, previous, status, error, at, doneAt, seenAt, price, currency, extra] as const;

/** Each question that is asked of rows, with a number, a count and an account. */
const questions: Readonly<Record<string, (from: Rows, number: number, count: number, account: number) => unknown>> = {
  meta: from => from.meta(),
  count: from => from.count(),
  reportCount: from => from.reportCount(from.meta().firstSequence),
  accounts: from => from.accounts(),
  message: (from, number) => from.message(number),
  messages: (from, number, count) => ordered(from.messages(spread(number, count))),
  messagesFrom: (from, number, count) => from.messagesFrom(number, count),
  report: (from, number) => from.report(number),
  reports: (from, number, count) => ordered(from.reports(spread(number, count))),
  states: (from, number, count) => ordered(from.states(spread(number, count))).map(stateOf),
  reportsFrom: (from, number, count) => from.reportsFrom(number, count),
};

const spread = (number: number, count: number) => Array.from({ length: count }, (_, i) => number + i * i);

test.each([
  ['facets', (going: Folder) => atOnce(makeFacets(going, segmentId))],
  ['a volume', (going: Folder) => madeVolume(going)],
])('a segment whose files go one by one while %s is made of it → none, and nothing failed', async (_, make) => {
  const names = [folder.index(segmentId), folder.rows(segmentId)].map(path => basename(path));
  for (const [first, opensBefore] of names.flatMap(name => [0, 1].map(opens => [name, opens] as const))) {
    const copy = mkdtempSync(join(tmpdir(), 'sentlog-going-'));
    onTestFinished(() => rmSync(copy, { recursive: true }));
    mkdirSync(join(copy, 'segments'));
    for (const name of names) copyFileSync(join(folder.path, name), join(copy, 'segments', name));
    let opens = 0;
    const going: Disk = {
      ...systemDisk,
      open: (path, mode) => {
        if (opens++ === opensBefore) systemDisk.remove(join(copy, 'segments', first));
        return systemDisk.open(path, mode);
      },
    };
    expect(await make(new Folder(copy, going))).not.toBeInstanceOf(Error);
  }
});

/** What came of it: an error when it failed. */
async function madeVolume(going: Folder): Promise<unknown> {
  let told: unknown;
  const work = {
    atLeisure: async <T>(steps: Generator<void, T>) => atOnce(steps),
    made: () => {},
    failed: (_: number, error: unknown) => {
      told = error;
    },
  };
  await new Volumes(going, { youngestLeft: 0, blockRows: 128 }, work).add(segmentId);
  return told;
}

describe('a volume', () => {
  test('of many messages and reports → several blocks of each', () => {
    expect(volume.manifest.messages.length).toBeGreaterThan(1);
    expect(volume.manifest.reports.length).toBeGreaterThan(1);
  });

  test.each(Object.entries(questions))('%s → what the rows file answers', (_, ask) => {
    const anyNumber = fc.nat(Math.max(rows.count(), rows.reportCount()) + 5);
    fc.assert(
      fc.property(anyNumber, fc.integer({ min: 1, max: 90 }), fc.constantFrom(1, 2, 3), (number, count, account) => {
        expect(ask(volume, number, count, account)).toEqual(ask(rows, number, count, account));
      }),
      { numRuns: 25 },
    );
  });

  test('a flipped byte anywhere → told, at most the rows of one frame are missing, and the others are as they were', () => {
    const path = join(dataDir, 'flipped.volume');
    const whole = readFileSync(folder.volume(segmentId));
    const all = new Set([...soundRows(volume)].map(row => JSON.stringify(row)));
    fc.assert(
      fc.property(fc.nat(whole.byteLength - 1), at => {
        const flipped = Buffer.from(whole);
        flipped[at] = (flipped[at] ?? 0) ^ 0x10;
        writeFileSync(path, flipped);
        const damaged = new VolumeFile(path);
        try {
          expect(() => atOnce(damaged.verifySteps())).toThrow();
          const found = soundRows(damaged).map(row => JSON.stringify(row));
          expect(found.length).toBeGreaterThanOrEqual(all.size - frameRows);
          expect(found.filter(row => !all.has(row))).toEqual([]);
        } finally {
          damaged.close();
        }
      }),
      { numRuns: 60 },
    );
  });

  test('cut anywhere → told, and what is left can be read', () => {
    const path = join(dataDir, 'cut.volume');
    const whole = readFileSync(folder.volume(segmentId));
    const all = new Set([...soundRows(volume)].map(row => JSON.stringify(row)));
    for (const length of [0, 10, 16_000, 20_000, whole.byteLength >> 1, whole.byteLength - 1]) {
      writeFileSync(path, whole.subarray(0, length));
      const cut = damagedOr(() => new VolumeFile(path));
      if (cut === 'damaged') continue;
      expect(cut.isOf(volume.manifest)).toBe(length === whole.byteLength - 1);
      expect(damagedOr(() => atOnce(cut.verifySteps()))).toBe('damaged');
      expect(soundRows(cut).every(row => all.has(JSON.stringify(row)))).toBe(true);
      cut.close();
    }
  });

  test('its rows file is removed → only while its volume and its index are there, and of the same rows', () => {
    const other = readFileSync(folder.index(segmentId));
    rmSync(folder.index(segmentId));
    expect(removeMerged(folder, segmentId)).toBe(false);
    writeFileSync(folder.index(segmentId), other);
    expect(removeMerged(folder, segmentId)).toBe(true);
    expect(systemDisk.exists(folder.rows(segmentId))).toBe(false);
    expect(removeMerged(folder, segmentId)).toBe(false);
  });
});

function soundRows(from: VolumeFile) {
  return [...from.sound()].map(one => ('message' in one ? one.message : (one.report satisfies ReportRow)));
}

function damagedOr<T>(work: () => T): T | 'damaged' {
  try {
    return work();
  } catch (error) {
    if (!isDamage(error)) throw error;
    return 'damaged';
  }
}
